// SPDX-License-Identifier: Apache-2.0
//! Cluster: what a description of a cluster means, validated whole; and the way there from a text.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde_yaml::Mapping;

use super::{check, layer, raw};
use crate::manifest;
use crate::marks::at::At;
use crate::marks::report::Report;
use crate::marks::{self, Place, shape};
use crate::problem::Problems;
use crate::settings::{Role, secret};

/// A whole, valid description of a cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// Names it in tags and parameters.
    pub name: String,
    /// `eu-central-1`.
    pub region: String,
    /// The AMI of all nodes.
    pub image: Image,
    /// A file with the CA certificates that workers trust, relative to the description.
    pub ca_file: Option<PathBuf>,
    /// The control plane.
    pub control_plane: Group,
    /// The workers.
    pub workers: Group,
    /// Tags of all that is made, beside kiln's own.
    pub tags: BTreeMap<String, String>,
    /// Settings of all nodes.
    pub settings: Mapping,
}

/// Where the AMI's id is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image {
    /// Here.
    Ami(String),
    /// In an SSM parameter of this name.
    Parameter(String),
}

/// Instances of one role.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// `m7i.large`.
    pub instance_type: String,
    /// At least one.
    pub subnets: Vec<String>,
    /// At least one.
    pub security_groups: Vec<String>,
    /// Without one the instances have no role.
    pub instance_profile: Option<String>,
    /// The control plane's private address.
    pub address: Option<IpAddr>,
    /// Whether spot instances are asked for.
    pub spot: bool,
    /// Settings of this role.
    pub settings: Mapping,
}

impl Cluster {
    /// Returns the instances of a role.
    pub fn group(&self, role: Role) -> &Group {
        match role {
            Role::ControlPlane => &self.control_plane,
            Role::Worker => &self.workers,
        }
    }

    /// Returns every subnet that nodes of this cluster are in, each once.
    pub fn subnets(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        for subnet in self.control_plane.subnets.iter().chain(&self.workers.subnets) {
            if !all.contains(&subnet.as_str()) {
                all.push(subnet);
            }
        }
        all
    }
}

/// Returns the cluster that `text` describes; `file` is its name for messages.
///
/// # Errors
/// Everything that is wrong with it, each problem with its place.
pub fn parse(file: &Path, text: &str) -> Result<Cluster, Problems> {
    let mut report = Report::new(file);
    let (tree, faults) = marks::parse(text, 0);
    for fault in faults {
        report.add(fault.place, &fault.key, fault.what, fault.fix);
    }
    let Some(tree) = tree else { return Err(empty(report)) };
    let tree = secret::pruned(&At::root(&tree), &mut report).unwrap_or(tree);
    let Some(fitting) = shape::check_leniently(&At::root(&tree), &schema(), &mut report) else {
        return Err(report.into_problems());
    };
    report.end_of_shapes();
    let at = At::root(&fitting);
    let cluster = match serde_yaml::from_value::<raw::Cluster>(fitting.value()) {
        Ok(raw) => check::cluster(raw, &at, &mut report),
        // The schema is made from the types, so a tree that fits it is one of them.
        Err(error) => {
            report.wrong(&at, error.to_string(), None);
            None
        }
    };
    if let Some(cluster) = &cluster {
        layer::check(cluster, &at, &mut report);
    }
    cluster.filter(|_| report.is_clean()).ok_or_else(|| report.into_problems())
}

/// Returns the JSON schema of a description.
pub fn schema() -> serde_json::Value {
    manifest::schema::of::<raw::Cluster>()
}

/// Without a tree and without a fault the text was empty.
fn empty(mut report: Report) -> Problems {
    if report.is_clean() {
        let start = Place { text: 0, line: 1, column: 1 };
        report.add(
            start,
            "",
            "the file is empty".to_owned(),
            Some("start from image/cluster.yaml".to_owned()),
        );
    }
    report.into_problems()
}
