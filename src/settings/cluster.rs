// SPDX-License-Identifier: Apache-2.0
//! What nodes are told of their cluster.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// The ranges of the cluster and how the pod range is cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// The version of Kubernetes, "v1.36.3".
    #[serde(default)]
    pub kubernetes: String,
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
    /// The DNS domain of services.
    #[serde(default = "cluster_domain")]
    pub domain: String,
    /// How a node comes by its block. The cluster's pool object has the word; a control plane makes it from this.
    #[serde(default)]
    pub addressing: Addressing,
    /// Indices of blocks that no node gets.
    #[serde(default)]
    pub reserved: Vec<u32>,
}

fn cluster_domain() -> String {
    "cluster.local".to_owned()
}

/// How nodes come by their blocks; one way for the whole cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Addressing {
    /// A free index is searched and claimed.
    #[default]
    Claim,
    /// The settings name the index; it is claimed.
    Static,
    /// The index is that of the node's own address within the hosts' range; it is claimed.
    Derived,
    /// The cluster's own allocator (kube-controller-manager) sets the block; it is adopted and nothing is claimed.
    Kcm,
}

impl Addressing {
    /// Returns the word for it in settings and in the pool.
    pub fn word(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Static => "static",
            Self::Derived => "derived",
            Self::Kcm => "kcm",
        }
    }
}

/// The API servers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// `https://HOST:PORT`, as nodes reach it.
    #[serde(default)]
    pub endpoint: String,
    /// The cluster's CA certificates in PEM; no private key.
    #[serde(default)]
    pub ca: String,
}

/// Settings of the control-plane role.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlPlane {
    /// More names and addresses that the API server's certificate is good for.
    #[serde(default)]
    pub names: Vec<String>,
    /// The block device that etcd's data and the cluster's keys are on, and that outlives the machine: `vol-...` or a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_volume: Option<String>,
}
