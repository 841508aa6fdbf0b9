// SPDX-License-Identifier: Apache-2.0
//! What is particular to one node.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a machine becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A node that joins with a bootstrap token.
    #[default]
    Worker,
    /// The machine that makes the cluster: etcd, API server and controllers run on it.
    ControlPlane,
}

/// What is particular to one node; each of these has a rule by which it is found where it is not given.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// The Node object's name; else the host name.
    #[serde(default)]
    pub name: Option<String>,
    /// The node's own addresses, at most one of each family; else the source addresses towards the API servers.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// `spec.providerID`.
    #[serde(default)]
    pub provider_id: Option<String>,
    /// What tells this machine from its clones; else SMBIOS' UUID, else the machine id.
    #[serde(default)]
    pub instance_id: Option<String>,
    /// Labels that the Node is registered with.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Taints that the Node is registered with.
    #[serde(default)]
    pub taints: Vec<Taint>,
    /// The block's index, with [`super::Addressing::Static`].
    #[serde(default)]
    pub index: Option<u32>,
    /// A file of a provisioner that holds the bootstrap token; it is unlinked once the certificate is safe on disk.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
}

/// A taint as kubelet spells it, `key=value:Effect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taint {
    /// `dedicated`, `example.org/gpu`.
    pub key: String,
    /// May be empty.
    #[serde(default)]
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}
