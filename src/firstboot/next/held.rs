// SPDX-License-Identifier: Apache-2.0
//! A recorded claim: whether it still stands, and what to do where it is lost.

use super::super::claim::{Claim, Record, State};
use super::super::observed::{Found, Node, Observed};
use super::super::reason::Reason;
use super::super::step::{Step, listed};
use super::claimed::agrees;
use super::{CLAIM, Part, act, stuck};

/// The record, if it is of a held claim.
pub(super) fn held(seen: &Observed) -> Part<Option<&Record>> {
    match &seen.disk.claim {
        Found::Broken(why) => stuck(Reason::unread(CLAIM, why)),
        Found::Is(record) if record.state == State::Held => Ok(Some(record)),
        _ => Ok(None),
    }
}

/// One read a boot. The claim alone is asked for and not the Node: as long as b-i stands with the recorded owner,
/// nobody else can have block i, and a deleted Node takes the claim with it. A block that the cluster's own allocator
/// set has no claim; there the Node is what is read.
pub(super) fn still_held<'a>(seen: &Observed, record: &'a Record) -> Part<&'a Record> {
    let Some(index) = record.index else { return still_adopted(seen, record) };
    let why = match &seen.server.claim {
        Some((asked, Claim::Mine)) if *asked == index => return Ok(record),
        Some((asked, Claim::Absent)) if *asked == index => "it is gone".to_owned(),
        Some((asked, Claim::Other(by))) if *asked == index => format!("it is {by}'s"),
        Some((asked, Claim::Twin)) if *asked == index => return stuck(Reason::Twin { index }),
        _ if seen.trouble.is_some() => return Ok(record),
        _ => return act(Step::ReadClaim(record.clone())),
    };
    lost(seen, record, why)
}

fn still_adopted<'a>(seen: &Observed, record: &'a Record) -> Part<&'a Record> {
    match &seen.server.node {
        Node::Seen(node) if node.uid != record.node_uid => {
            lost(seen, record, "the Node is another one".to_owned())
        }
        Node::Seen(node) if agrees(node, &record.blocks) => Ok(record),
        Node::Seen(node) => stuck(Reason::SecondAllocator {
            name: recorded_name(seen),
            found: node.pod_cidrs.join(", "),
            ours: Some(listed(&record.blocks)),
        }),
        Node::Absent => lost(seen, record, "the Node is gone".to_owned()),
        _ if seen.trouble.is_some() => Ok(record),
        _ => act(Step::ReadNode),
    }
}

/// Only where no pod can be on the block is the record taken back to an intent, and the birth goes on from there.
fn lost<T>(seen: &Observed, record: &Record, why: String) -> Part<T> {
    if seen.machine.may_run_pods {
        return stuck(Reason::Lost { blocks: listed(&record.blocks), why });
    }
    act(Step::Record(Record { state: State::Intended, ..record.clone() }))
}

fn recorded_name(seen: &Observed) -> String {
    match &seen.disk.identity {
        Found::Is(identity) => identity.name.clone(),
        _ => String::new(),
    }
}
