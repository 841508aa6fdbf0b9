// SPDX-License-Identifier: Apache-2.0
//! Flow: asks the server for what an audit judges, and says whole what rights are missing.

use std::time::Duration;

use ipnet::IpNet;

use super::{Audit, Listed, audit};
use crate::cluster::{ApiError, ApiErrorKind as Kind, Client};
use crate::host::clock;
use crate::ipam::{NAMESPACE, POOL, Ranges, RangesError};

/// Between two looks: a birth gets from its claim to podCIDRs in less, and so does the garbage collector.
pub(crate) const SECOND_LOOK: Duration = Duration::from_secs(2);

/// Why there is no audit.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// The cluster has no pool.
    #[error(
        "the cluster has no pool (ConfigMap {NAMESPACE}/{POOL}): the API phase of a control plane makes it; is this the \
         cluster that was meant?"
    )]
    NoPool,
    /// The pool is none of this kiln's.
    #[error("the cluster's pool (ConfigMap {NAMESPACE}/{POOL}) can't be read")]
    BadPool(#[source] RangesError),
    /// Rights are missing.
    #[error("who this kubeconfig is may not {}: bind a role with these rights; the server says: {said}", .missing.join(", nor "))]
    Forbidden {
        /// Verb and resource of each.
        missing: Vec<&'static str>,
        /// The server's words about the first.
        said: String,
    },
    /// Any other failure.
    #[error(transparent)]
    Api(#[from] ApiError),
}

/// Looks, and once more where something seems wrong: only what stands in both looks is reported.
///
/// # Errors
/// When the cluster has no pool, rights are missing, or a request fails.
pub async fn look(client: &Client) -> Result<Audit, LookError> {
    let first = audit(&listed(client).await?);
    if first.problems.is_empty() {
        return Ok(first);
    }
    tokio::time::sleep(SECOND_LOOK).await;
    Ok(audit(&listed(client).await?).standing(&first))
}

/// Reads everything once, claims before Nodes.
///
/// # Errors
/// As [`look`].
pub async fn listed(client: &Client) -> Result<Listed, LookError> {
    read(client, true).await
}

/// As [`listed`], without services: who holds what does not depend on them.
///
/// # Errors
/// As [`look`].
pub async fn held(client: &Client) -> Result<Listed, LookError> {
    read(client, false).await
}

async fn read(client: &Client, with_services: bool) -> Result<Listed, LookError> {
    let mut rights = Rights { client, missing: Vec::new(), said: String::new() };
    let pool =
        rights.ask("get configmaps in kiln-ipam", async || client.config_map_get(NAMESPACE, POOL).await);
    let pool = match pool.await {
        Err(LookError::Api(ApiError { kind: Kind::NotFound { .. }, .. })) => return Err(LookError::NoPool),
        pool => pool?,
    };
    let maps =
        rights.ask("list configmaps in kiln-ipam", async || client.config_maps(NAMESPACE).await).await?;
    let nodes = rights.ask("list nodes", async || client.nodes().await).await?;
    let services = if with_services { services(&mut rights).await? } else { Some(Vec::new()) };
    let (Some(pool), Some(maps), Some(nodes), Some(services)) = (pool, maps, nodes, services) else {
        return Err(LookError::Forbidden { missing: rights.missing, said: rights.said });
    };
    let ranges = Ranges::parse(&pool.data).map_err(LookError::BadPool)?;
    let now_s = clock::now_s().saturating_add_signed(client.skew_s().unwrap_or(0));
    Ok(Listed { ranges, maps, nodes, services, now_s })
}

async fn services(rights: &mut Rights<'_>) -> Result<Option<Vec<IpNet>>, LookError> {
    let client = rights.client;
    match rights.ask("list servicecidrs.networking.k8s.io", async || client.service_ranges().await).await? {
        // Servers before 1.33 need not have such objects.
        Some(None) => rights.ask("list services", async || client.service_addresses().await).await,
        Some(ranges) => Ok(ranges),
        None => Ok(None),
    }
}

/// Collects what is forbidden, so that all of it is told at once.
struct Rights<'a> {
    client: &'a Client,
    missing: Vec<&'static str>,
    said: String,
}

impl Rights<'_> {
    /// Returns nothing where it is forbidden.
    async fn ask<T>(
        &mut self,
        right: &'static str,
        request: impl AsyncFnMut() -> Result<T, ApiError>,
    ) -> Result<Option<T>, LookError> {
        match self.client.patiently(request).await {
            Ok(answer) => Ok(Some(answer)),
            Err(ApiError { kind: Kind::Forbidden { message }, .. }) => {
                if self.missing.is_empty() {
                    self.said = message;
                }
                self.missing.push(right);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}
