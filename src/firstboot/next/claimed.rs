// SPDX-License-Identifier: Apache-2.0
//! From a registered Node to a claim that is recorded. Whatever is asked for stands on the disk first.

use ipnet::IpNet;

use super::super::claim::{Claim, Record, State};
use super::super::identity::Identity;
use super::super::observed::{Found, Node, NodeSeen, Observed};
use super::super::reason::{Fault, Reason};
use super::super::step::{Step, listed};
use super::choice::choose;
use super::{Next, Part, act, stuck};
use crate::ipam::Ranges;
use crate::pool::Pool;
use crate::settings::{Addressing, Settings};

/// Registered as itself, before kubelet: the claim needs the Node's UID.
pub(super) fn registered(seen: &Observed) -> Part<&NodeSeen> {
    match &seen.server.node {
        Node::Seen(node) => Ok(node),
        // An intent on the disk says that there was a Node.
        Node::Unasked if seen.disk.claim != Found::Missing => act(Step::ReadNode),
        Node::Exists => act(Step::ReadNode),
        Node::Unasked | Node::Absent => act(Step::CreateNode),
    }
}

/// The pool is the cluster's word; the settings must mean the same cluster.
pub(super) fn pool<'a>(want: &Settings, seen: &'a Observed) -> Part<&'a Ranges> {
    let Some(pool) = &seen.server.pool else { return act(Step::ReadPool) };
    let shown = |pools: &[Pool]| {
        let each = pools.iter().map(|pool| format!("{} in /{}", pool.range(), pool.block_prefix()));
        each.collect::<Vec<_>>().join(", ")
    };
    match Ranges::of(&want.cluster) {
        Ok(ours) if ours.pools() == pool.pools() => Ok(pool),
        Ok(ours) => stuck(Reason::PoolDiffers { pool: shown(pool.pools()), settings: shown(ours.pools()) }),
        Err(error) => stuck(Reason::PoolDiffers { pool: shown(pool.pools()), settings: error.to_string() }),
    }
}

/// The claim, from an intent to podCIDRs to the record that it is held.
pub(super) fn claimed<'a>(
    want: &Settings,
    seen: &'a Observed,
    identity: &Identity,
    node: &NodeSeen,
    pool: &Ranges,
) -> Part<&'a Record> {
    if pool.addressing == Addressing::Kcm {
        return adopted(identity, node, pool);
    }
    let intent = match &seen.disk.claim {
        Found::Is(record) if record.pool == pool.hash() => Some(record),
        _ => None,
    };
    no_second_allocator(identity, node, intent)?;
    let intent = match intent {
        Some(intent) if intent.node_uid == node.uid => intent,
        // The Node is another one than at the time of the intent; a create that is still under way for the old one is
        // collected with it. The index is kept, as it may still be free.
        Some(intent) => return intend(seen, node, pool, intent.index.unwrap_or_default()),
        None => {
            let index = choose(want, seen, identity, node, pool)?;
            return intend(seen, node, pool, index);
        }
    };
    let index = intent.index.unwrap_or_default();
    match seen.server.claim.as_ref().filter(|(asked, _)| *asked == index).map(|(_, claim)| claim) {
        // Also after a restart: the name that may have been created is asked for before any other.
        None | Some(Claim::Absent) => return act(Step::CreateClaim(intent.clone())),
        Some(Claim::Exists) => return act(Step::ReadClaim(intent.clone())),
        Some(Claim::Mine) => {}
        Some(Claim::Twin) => return stuck(Reason::Twin { index }),
        // podCIDRs can't change, so a Node that has them can't go on to another block.
        Some(Claim::Other(by)) if !node.pod_cidrs.is_empty() => {
            return stuck(Reason::Taken { index, by: by.clone() });
        }
        Some(Claim::Other(_)) => {
            let index = choose(want, seen, identity, node, pool)?;
            return intend(seen, node, pool, index);
        }
    }
    if node.pod_cidrs.is_empty() {
        if let Some(why) = &seen.server.refusal {
            return stuck(Fault::Refused(why.clone()));
        }
        return act(Step::Publish { node_uid: node.uid.clone(), blocks: intent.blocks.clone() });
    }
    act(Step::Record(Record { state: State::Held, ..intent.clone() }))
}

pub(super) fn agrees(node: &NodeSeen, blocks: &[IpNet]) -> bool {
    node.pod_cidrs.iter().map(|text| text.parse().ok()).eq(blocks.iter().copied().map(Some))
}

/// What stands on the Node must be what this machine recorded: kiln never publishes before that.
fn no_second_allocator(identity: &Identity, node: &NodeSeen, intent: Option<&Record>) -> Part<()> {
    if node.pod_cidrs.is_empty() || intent.is_some_and(|intent| agrees(node, &intent.blocks)) {
        return Ok(());
    }
    stuck(Reason::SecondAllocator {
        name: identity.name.clone(),
        found: node.pod_cidrs.join(", "),
        ours: intent.map(|intent| listed(&intent.blocks)),
    })
}

/// Durable before its create is sent.
fn intend<T>(seen: &Observed, node: &NodeSeen, pool: &Ranges, index: u32) -> Part<T> {
    let Some(blocks) = pool.blocks(index) else {
        let why = format!("there is no block {index}: the pool has {}", pool.count());
        return stuck(Reason::NoIndex { addressing: pool.addressing.word(), why });
    };
    act(Step::Record(Record {
        state: State::Intended,
        pool: pool.hash(),
        index: Some(index),
        blocks,
        node_uid: node.uid.clone(),
        nonce: format!("{:032x}", seen.machine.chance),
    }))
}

/// The cluster's own allocator sets the block; nothing is claimed.
fn adopted<T>(identity: &Identity, node: &NodeSeen, pool: &Ranges) -> Part<T> {
    if node.pod_cidrs.is_empty() {
        return Err(Next::Wait(Reason::NoBlock(identity.name.clone())));
    }
    let blocks = node.pod_cidrs.iter().map(|text| text.parse()).collect::<Result<Vec<IpNet>, _>>();
    let is_within = |block: &IpNet| pool.pools().iter().any(|pool| pool.index_of(*block).is_some());
    match blocks {
        Ok(blocks) if blocks.iter().all(is_within) => act(Step::Record(Record {
            state: State::Held,
            pool: pool.hash(),
            index: None,
            blocks,
            node_uid: node.uid.clone(),
            nonce: String::new(),
        })),
        _ => stuck(Reason::SecondAllocator {
            name: identity.name.clone(),
            found: node.pod_cidrs.join(", "),
            ours: None,
        }),
    }
}
