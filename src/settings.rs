// SPDX-License-Identifier: Apache-2.0
//! Settings: the versioned contract between an image and the node that is booted from it.
//!
//! Bake writes the baked layer, provisioners and credentials add to it, first boot reads the whole ([`merge`]). No secret
//! stands here: the bootstrap token comes by a way of its own ([`token`]). Nothing here reads or writes a file;
//! `host::layers` does.

mod alias;
pub mod check;
mod cloud;
mod cluster;
mod command_line;
mod deep;
mod environment;
pub mod keys;
pub mod layer;
mod merge;
mod network;
mod node;
pub mod ranges;
mod read;
pub mod secret;
pub mod token;

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::addon::Values;

pub use alias::key_of as key_of_alias;
pub use cloud::{Cloud, Platform};
pub use cluster::{Addressing, Api, Cluster, ControlPlane};
pub use layer::{Form, Layer};
pub use merge::{Merged, cloud_of, merge};
pub use network::{Fabric, Mode, Network, Routes, Runtime};
pub use node::{Node, Role, Taint};

/// Where layers lie that last, in the order of their names.
pub const FOLDER: &str = "/etc/kiln/settings.d";
/// Where layers lie that are gone after a reboot.
pub const VOLATILE_FOLDER: &str = "/run/kiln/settings.d";
/// Where provisioners write the words of older systems.
pub const ENVIRONMENT_FILE: &str = "/etc/kiln/settings.env";
/// The name of the credential that holds the bootstrap token.
pub const TOKEN_CREDENTIAL: &str = "kiln.token";
/// Where the baked layer lies in an image; later layers have greater numbers.
pub const BAKED_PATH: &str = "/etc/kiln/settings.d/10-image.yaml";

/// The version of this contract that is written.
pub const VERSION: u32 = 1;

/// What a node is told, all layers merged and validated. Nothing is optional here that must exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// [`VERSION`]; a node refuses a version that it does not know.
    pub version: u32,
    /// The image's name.
    pub image: String,
    /// What the machine is to become.
    #[serde(default)]
    pub role: Role,
    /// The cluster that the image is for.
    pub cluster: Cluster,
    /// Where the API servers are and whom to trust.
    #[serde(default)]
    pub api: Api,
    /// What is particular to this node.
    #[serde(default)]
    pub node: Node,
    /// How pods are connected.
    #[serde(default)]
    pub network: Network,
    /// What runs containers.
    #[serde(default)]
    pub runtime: Runtime,
    /// The image that pods' sandboxes are containers of; else the runtime's own choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
    /// Of the control-plane role only.
    #[serde(default)]
    pub control_plane: ControlPlane,
    /// The cloud that the machine is in.
    #[serde(default)]
    pub cloud: Cloud,
}

impl Settings {
    /// Returns the addresses of the cluster's DNS service: the tenth of each service range, as kubeadm has it.
    pub fn dns_addresses(&self) -> Vec<IpAddr> {
        self.service_addresses(ranges::DNS_INDEX.into())
    }

    /// Returns what the words of addons stand for.
    pub fn addon_values(&self) -> Values {
        Values {
            cluster_dns: self.dns_addresses().first().map(IpAddr::to_string).unwrap_or_default(),
            cluster_domain: self.cluster.domain.clone(),
            api_endpoint: self.api.endpoint.clone(),
        }
    }

    /// Returns the addresses of the service `kubernetes`: the first of each service range, as kube-apiserver has it.
    pub fn api_service_addresses(&self) -> Vec<IpAddr> {
        self.service_addresses(1)
    }

    fn service_addresses(&self, number: u128) -> Vec<IpAddr> {
        let address = |range: &IpNet| match range {
            IpNet::V4(range) => {
                let number = u32::try_from(number).expect("a small number");
                IpAddr::from((u32::from(range.network()) + number).to_be_bytes())
            }
            IpNet::V6(range) => IpAddr::from((u128::from(range.network()) + number).to_be_bytes()),
        };
        self.cluster.services.iter().map(address).collect()
    }
}
