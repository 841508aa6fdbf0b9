// SPDX-License-Identifier: Apache-2.0
//! How pods are connected, and what runs them.

use serde::{Deserialize, Serialize};

/// How pods are connected to the node and to other nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Whose bridge pods hang on.
    #[serde(default)]
    pub mode: Mode,
    /// What carries packets between nodes.
    #[serde(default)]
    pub fabric: Fabric,
    /// Bytes; else the uplink's less what the fabric adds.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// Who writes a route to the node's block, where no fabric carries packets.
    #[serde(default)]
    pub routes: Routes,
}

/// Whose bridge pods hang on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The CNI bridge plugin's cni0.
    #[default]
    Cni,
    /// Docker's own docker0.
    Docker,
}

/// What carries packets between nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fabric {
    /// flannel, encapsulated.
    #[default]
    Vxlan,
    /// flannel, routes by way of the other host; all hosts share a segment.
    HostGw,
    /// Somebody else: routes of a cloud or of the network.
    None,
}

/// Who writes a route to a node's block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Routes {
    /// Not kiln.
    #[default]
    None,
    /// The node itself, into the route tables of its VPC.
    Vpc,
}

/// What runs containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// containerd's CRI.
    #[default]
    Containerd,
    /// dockerd behind cri-dockerd.
    Docker,
}
