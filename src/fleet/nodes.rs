// SPDX-License-Identifier: Apache-2.0
//! Instances and Nodes: who is whom, what each holds, and whether the VPC leads it there.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::Serialize;

use super::{Problem, Seen, Wanted};
use crate::audit::{JOINING_S, audit, is_young};
use crate::cloud::Instance;
use crate::cluster::{Node, clean};
use crate::launch::Image;
use crate::route::{Table, tables_of};

/// An instance with its Node, or one of both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// `i-...`
    pub instance: Option<String>,
    /// How far the instance is.
    pub state: Option<String>,
    /// The Node's name.
    pub node: Option<String>,
    /// Whether the Node is Ready.
    #[serde(rename = "ready")]
    pub is_ready: bool,
    /// The blocks that the Node holds.
    pub blocks: Vec<IpNet>,
    /// Whether the VPC leads them there; none where nobody asked for routes, or nothing is held.
    pub route: Option<Way>,
    /// The instance's image.
    pub image: Option<String>,
}

/// Where the VPC leads blocks: the worst of what its tables say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// To their node, in every table.
    Led,
    /// A table has no route.
    Missing,
    /// A table leads them, or a part of them, to something else.
    Elsewhere,
    /// A table leads them to something that is not there.
    BlackHole,
}

impl Way {
    /// Returns the word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Led => "led",
            Self::Missing => "missing",
            Self::Elsewhere => "elsewhere",
            Self::BlackHole => "black hole",
        }
    }
}

/// Returns the instance that a Node says it is: the last part of `aws:///ZONE/i-...`.
pub(super) fn instance_of(node: &Node) -> Option<&str> {
    node.provider_id.strip_prefix("aws://")?.rsplit('/').next().filter(|id| id.starts_with("i-"))
}

/// What all rows are judged by.
struct Judge<'a> {
    wanted: &'a Wanted,
    seen: &'a Seen,
    image: Option<&'a str>,
    tables: Vec<&'a Table>,
    /// Blocks by the UID of the Node that holds them.
    held: BTreeMap<String, Vec<IpNet>>,
    problems: Vec<Problem>,
}

/// Returns the rows, instances first, and what disagrees.
pub(super) fn judge(wanted: &Wanted, seen: &Seen, image: Option<&str>) -> (Vec<Row>, Vec<Problem>) {
    let mut problems = Vec::new();
    let tables = match tables_of(&seen.tables, &wanted.network.subnets) {
        _ if !wanted.network.has_routes => Vec::new(),
        Ok(tables) => tables,
        Err(subnet) => {
            problems.push(Problem::NoTable { subnet: subnet.clone() });
            Vec::new()
        }
    };
    if let (None, Image::Parameter(parameter)) = (image, &wanted.image) {
        problems.push(Problem::NoImage { parameter: parameter.clone() });
    }
    let holders = audit(&seen.listed).holders.into_values();
    let held = holders.filter(|holder| holder.is_live).map(|holder| (holder.uid, holder.blocks)).collect();
    let mut judge = Judge { wanted, seen, image, tables, held, problems };
    let rows = judge.rows();
    (rows, judge.problems)
}

