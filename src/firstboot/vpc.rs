// SPDX-License-Identifier: Apache-2.0
//! Routes in the VPC: where the machine is, which tables the node's block must be in, and what may be wrong. Pure.

mod fault;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::ipam::Ranges;
use crate::route::{self, Table};
use crate::settings::Cluster;

pub use fault::Fault;

/// Where in the VPC the machine is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Attachment {
    /// Its primary network interface.
    pub interface: String,
    /// The VPC.
    pub vpc: String,
    /// The subnet of the interface.
    pub subnet: String,
}

/// What was done once and is not asked for again: the record on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Routed {
    /// The interface that routes lead to, whose source/destination check is off.
    pub interface: String,
    /// Subnets whose tables have the routes.
    pub subnets: Vec<String>,
    /// The blocks.
    pub blocks: Vec<IpNet>,
}

/// Returns the tables of these subnets: a subnet's own, or the VPC's main one where it has none.
///
/// # Errors
/// When a subnet has neither among these tables.
pub fn tables_of<'a>(tables: &'a [Table], subnets: &[String], vpc: &str) -> Result<Vec<&'a Table>, Fault> {
    let missing = |subnet: &String| Fault::NoTable { subnet: subnet.clone(), vpc: vpc.to_owned() };
    route::tables_of(tables, subnets).map_err(missing)
}

/// Returns whether all of these are blocks of the cluster's pool, each on its mask: what else would a route lead astray?
pub fn are_blocks(cluster: &Cluster, blocks: &[IpNet]) -> bool {
    let Ok(ranges) = Ranges::of(cluster) else { return false };
    blocks.iter().all(|block| ranges.pools().iter().any(|pool| pool.index_of(*block).is_some()))
}
