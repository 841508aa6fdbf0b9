// SPDX-License-Identifier: Apache-2.0
//! The cloud that a machine is in.

use serde::{Deserialize, Serialize};

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
