// SPDX-License-Identifier: Apache-2.0
//! What has addresses in common and must not: podCIDRs of two Nodes, services and the pod range.

use ipnet::IpNet;

use super::{Listed, Problem};
use crate::pool::overlap;

pub(super) fn judge(listed: &Listed, problems: &mut Vec<Problem>) {
    problems.extend(blocks(listed));
    for pool in listed.ranges.pools() {
        let range = pool.range();
        let mut inside = listed.services.iter().filter(|services| overlap(services, &range));
        if let Some(services) = inside.next() {
            let (services, more) = (*services, inside.count());
            problems.push(Problem::ServiceOverlap { range, services, more });
        }
    }
}

/// One pass over all podCIDRs in the order of their first addresses. Prefixes lie apart or inside each other, so each one
/// need only be compared with the last that it is not behind.
fn blocks(listed: &Listed) -> Vec<Problem> {
    let mut all: Vec<(IpNet, &str)> = Vec::new();
    for node in &listed.nodes {
        all.extend(node.pod_cidrs.iter().map(|block| (block.trunc(), node.meta.name.as_str())));
    }
    all.sort_by_key(|(block, node)| (block.network(), block.prefix_len(), *node));
    let mut problems = Vec::new();
    let mut outer: Option<(IpNet, &str)> = None;
    for (block, node) in all {
        match outer {
            Some((wider, other)) if overlap(&wider, &block) => problems.push(Problem::SharedBlock {
                nodes: [other.to_owned(), node.to_owned()],
                blocks: [wider, block],
            }),
            _ => outer = Some((block, node)),
        }
    }
    problems
}
