// SPDX-License-Identifier: Apache-2.0
//! Routes in the VPC: which tables the node's block must be in, and what is to be done to one. Pure.
//!
//! The claim is the authority: whoever holds it may lead the block's packets to itself, and a route to the very block that
//! leads elsewhere is a former holder's. Nothing but the block itself is ever touched.

mod fault;

use std::collections::BTreeSet;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::reason::Reason;
use super::step::Step;
use crate::ipam::Ranges;
use crate::route::{self, Route, Table};
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

/// What EC2 has answered in this run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Seen {
    /// The VPC's tables, with what was written since they were read.
    pub tables: Option<Vec<Table>>,
    /// Whether the tables have been written to since they were read.
    pub is_written: bool,
    /// Routes that were written in this run, by table.
    pub written: BTreeSet<(String, IpNet)>,
    /// Whether the source/destination check was switched off in this run.
    pub is_check_off: bool,
    /// Why the last call brought nothing; waiting clears it.
    pub trouble: Option<Reason>,
}

impl Seen {
    /// Folds in that a route was written, towards `interface`.
    pub fn wrote(&mut self, table: &str, to: IpNet, interface: &str) {
        self.put(table, to, interface);
        self.is_written = true;
        self.written.insert((table.to_owned(), to));
    }

    /// Folds in that a table has a route to this block already, although none was read there.
    pub fn met(&mut self, table: &str, to: IpNet) {
        self.put(table, to, "unknown");
    }

    fn put(&mut self, table: &str, to: IpNet, target: &str) {
        let found = self.tables.iter_mut().flatten().find(|found| found.id == table);
        if let Some(found) = found {
            found.routes.retain(|route| route.destination != to || route.is_propagated);
            let target = target.to_owned();
            found.routes.push(Route { destination: to, target, is_active: true, is_propagated: false });
        }
    }

    /// Makes ready for the next try after a wait: what was read may have changed.
    pub fn rest(&mut self) {
        self.trouble = None;
        self.tables = None;
        self.is_written = false;
    }
}

/// Returns the tables of these subnets: a subnet's own, or the VPC's main one where it has none.
///
/// # Errors
/// When a subnet has neither among these tables.
pub fn tables_of<'a>(tables: &'a [Table], subnets: &[String], vpc: &str) -> Result<Vec<&'a Table>, Reason> {
    let missing = |subnet: &String| Fault::NoTable { subnet: subnet.clone(), vpc: vpc.to_owned() }.into();
    route::tables_of(tables, subnets).map_err(missing)
}

/// Returns what is to be done first, so that all blocks have their route in all tables.
///
/// # Errors
/// When a route that is not the block's own takes packets away from it.
pub fn change(tables: &[&Table], blocks: &[IpNet], interface: &str) -> Result<Option<Step>, Reason> {
    for table in tables {
        for block in blocks {
            if let Some(inside) = table.inside(block) {
                let Route { destination, target, .. } = inside.clone();
                let table = table.id.clone();
                return Err(Fault::Inside { table, destination, target, block: *block }.into());
            }
            if let Some(step) = missing(table, *block, interface) {
                return Ok(Some(step));
            }
        }
    }
    Ok(None)
}

fn missing(table: &Table, block: IpNet, interface: &str) -> Option<Step> {
    let (interface, name) = (interface.to_owned(), table.id.clone());
    match table.route_to(&block) {
        None => Some(Step::CreateRoute { table: name, block, interface }),
        Some(route) if route.target == interface && route.is_active => None,
        Some(route) => Some(Step::ReplaceRoute { table: name, block, interface, was: route.target.clone() }),
    }
}

/// Returns whether all of these are blocks of the cluster's pool, each on its mask: what else would a route lead astray?
pub fn are_blocks(cluster: &Cluster, blocks: &[IpNet]) -> bool {
    let Ok(ranges) = Ranges::of(cluster) else { return false };
    blocks.iter().all(|block| ranges.pools().iter().any(|pool| pool.index_of(*block).is_some()))
}

#[cfg(test)]
mod tests;
