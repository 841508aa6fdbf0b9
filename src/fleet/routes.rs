// SPDX-License-Identifier: Apache-2.0
//! Routes into the pod range: which lead a block to its holder, which lead nowhere, and which of them nobody needs any more.

use std::collections::BTreeMap;
use std::fmt;

use ipnet::IpNet;
use serde::Serialize;

use super::nodes::instance_of;
use super::{Seen, Wanted};
use crate::audit::{Holder, audit, is_young};
use crate::cloud::Instance;
use crate::cluster::Node;
use crate::ipam::{Ranges, claim_name};
use crate::route::{Route, Table, tables_of};

/// The routes of the cluster's tables that lie in its pod range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Routes {
    /// One for each.
    pub routes: Vec<RouteRow>,
    /// Blocks that a table leads nowhere.
    pub missing: Vec<Missing>,
}

/// A route in the pod range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RouteRow {
    /// The table.
    pub table: String,
    /// Where it leads packets to.
    pub destination: IpNet,
    /// The interface that it leads to, or something else.
    pub target: String,
    /// Whether that is there.
    #[serde(rename = "active")]
    pub is_active: bool,
    /// The instance of that interface, if it is the cluster's.
    pub instance: Option<String>,
    /// The index of the block, if it is one.
    pub index: Option<u32>,
    /// The Node that claims the block.
    pub holder: Option<String>,
    /// What is to be thought of it.
    pub verdict: Verdict,
}

/// What is to be thought of a route in the pod range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It leads to the holder of its block.
    Led,
    /// Nobody claims its block: a node has left it behind.
    Unclaimed,
    /// Nobody claims its block, and it leads to what is there and no instance of this cluster's.
    Others,
    /// Its block's claim stands, and the Node that it names is gone.
    HolderGone,
    /// Its block's holder is no running instance of the cluster.
    Dead,
    /// It leads to something that is not there; the holder is there.
    BlackHole,
    /// It leads to something else than its block's holder.
    Elsewhere,
    /// It is to no block of the pool on its mask.
    NoBlock,
    /// No node gets this block: it is reserved for others.
    Reserved,
    /// It leads to no interface, so no node has made it.
    Foreign,
    /// A gateway announces it; a route that a node makes is preferred.
    Announced,
}

/// A block that a table leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The table.
    pub table: String,
    /// The block.
    pub block: IpNet,
    /// The Node that claims it.
    pub holder: String,
}

/// A route that nobody needs any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Doomed {
    /// The table.
    pub table: String,
    /// The block.
    pub destination: IpNet,
    /// Where it leads.
    pub target: String,
    /// The index of the claim that is gone.
    pub index: u32,
}

impl fmt::Display for Doomed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, destination, target, index } = self;
        write!(f, "{destination} from {table} (leads to {target}, nobody claims {})", claim_name(*index))
    }
}

impl Verdict {
    /// Returns whether it is as it should be, or none of the cluster's business.
    pub fn is_sound(self) -> bool {
        matches!(self, Self::Led | Self::Reserved | Self::Announced)
    }

    /// Returns the words for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Led => "led",
            Self::Unclaimed => "nobody claims it: --prune removes it",
            Self::Others => "leads to a running machine that is not of this cluster: not --prune's to remove",
            Self::HolderGone => "its claim's Node is gone; the garbage collector frees the claim",
            Self::Dead => "its holder is no running instance: delete that Node",
            Self::BlackHole => "black hole: kiln-firstboot run on its holder leads it there",
            Self::Elsewhere => "leads elsewhere: kiln-firstboot run on its holder leads it there",
            Self::NoBlock => "no block of the pool: remove it yourself",
            Self::Reserved => "reserved, so it is others'",
            Self::Foreign => "no node made it: remove it, or reserve the block (cluster.reserved)",
            Self::Announced => "announced by a gateway",
        }
    }
}

impl Routes {
    /// Returns whether every block is led to its holder and nothing else leads into the pod range.
    pub fn is_sound(&self) -> bool {
        self.missing.is_empty() && self.routes.iter().all(|row| row.verdict.is_sound())
    }

    /// Returns the routes that nobody needs any more.
    pub fn doomed(&self) -> Vec<Doomed> {
        let unclaimed = self.routes.iter().filter(|row| row.verdict == Verdict::Unclaimed);
        let doomed = |row: &RouteRow| {
            let (table, target) = (row.table.clone(), row.target.clone());
            Some(Doomed { table, destination: row.destination, target, index: row.index? })
        };
        unclaimed.filter_map(doomed).collect()
    }
}

