// SPDX-License-Identifier: Apache-2.0
//! Flow: removes routes that nobody needs any more. What was planned is read again just before, table and claim.

use serde::Serialize;

use super::look::{FleetError, tables};
use super::nodes::instance_of;
use super::routes::is_others;
use super::{Doomed, Routes, Seen, Wanted};
use crate::audit::look::LookError;
use crate::cloud::Region;
use crate::cluster::{ApiError, ApiErrorKind, Client};
use crate::ipam::{NAMESPACE, claim_name};
use crate::settings::Addressing;

/// What became of the routes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Those that were removed.
    pub removed: Vec<Doomed>,
    /// Those that were kept: something had changed since they were looked at.
    pub kept: Vec<Doomed>,
}

/// Returns what would be removed.
///
/// # Errors
/// Where nothing says who needs a route, or the claims may be another cluster's.
pub fn plan(wanted: &Wanted, seen: &Seen, routes: &Routes) -> Result<Vec<Doomed>, FleetError> {
    let doomed = routes.doomed();
    if doomed.is_empty() {
        return Ok(doomed);
    }
    if seen.listed.ranges.addressing == Addressing::Kcm {
        return Err(FleetError::NoClaims);
    }
    let up: Vec<&str> =
        seen.members.iter().filter(|member| member.state.is_up()).map(|member| &*member.id).collect();
    if up.is_empty() {
        return Err(FleetError::NoInstance(wanted.name.clone()));
    }
    let is_known = |id: &str| up.contains(&id);
    let mut nodes = seen.listed.nodes.iter();
    if !nodes.any(|node| is_known(instance_of(node).unwrap_or(&node.meta.name))) {
        return Err(FleetError::OtherCluster { instances: up.len(), cluster: wanted.name.clone() });
    }
    Ok(doomed)
}

/// Removes the routes that were planned, one after the other.
///
/// # Errors
/// Of the first call that fails; run again to go on.
pub async fn prune(
    planned: &[Doomed],
    wanted: &Wanted,
    seen: &Seen,
    region: &Region,
    client: &Client,
) -> Result<Pruned, FleetError> {
    let tables = tables(wanted, region, &seen.members).await?;
    let mut pruned = Pruned { removed: Vec::new(), kept: Vec::new() };
    for doomed in planned {
        let table = tables.iter().find(|table| table.id == doomed.table);
        let route = table.and_then(|table| table.route_to(&doomed.destination));
        let is_same =
            route.is_some_and(|route| route.target == doomed.target && !is_others(route, &seen.members));
        if is_same && !is_claimed(doomed.index, client).await? {
            region.delete_route(&doomed.table, doomed.destination).await?;
            pruned.removed.push(doomed.clone());
        } else {
            pruned.kept.push(doomed.clone());
        }
    }
    Ok(pruned)
}

async fn is_claimed(index: u32, client: &Client) -> Result<bool, FleetError> {
    let name = claim_name(index);
    match client.patiently(async || client.config_map_get(NAMESPACE, &name).await).await {
        Ok(_) => Ok(true),
        Err(ApiError { kind: ApiErrorKind::NotFound { .. }, .. }) => Ok(false),
        Err(error) => Err(LookError::from(error).into()),
    }
}
