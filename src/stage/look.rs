// SPDX-License-Identifier: Apache-2.0
//! Looks at all that tells how far machines are: three lists.

use super::Shown;
use crate::cluster::{ApiError, Client};
use crate::ipam;

/// Asks the API server.
///
/// # Errors
/// The first request's that fails.
pub async fn look(client: &Client) -> Result<Shown, ApiError> {
    Ok(Shown {
        requests: client.csrs().await?,
        nodes: client.nodes().await?,
        claims: client.config_map_metas(ipam::NAMESPACE).await?,
    })
}
