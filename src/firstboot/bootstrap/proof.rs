// SPDX-License-Identifier: Apache-2.0
//! Proof: dry runs that show the policies on nodes at work before nodes get any right.
//!
//! Each is sent as a node of a name that nobody has, with the administrators' group beside it: RBAC lets it pass, so what
//! refuses is the policy. Guards against people's mistakes (deletions) are not part of it; nothing waits for them.

mod claims;
mod podcidrs;

use ipnet::IpNet;
use serde_json::Value;

use super::Object;
use crate::ipam::Ranges;
use crate::names;
use crate::pool::Pool;
use crate::settings::Addressing;

/// The name of the node that is played; nothing is written under it.
const NODE: &str = "kiln-proof";

/// What the API server must say to a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Yes; that such an object exists already is as good, since admission comes before that.
    Accepted,
    /// 403, in these words of a policy.
    Refused(&'static str),
}

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// The object is created.
    Create,
    /// The object is there, and fields are added to it.
    Apply,
}

/// A request that changes nothing, sent in another's name.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// What is tried, as part of a sentence: "a claim with a finalizer".
    pub what: &'static str,
    /// How.
    pub verb: Verb,
    /// What is sent.
    pub object: Object,
    /// The user that is impersonated.
    pub user: String,
    /// The groups that are impersonated.
    pub groups: Vec<&'static str>,
    /// What must be said to it.
    pub expected: Expected,
}

/// Returns the probes for a pool: what must pass, and every rule of the policies on nodes once.
pub fn probes(ranges: &Ranges) -> Vec<Probe> {
    // With every block reserved there is nothing that a node may do, and nothing to prove.
    let Some(index) = (0..ranges.count()).find(|index| !ranges.is_reserved(*index)) else {
        return Vec::new();
    };
    match ranges.addressing {
        Addressing::Kcm => [claims::allocated(ranges, index), podcidrs::allocated(ranges, index)].concat(),
        _ => [claims::claimed(ranges, index), podcidrs::claimed(ranges, index)].concat(),
    }
}

/// A request that creates something as the node that is played.
fn by_node(what: &'static str, value: Value, expected: Expected) -> Probe {
    Probe {
        what,
        verb: Verb::Create,
        object: Object { value },
        user: format!("{}{NODE}", names::NODE_USER),
        groups: vec![names::NODES, names::ADMINS],
        expected,
    }
}

/// Returns a block of the pool's length just beside the pool, if there is anything beside it.
fn outside(pool: &Pool) -> Option<IpNet> {
    let range = pool.range();
    let mut halves = range.supernet()?.subnets(range.prefix_len()).ok()?;
    halves.find(|half| *half != range)?.subnets(pool.block_prefix()).ok()?.next()
}
