// SPDX-License-Identifier: Apache-2.0
//! Nodes: what each has, against the claims that it owns and against the pool.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Holder, JOINING_S, Listed, Problem};
use crate::cluster::{Node, clean};
use crate::ipam::{Ranges, mirror};
use crate::names::MIRROR;
use crate::settings::Addressing;

/// Returns the Nodes that are joining.
pub(super) fn judge(
    listed: &Listed,
    claimed: &BTreeMap<u32, Holder>,
    problems: &mut Vec<Problem>,
) -> BTreeSet<String> {
    let mut claims: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (index, holder) in claimed.iter().filter(|(_, holder)| holder.is_live) {
        claims.entry(&holder.uid).or_default().push(*index);
    }
    let mut joining = BTreeSet::new();
    for node in &listed.nodes {
        let claims = claims.get(node.meta.uid.as_str()).map_or(&[][..], Vec::as_slice);
        match held(&listed.ranges, node, claims) {
            Some(problem) if is_young(node, listed.now_s) && waits_for_time(&problem) => {
                joining.insert(node.meta.name.clone());
            }
            problem => problems.extend(problem),
        }
        if claims.len() > 1 {
            let (node, indices) = (node.meta.name.clone(), claims.to_vec());
            problems.push(Problem::TwoClaims { node, indices });
        }
        published(&listed.ranges, node, problems);
    }
    joining
}

/// Returns the holders by index where no claims say them: by podCIDRs of the primary family.
pub(super) fn holders(listed: &Listed) -> BTreeMap<u32, Holder> {
    let pools = listed.ranges.pools();
    let holder = |node: &Node| {
        let index = node.pod_cidrs.iter().find_map(|block| pools[0].index_of(*block))?;
        let (name, uid) = (node.meta.name.clone(), node.meta.uid.clone());
        Some((index, Holder { node: name, uid, is_live: true, blocks: node.pod_cidrs.clone() }))
    };
    listed.nodes.iter().filter_map(holder).collect()
}

/// What is wrong between a Node's podCIDRs and its claims.
fn held(ranges: &Ranges, node: &Node, claims: &[u32]) -> Option<Problem> {
    let name = node.meta.name.clone();
    let blocks = node.pod_cidrs.clone();
    match claims {
        [] if blocks.is_empty() => Some(Problem::NodeWithoutBlock { node: name }),
        [] if ranges.addressing == Addressing::Kcm => None,
        [] => Some(Problem::NodeWithoutClaim { node: name, blocks }),
        [index, ..] if blocks.is_empty() => Some(Problem::Unpublished { node: name, index: *index }),
        claims if claims.iter().any(|index| ranges.blocks(*index).as_ref() == Some(&blocks)) => None,
        [index, ..] => Some(Problem::Mismatch { node: name, index: *index, blocks }),
    }
}

fn waits_for_time(problem: &Problem) -> bool {
    matches!(problem, Problem::NodeWithoutBlock { .. } | Problem::Unpublished { .. })
}

/// Returns whether a Node may still be joining.
pub(crate) fn is_young(node: &Node, now_s: u64) -> bool {
    let made = OffsetDateTime::parse(&node.meta.creation_timestamp, &Rfc3339);
    made.is_ok_and(|made| i128::from(now_s) - i128::from(made.unix_timestamp()) < i128::from(JOINING_S))
}

/// What a Node shows of its blocks, and where it is itself.
fn published(ranges: &Ranges, node: &Node, problems: &mut Vec<Problem>) {
    let name = || node.meta.name.clone();
    for block in &node.pod_cidrs {
        if ranges.pools().iter().all(|pool| pool.index_of(*block).is_none()) {
            problems.push(Problem::OutsidePool { node: name(), block: *block });
        }
    }
    let right = mirror(&node.pod_cidrs);
    let said = node.meta.labels.get(MIRROR);
    // Where the cluster's own allocator sets blocks, nobody writes the label.
    let is_due = said.is_some() || ranges.addressing != Addressing::Kcm;
    if is_due && said != right.as_ref() {
        let said = said.map(|said| clean(said));
        problems.push(Problem::Mirror { node: name(), said, right });
    }
    for address in &node.addresses {
        if ranges.pools().iter().any(|pool| pool.range().contains(address)) {
            problems.push(Problem::NodeInside { node: name(), address: *address });
        }
    }
}