/// Returns whether a route leads to something that is there and of none of these instances, whatever becomes of them: another
/// cluster's node, say, whose claims nobody has asked for.
pub(super) fn is_others(route: &Route, members: &[Instance]) -> bool {
    let is_own = |member: &Instance| {
        member.id == route.target || member.attached.interface.as_deref() == Some(route.target.as_str())
    };
    route.is_active && !members.iter().any(is_own)
}

struct Judge<'a> {
    ranges: &'a Ranges,
    /// All of the cluster's instances, as far as they are not gone.
    members: &'a [Instance],
    holders: BTreeMap<u32, Holder>,
    /// Running instances by interface.
    interfaces: BTreeMap<&'a str, &'a Instance>,
    /// Nodes by UID, and the running instance that each is.
    nodes: BTreeMap<&'a str, (&'a Node, Option<&'a Instance>)>,
}

/// Judges the routes in the pod range.
pub(super) fn judge(wanted: &Wanted, seen: &Seen) -> Routes {
    let up = || seen.members.iter().filter(|member| member.state.is_up());
    let member = |node: &Node| {
        let id = instance_of(node).unwrap_or(&node.meta.name).to_owned();
        up().find(|member| member.id == id)
    };
    let judge = Judge {
        ranges: &seen.listed.ranges,
        members: &seen.members,
        holders: audit(&seen.listed).holders,
        interfaces: up().filter_map(|member| Some((member.attached.interface.as_deref()?, member))).collect(),
        nodes: seen.listed.nodes.iter().map(|node| (&*node.meta.uid, (node, member(node)))).collect(),
    };
    // A subnet without any table is `kiln nodes`' to tell.
    let tables = tables_of(&seen.tables, &wanted.network.subnets).unwrap_or_default();
    let rows =
        tables.iter().flat_map(|table| table.routes.iter().filter_map(|route| judge.row(table, route)));
    let routes = rows.collect();
    let missing = match wanted.network.has_routes {
        true => tables.iter().flat_map(|table| judge.missing(table, seen.listed.now_s)).collect(),
        false => Vec::new(),
    };
    Routes { routes, missing }
}

impl Judge<'_> {
    /// Returns a route's row; none for one that lies outside the pod range.
    fn row(&self, table: &Table, route: &Route) -> Option<RouteRow> {
        let destination = route.destination;
        let pool = self.ranges.pools().iter().find(|pool| pool.range().contains(&destination))?;
        let index = pool.index_of(destination).filter(|index| *index < self.ranges.count());
        let holder = index.and_then(|index| self.holders.get(&index));
        Some(RouteRow {
            table: table.id.clone(),
            destination,
            target: route.target.clone(),
            is_active: route.is_active,
            instance: self.interfaces.get(route.target.as_str()).map(|member| member.id.clone()),
            index,
            holder: holder.map(|holder| holder.node.clone()),
            verdict: self.verdict(route, index, holder),
        })
    }

    fn verdict(&self, route: &Route, index: Option<u32>, holder: Option<&Holder>) -> Verdict {
        let Some(index) = index else { return Verdict::NoBlock };
        let is_nodes = ["eni-", "i-", "nothing"].iter().any(|kind| route.target.starts_with(kind));
        match holder {
            _ if route.is_propagated => Verdict::Announced,
            _ if self.ranges.is_reserved(index) => Verdict::Reserved,
            _ if !is_nodes => Verdict::Foreign,
            None if is_others(route, self.members) => Verdict::Others,
            None => Verdict::Unclaimed,
            Some(holder) if !holder.is_live => Verdict::HolderGone,
            Some(holder) => match self.nodes.get(holder.uid.as_str()) {
                Some((_, Some(member))) => led(route, member),
                _ => Verdict::Dead,
            },
        }
    }

    /// Returns the blocks of running nodes that a table has no route to.
    fn missing(&self, table: &Table, now_s: u64) -> Vec<Missing> {
        let is_born = |holder: &&Holder| match self.nodes.get(holder.uid.as_str()) {
            Some((node, Some(_))) => node.is_ready || !is_young(node, now_s),
            _ => false,
        };
        let born = self.holders.values().filter(is_born);
        let blocks = born.flat_map(|holder| holder.blocks.iter().map(move |block| (holder, *block)));
        blocks
            .filter(|(_, block)| table.route_to(block).is_none())
            .map(|(holder, block)| Missing { table: table.id.clone(), block, holder: holder.node.clone() })
            .collect()
    }
}

fn led(route: &Route, holder: &Instance) -> Verdict {
    match holder.attached.interface.as_deref() {
        _ if !route.is_active => Verdict::BlackHole,
        Some(interface) if interface == route.target => Verdict::Led,
        _ => Verdict::Elsewhere,
    }
}
