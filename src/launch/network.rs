// SPDX-License-Identifier: Apache-2.0
//! Network: what the nodes of a cluster are told of routes in their VPC, read back from their layers of settings.

use serde_yaml::Value;

use super::cluster::Cluster;
use super::layer;
use super::user_data::Given;
use crate::settings::Role;

/// What the nodes are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Whether each node leads its block to itself in the VPC's route tables.
    pub has_routes: bool,
    /// The subnets whose tables have the routes, each once.
    pub subnets: Vec<String>,
}

impl Cluster {
    /// Returns what the nodes are told of routes. What the image's own layer says is not known here.
    pub fn network(&self) -> Network {
        let mut network = Network { has_routes: false, subnets: Vec::new() };
        for role in [Role::ControlPlane, Role::Worker] {
            let layer = Value::Mapping(layer::layer(self, role, &Given::default()));
            network.has_routes |= layer["network"]["routes"].as_str() == Some("vpc");
            for subnet in layer["cloud"]["subnets"].as_sequence().into_iter().flatten() {
                let subnet = subnet.as_str().unwrap_or_default().to_owned();
                if !network.subnets.contains(&subnet) {
                    network.subnets.push(subnet);
                }
            }
        }
        network
    }
}
