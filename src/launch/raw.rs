// SPDX-License-Identifier: Apache-2.0
//! Raw: exactly what a person types into a cluster's description (`image/cluster.yaml`), and nothing of what it means.
//!
//! Its JSON schema is made from these types; sections that must be there are optional in Rust, as in a manifest.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::manifest::SettingsLayer;

/// A cluster on AWS: where its nodes run and what they are told.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "kiln cluster")]
pub struct Cluster {
    /// Version of this format: 1.
    #[schemars(required, extend("const" = 1))]
    #[expect(dead_code, reason = "the check against the schema's constant is all the reading it gets")]
    pub kiln: Option<u32>,
    /// Names the cluster in tags and parameters: lower-case letters, digits and '-', 32 at most.
    #[schemars(required)]
    pub name: Option<String>,
    /// The region, 'eu-central-1'.
    #[schemars(required)]
    pub region: Option<String>,
    /// The AMI of all nodes: 'ami-...', or the name of an SSM parameter that holds it, '/kiln/images/kiln-node'.
    #[schemars(required)]
    pub image: Option<String>,
    /// A file with the cluster's CA certificates (PEM), relative to this one; what workers trust.
    pub ca_file: Option<String>,
    /// The control plane.
    #[schemars(required)]
    pub control_plane: Option<Group>,
    /// The workers.
    #[schemars(required)]
    pub workers: Option<Group>,
    /// Tags of all that is made, beside kiln's own.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Settings of all nodes, as kiln-firstboot reads them.
    #[serde(default)]
    pub settings: SettingsLayer,
}

/// Instances of one role.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// 'm7i.large'.
    #[schemars(required)]
    pub instance_type: Option<String>,
    /// Subnets, taken in turn.
    #[schemars(required)]
    pub subnets: Option<Vec<String>>,
    /// Security groups of the instances.
    #[schemars(required)]
    pub security_groups: Option<Vec<String>>,
    /// The instance profile whose role the instances have.
    pub instance_profile: Option<String>,
    /// The private address of the control plane, which workers go to.
    pub address: Option<String>,
    /// Whether spot instances are asked for. Default: false.
    #[serde(default)]
    pub spot: bool,
    /// Settings of this role, stronger than those of all nodes.
    #[serde(default)]
    pub settings: SettingsLayer,
}
