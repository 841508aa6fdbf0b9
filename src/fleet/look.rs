// SPDX-License-Identifier: Apache-2.0
//! Flow: reads what is judged, from EC2 and from the API server, a page each time and nothing twice.

use super::{Fleet, Routes, Seen, Wanted, fleet, routes};
use crate::audit;
use crate::audit::look::{LookError, SECOND_LOOK};
use crate::cloud::{CloudError, Instance, Region};
use crate::cluster::Client;
use crate::launch::{Image, tag};
use crate::route::Table;

/// Why there is no comparison.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// A call of AWS.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The API server.
    #[error(transparent)]
    Look(#[from] LookError),
    /// There is no one VPC.
    #[error("the cluster is in more than one VPC: {}; name subnets of one in its description", .0.join(", "))]
    Vpcs(Vec<String>),
    /// The claims say nothing of who needs a route.
    #[error(
        "addressing is kcm: the cluster's own allocator sets blocks and nobody claims them, so nothing says whether a \
         route is still needed; remove it yourself"
    )]
    NoClaims,
    /// Nothing says that the claims are those of the described cluster.
    #[error(
        "no instance of {0} runs, so nothing says that this kubeconfig's cluster is the one that its description means: what \
         leads into the pod range may be others'; remove it yourself"
    )]
    NoInstance(String),
    /// Instances and Nodes have nothing to do with each other.
    #[error(
        "none of the {instances} running instances of {cluster} is a Node of this kubeconfig's cluster: is it the one that \
         was meant?"
    )]
    OtherCluster {
        /// How many instances run.
        instances: usize,
        /// The cluster's name.
        cluster: String,
    },
}

/// Compares instances and Nodes, and looks once more where something disagrees: only what stands in both looks is told.
///
/// # Errors
/// When something can't be read.
pub async fn nodes(wanted: &Wanted, region: &Region, client: &Client) -> Result<Fleet, FleetError> {
    let image = match &wanted.image {
        Image::Ami(id) => Some(id.clone()),
        Image::Parameter(name) => region.parameters(std::slice::from_ref(name)).await?.remove(name),
    };
    let first = fleet(wanted, &look(wanted, region, client).await?, image.as_deref());
    if first.problems.is_empty() {
        return Ok(first);
    }
    tokio::time::sleep(SECOND_LOOK).await;
    Ok(fleet(wanted, &look(wanted, region, client).await?, image.as_deref()).standing(&first))
}

/// Judges the routes; looks once more where one is not as it should be, and believes the second look.
///
/// # Errors
/// When something can't be read.
pub async fn vpc_routes(
    wanted: &Wanted,
    region: &Region,
    client: &Client,
) -> Result<(Routes, Seen), FleetError> {
    let mut seen = look(wanted, region, client).await?;
    let mut found = routes(wanted, &seen);
    if !found.is_sound() {
        tokio::time::sleep(SECOND_LOOK).await;
        seen = look(wanted, region, client).await?;
        found = routes(wanted, &seen);
    }
    Ok((found, seen))
}

/// Reads everything once. Tables come before claims: who has a route there had its claim before.
async fn look(wanted: &Wanted, region: &Region, client: &Client) -> Result<Seen, FleetError> {
    let members = region.instances_tagged(tag::CLUSTER, &wanted.name).await?;
    let tables = tables(wanted, region, &members).await?;
    let listed = audit::look::held(client).await?;
    Ok(Seen { members, tables, listed })
}

/// Reads the tables of the cluster's VPC: that of its instances or, where there are none, of its subnets.
pub(super) async fn tables(
    wanted: &Wanted,
    region: &Region,
    members: &[Instance],
) -> Result<Vec<Table>, FleetError> {
    let mut vpcs: Vec<String> = members.iter().filter_map(|member| member.attached.vpc.clone()).collect();
    vpcs.sort();
    vpcs.dedup();
    if vpcs.is_empty() {
        vpcs = region.vpcs_of(&wanted.network.subnets).await?;
    }
    match vpcs.as_slice() {
        [vpc] => Ok(region.route_tables(vpc).await?),
        _ => Err(FleetError::Vpcs(vpcs)),
    }
}
