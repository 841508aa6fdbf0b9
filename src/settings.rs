// SPDX-License-Identifier: Apache-2.0
//! Settings: the versioned contract between an image and the node that is booted from it.
//!
//! Bake writes the baked layer, provisioners and credentials add to it, first boot reads the whole ([`merge`]). No secret
//! stands here: the bootstrap token comes by a way of its own ([`token`]). Nothing here reads or writes a file;
//! `host::layers` does.

mod alias;
pub mod check;
mod command_line;
mod environment;
pub mod keys;
pub mod layer;
mod merge;
pub mod ranges;
pub mod secret;
pub mod token;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::addon::Values;

pub use alias::key_of as key_of_alias;
pub use layer::{Form, Layer};
pub use merge::{Merged, cloud_of, merge};

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
    /// The block's index, with [`Addressing::Static`].
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

/// Settings of the control-plane role.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlPlane {
    /// More names and addresses that the API server's certificate is good for.
    #[serde(default)]
    pub names: Vec<String>,
}

/// The cloud that the machine is in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cloud {
    /// Whose metadata service is asked who the machine is.
    #[serde(default)]
    pub platform: Platform,
    /// Subnets whose route tables get a route to the node's block; else the machine's own.
    #[serde(default)]
    pub subnets: Vec<String>,
    /// `http://ADDRESS`, in the place of the metadata service's own addresses.
    #[serde(default)]
    pub metadata: Option<String>,
    /// `https://HOST`, in the place of the region's own endpoint of EC2.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// CA certificates in PEM that are trusted for the endpoints beside the public ones.
    #[serde(default)]
    pub ca: Option<String>,
    /// `https://HOST`, in the place of the region's own endpoint of Systems Manager.
    #[serde(default)]
    pub parameters_endpoint: Option<String>,
    /// `/kiln/clusters/demo`: below it a control plane publishes what is public of its cluster.
    #[serde(default)]
    pub share: Option<String>,
    /// The certificate request (PEM) of who is to be an administrator.
    #[serde(default)]
    pub operator: Option<String>,
    /// The SecureString that a control plane keeps a live bootstrap token in, and that machines join with.
    #[serde(default)]
    pub token_parameter: Option<String>,
    /// The auto scaling group of workers whose health a control plane tells.
    #[serde(default)]
    pub group: Option<String>,
    /// `https://HOST`, in the place of the region's own endpoint of EC2 Auto Scaling.
    #[serde(default)]
    pub scaling_endpoint: Option<String>,
}

/// Whose metadata service is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Platform {
    /// Nobody's: whoever can answer at such an address has no say.
    #[default]
    None,
    /// EC2's.
    Aws,
    /// EC2's, where SMBIOS says that the machine is one of EC2's.
    Auto,
}
