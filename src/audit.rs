// SPDX-License-Identifier: Apache-2.0
//! The audit of a cluster's address management: who holds which block, and what is not as it must be.
//!
//! It judges lists that were read from the server and asks nobody itself; only [`look`] does. It repairs nothing: what a
//! person has to do stands in each [`Problem`]'s words.

mod claims;
pub mod look;
mod map;
mod nodes;
mod problem;
mod shared;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cluster::{ConfigMap, Node};
use crate::ipam::Ranges;

#[cfg(feature = "aws")]
pub(crate) use nodes::is_young;
pub use problem::Problem;
pub use text::{Screen, text};

/// A Node that has no block yet is joining for this long, in seconds: a first boot gives up after eight minutes.
pub(crate) const JOINING_S: u64 = 600;

/// What the server listed. The claims were listed before the Nodes.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The pool.
    pub ranges: Ranges,
    /// Every ConfigMap of kiln's namespace.
    pub maps: Vec<ConfigMap>,
    /// Every Node.
    pub nodes: Vec<Node>,
    /// The ranges of services; where the server has no such objects, the addresses of all services.
    pub services: Vec<IpNet>,
    /// The server's time, in seconds since 1970.
    pub now_s: u64,
}

/// Who holds a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holder {
    /// The Node's name.
    pub node: String,
    /// The UID that the claim names as its owner's.
    pub uid: String,
    /// Whether a Node of this UID is there.
    #[serde(rename = "live")]
    pub is_live: bool,
    /// The blocks, the primary family first.
    pub blocks: Vec<IpNet>,
}

/// What an audit found.
#[derive(Debug, Clone)]
pub struct Audit {
    /// The pool.
    pub ranges: Ranges,
    /// As in [`Listed`].
    pub services: Vec<IpNet>,
    /// How many Nodes there are.
    pub nodes: usize,
    /// Holders by index: by their claims, or by their podCIDRs of the primary family where nothing is claimed.
    pub holders: BTreeMap<u32, Holder>,
    /// Nodes that were made a few minutes ago and have no block yet.
    pub joining: BTreeSet<String>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// Judges what was listed.
pub fn audit(listed: &Listed) -> Audit {
    let mut problems = Vec::new();
    let claimed = claims::judge(listed, &mut problems);
    let joining = nodes::judge(listed, &claimed, &mut problems);
    shared::judge(listed, &mut problems);
    let holders = match listed.ranges.addressing {
        crate::settings::Addressing::Kcm => nodes::holders(listed),
        _ => claimed,
    };
    Audit {
        ranges: listed.ranges.clone(),
        services: listed.services.clone(),
        nodes: listed.nodes.len(),
        holders,
        joining,
        problems,
    }
}

impl Audit {
    /// Returns how many blocks that nodes can have are held.
    pub fn held(&self) -> u32 {
        let is_usable = |index: &&u32| **index < self.ranges.count() && !self.ranges.is_reserved(**index);
        u32::try_from(self.holders.keys().filter(is_usable).count()).expect("no more than indices")
    }

    /// Returns how many blocks the next nodes can have.
    pub fn free(&self) -> u32 {
        self.ranges.usable() - self.held()
    }

    /// Returns the same with only those problems that an earlier audit found as well. Lists that are made one after the
    /// other never quite fit while nodes come and go; what is wrong stays.
    #[must_use]
    pub fn standing(mut self, earlier: &Self) -> Self {
        self.problems.retain(|problem| earlier.problems.contains(problem));
        self
    }

    /// Returns all of it for programs.
    pub fn described(&self) -> Value {
        let ranges: Vec<Value> = self
            .ranges
            .pools()
            .iter()
            .map(|pool| json!({ "range": pool.range(), "block_prefix": pool.block_prefix() }))
            .collect();
        let holders: Vec<Value> =
            self.holders.iter().map(|(index, holder)| json!({ "index": index, "holder": holder })).collect();
        json!({
            "pool": {
                "hash": self.ranges.hash(),
                "addressing": self.ranges.addressing,
                "ranges": ranges,
                "blocks": self.ranges.count(),
                "reserved": self.ranges.reserved(),
                "held": self.held(),
                "free": self.free(),
            },
            "services": self.services,
            "nodes": self.nodes,
            "joining": self.joining,
            "holders": holders,
            "problems": self.problems.iter().map(Problem::described).collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
