// SPDX-License-Identifier: Apache-2.0
//! Probes of what a Node's `spec.podCIDRs` may be.

use ipnet::IpNet;
use serde_json::json;

use super::{Expected, NODE, Probe, by_node, outside};
use crate::ipam::Ranges;
use crate::names;

/// The cluster's own allocator: kube-controller-manager's service account for Nodes.
const ALLOCATOR: &str = "system:serviceaccount:kube-system:node-controller";

/// Returns the probes for a cluster whose nodes claim: they set their own podCIDRs.
pub fn claimed(ranges: &Ranges, index: u32) -> Vec<Probe> {
    values(ranges, index)
}

/// Returns the probes for a cluster whose own allocator sets podCIDRs: nodes don't.
pub fn allocated(ranges: &Ranges, index: u32) -> Vec<Probe> {
    let words = "in this cluster podCIDRs are set by its own allocator, not by nodes";
    let blocks = ranges.blocks(index).unwrap_or_default();
    let own = create("a Node that sets its own podCIDRs", &blocks, Expected::Refused(words));
    let by_allocator = |probe| Probe {
        user: ALLOCATOR.to_owned(),
        groups: vec!["system:serviceaccounts", names::ADMINS],
        ..probe
    };
    [vec![own], values(ranges, index).into_iter().map(by_allocator).collect()].concat()
}

/// What may be set, whoever sets it.
fn values(ranges: &Ranges, index: u32) -> Vec<Probe> {
    let good = ranges.blocks(index).unwrap_or_default();
    let [first, rest @ ..] = good.as_slice() else { return Vec::new() };
    let with = |block: IpNet| [&[block], rest].concat();
    let words = "a Node has one block of each family of the pool, in the pool's order";
    let mut probes = vec![
        create("a Node with podCIDRs as they should be", &good, Expected::Accepted),
        create("a Node with podCIDRs of other families", &mixed_up(&good), Expected::Refused(words)),
    ];
    probes.extend(outside(&ranges.pools()[0]).map(|block| {
        let words = "a Node's blocks are of the pool's ranges";
        create("a Node with a podCIDR outside of the pool", &with(block), Expected::Refused(words))
    }));
    probes.extend(IpNet::new(first.addr(), first.prefix_len() + 1).map(|block| {
        let words = "a Node's blocks have the pool's block length and no bits after it";
        create("a Node with a podCIDR off the pool's mask", &with(block), Expected::Refused(words))
    }));
    probes
}

/// The families in another order, or the one that the pool has not.
fn mixed_up(blocks: &[IpNet]) -> Vec<IpNet> {
    match blocks {
        [IpNet::V4(_)] => vec!["fd00::/64".parse().expect("a range")],
        [_] => vec!["192.0.2.0/24".parse().expect("a range")],
        both => both.iter().rev().copied().collect(),
    }
}

fn create(what: &'static str, blocks: &[IpNet], expected: Expected) -> Probe {
    let node = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE},
        "spec": {"podCIDR": blocks[0], "podCIDRs": blocks},
    });
    by_node(what, node, expected)
}
