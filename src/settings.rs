// SPDX-License-Identifier: Apache-2.0
//! Settings: the versioned contract between an image and the node that is booted from it.
//!
//! Bake writes the baked layer, first boot reads it. Only what holds for every node of the image stands here: no
//! names, no addresses of one machine and never a secret. Nothing here reads or writes a file.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Where the baked layer lies in an image; later layers have greater numbers.
pub const BAKED_PATH: &str = "/etc/kiln/settings.d/10-image.yaml";

/// The version of this contract that is written.
pub const VERSION: u32 = 1;

/// One layer of settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// [`VERSION`]; a node refuses a version that it does not know.
    pub version: u32,
    /// The image's name.
    pub image: String,
    /// The cluster that the image is for.
    pub cluster: Cluster,
}

/// The ranges of the cluster and how the pod range is cut, as the image's manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Pod ranges, at most one of each family.
    pub pods: Vec<IpNet>,
    /// Service ranges, at most one of each family.
    pub services: Vec<IpNet>,
    /// Ranges of the hosts' own addresses.
    #[serde(default)]
    pub hosts: Vec<IpNet>,
    /// Prefix length of one node's block of the IPv4 pod range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_prefix: Option<u8>,
    /// Prefix length of one node's block of the IPv6 pod range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_prefix_v6: Option<u8>,
    /// The most nodes there will be, those that replace others not counted.
    pub nodes_max: u32,
    /// How many nodes more there may be while nodes are replaced.
    pub surge: u32,
    /// The most pods on a node.
    pub pods_max: u32,
}