impl Judge<'_> {
    fn rows(&mut self) -> Vec<Row> {
        let seen = self.seen;
        let known: BTreeMap<&str, &Instance> = seen.members.iter().map(|it| (it.id.as_str(), it)).collect();
        let mut nodes: BTreeMap<&str, Vec<&Node>> = BTreeMap::new();
        let mut strangers = Vec::new();
        for node in &seen.listed.nodes {
            let id = instance_of(node).unwrap_or(&node.meta.name);
            match known.contains_key(id) {
                true => nodes.entry(id).or_default().push(node),
                false => strangers.push(self.stranger(node)),
            }
        }
        let mut rows: Vec<Row> = Vec::new();
        for (id, member) in known {
            let nodes = nodes.get(id).map_or(&[][..], Vec::as_slice);
            // An instance that has ended and left nothing behind is as it should be.
            if member.state.is_up() || !nodes.is_empty() {
                rows.push(self.member(member, nodes));
            }
        }
        rows.extend(strangers);
        rows
    }

    /// A Node whose instance is none of the cluster's.
    fn stranger(&mut self, node: &Node) -> Row {
        let name = node.meta.name.clone();
        let instance = instance_of(node).map_or_else(|| clean(&node.provider_id), clean);
        self.problems.push(Problem::NodeWithoutInstance { node: name.clone(), instance });
        let blocks = self.held.get(&node.meta.uid).cloned().unwrap_or_default();
        Row {
            instance: None,
            state: None,
            node: Some(name),
            is_ready: node.is_ready,
            blocks,
            route: None,
            image: None,
        }
    }

    fn member(&mut self, member: &Instance, nodes: &[&Node]) -> Row {
        let id = || member.id.clone();
        self.image(member);
        if nodes.len() > 1 {
            let nodes = nodes.iter().map(|node| node.meta.name.clone()).collect();
            self.problems.push(Problem::TwoNodes { instance: id(), nodes });
        }
        let age_s = self.seen.listed.now_s.saturating_sub(member.started_s);
        if nodes.is_empty() && age_s >= JOINING_S {
            self.problems.push(Problem::InstanceWithoutNode { instance: id() });
        }
        let node = nodes.first();
        let (blocks, route) = node.map_or((Vec::new(), None), |node| self.node(member, node));
        Row {
            instance: Some(id()),
            state: Some(member.state.to_string()),
            node: node.map(|node| node.meta.name.clone()),
            is_ready: node.is_some_and(|node| node.is_ready),
            blocks,
            route,
            image: Some(member.image.clone()),
        }
    }

    fn image(&mut self, member: &Instance) {
        let right = self.image.filter(|right| member.state.is_up() && member.image != *right);
        self.problems.extend(right.map(|right| Problem::OtherImage {
            instance: member.id.clone(),
            image: member.image.clone(),
            right: right.to_owned(),
        }));
    }

    /// Returns a Node's blocks and where they are led.
    fn node(&mut self, member: &Instance, node: &Node) -> (Vec<IpNet>, Option<Way>) {
        let name = || node.meta.name.clone();
        let blocks = self.held.get(&node.meta.uid).cloned().unwrap_or_default();
        if !member.state.is_up() {
            let (instance, state) = (member.id.clone(), member.state.to_string());
            self.problems.push(Problem::NodeOfEnded { node: name(), instance, state });
            return (blocks, None);
        }
        if !node.addresses.is_empty()
            && !node.addresses.iter().any(|it| member.attached.addresses.contains(it))
        {
            let (said, right) = (node.addresses.clone(), member.attached.addresses.clone());
            self.problems.push(Problem::OtherAddress { node: name(), said, right });
        }
        // A node is born until it is Ready: its claim and its routes come before that.
        let is_born = node.is_ready || !is_young(node, self.seen.listed.now_s);
        if !is_born {
            return (blocks, None);
        }
        if blocks.is_empty() {
            self.problems.push(Problem::NodeWithoutBlock { node: name() });
        }
        let way = self.way(member, node, &blocks);
        (blocks, way)
    }

    fn way(&mut self, member: &Instance, node: &Node, blocks: &[IpNet]) -> Option<Way> {
        if !self.wanted.network.has_routes {
            return None;
        }
        if member.attached.is_checked {
            self.problems.push(Problem::SourceCheck { instance: member.id.clone() });
        }
        let interface = member.attached.interface.as_deref().unwrap_or_default();
        let mut worst = None;
        for table in &self.tables {
            for block in blocks {
                let (way, problem) = led(table, *block, interface, &node.meta.name);
                worst = worst.max(Some(way));
                self.problems.extend(problem);
            }
        }
        worst
    }
}

/// Returns where a table leads a block of `node`, and what is wrong with that.
fn led(table: &Table, block: IpNet, interface: &str, node: &str) -> (Way, Option<Problem>) {
    let (node, name) = (node.to_owned(), table.id.clone());
    if let Some(inside) = table.inside(&block) {
        let (destination, target) = (inside.destination, inside.target.clone());
        let problem = Problem::RouteInside { node, block, table: name, destination, target };
        return (Way::Elsewhere, Some(problem));
    }
    match table.route_to(&block) {
        None => (Way::Missing, Some(Problem::RouteMissing { node, block, table: name })),
        Some(route) if !route.is_active => {
            let target = route.target.clone();
            (Way::BlackHole, Some(Problem::BlackHole { node, block, table: name, target }))
        }
        Some(route) if route.target != interface => {
            let (target, right) = (route.target.clone(), interface.to_owned());
            (Way::Elsewhere, Some(Problem::RouteElsewhere { node, block, table: name, target, right }))
        }
        Some(_) => (Way::Led, None),
    }
}
