// SPDX-License-Identifier: Apache-2.0
//! Who this machine is: decided once, recorded, and kept.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Who this machine is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The Node object's name.
    pub name: String,
    /// The node's own addresses, one of each family at most, the primary family first.
    pub addresses: Vec<IpAddr>,
    /// `spec.providerID`, where somebody gave one.
    pub provider_id: Option<String>,
    /// What tells this machine from its clones.
    pub instance_id: String,
}
