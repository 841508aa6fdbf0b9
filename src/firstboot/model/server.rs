// SPDX-License-Identifier: Apache-2.0
//! The API server of the model: what a request does to it, and what it answers, small enough to be a key of a table.

use super::super::claim::{self, Claim, Listing, Record};
use super::super::identity::Identity;
use super::super::observed::{Node, NodeSeen, Request, Version};
use super::super::outcome::Outcome;
use super::super::reason::{Fault, Reason};
use super::super::step::Step;
use super::world::{Csr, MOST, Maker, NodeObject, Owner, Server};
use crate::ipam::{Ranges, claim_name};

/// What the server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Answer {
    /// Nothing that reaches the machine.
    Nothing,
    Request(Csr),
    RequestExists,
    RequestPending,
    NodeExists,
    Node {
        node: Option<NodeObject>,
        is_new: bool,
    },
    Pool,
    Created,
    ClaimExists,
    /// The owner's UID; none where the owner is another machine's Node.
    Claim(Option<Option<u8>>),
    /// Each block's owner, likewise.
    Listing([Option<Option<u8>>; MOST]),
    Published,
    Refused,
    Reported,
    Version,
}

/// Returns the server after a request by `machine`, and its answer. `fresh` is the next Node's UID.
pub(super) fn ask(
    mut server: Server,
    machine: usize,
    fresh: u8,
    step: &Step,
    pool: &Ranges,
) -> (Server, Answer) {
    let me = u8::try_from(machine).expect("few machines");
    let as_seen = |claim: Option<Owner>| claim.map(|owner| (owner.machine == me).then_some(owner.uid));
    let answer = match step {
        Step::SendRequest if server.csrs[machine] != Csr::None => Answer::RequestExists,
        Step::SendRequest => {
            server.csrs[machine] = Csr::Pending;
            Answer::Request(Csr::Pending)
        }
        Step::ReadRequest => Answer::Request(server.csrs[machine]),
        Step::AwaitRequest if server.csrs[machine] == Csr::Pending => Answer::RequestPending,
        Step::AwaitRequest => Answer::Request(server.csrs[machine]),
        Step::CreateNode if server.nodes[machine].is_some() => Answer::NodeExists,
        Step::CreateNode => {
            let node = Some(NodeObject { uid: fresh, block: None, maker: Maker::Kiln });
            server.nodes[machine] = node;
            Answer::Node { node, is_new: true }
        }
        Step::ReadNode => Answer::Node { node: server.nodes[machine], is_new: false },
        Step::ReadPool => Answer::Pool,
        Step::CreateClaim(record) => {
            let claim = &mut server.claims[index_of(record)];
            if claim.is_some() {
                Answer::ClaimExists
            } else {
                *claim = Some(Owner { machine: me, uid: number(&record.node_uid) });
                Answer::Created
            }
        }
        Step::ReadClaim(record) => Answer::Claim(as_seen(server.claims[index_of(record)])),
        Step::ListClaims { .. } => Answer::Listing(server.claims.map(as_seen)),
        Step::Publish { node_uid, blocks } => {
            let block = pool.pools()[0].index_of(blocks[0]).and_then(|index| u8::try_from(index).ok());
            publish(&mut server.nodes[machine], number(node_uid), block)
        }
        Step::Report => Answer::Reported,
        Step::AskVersion => Answer::Version,
        step => panic!("no request: {step}"),
    };
    (server, answer)
}

fn publish(node: &mut Option<NodeObject>, uid: u8, block: Option<u8>) -> Answer {
    match node {
        None => Answer::Node { node: None, is_new: false },
        // podCIDRs are set once; the patch tests the UID.
        Some(node) if node.uid == uid && (node.block.is_none() || node.block == block) => {
            node.block = block;
            Answer::Published
        }
        Some(_) => Answer::Refused,
    }
}

fn index_of(record: &Record) -> usize {
    usize::try_from(record.index.expect("claims have an index")).expect("few blocks")
}

/// Returns a UID as its own machine reads it.
pub(super) fn text(uid: u8) -> String {
    format!("uid-{uid}")
}

/// Returns the UID that a text says.
pub(super) fn number(text: &str) -> u8 {
    text.strip_prefix("uid-").and_then(|number| number.parse().ok()).expect("an own UID")
}

impl Answer {
    /// Returns what the machine makes of the answer, by the same judgement as in production where there is one.
    pub(super) fn outcome(self, step: &Step, identity: &Identity, pool: &Ranges) -> Outcome {
        let owner = |uid: Option<u8>| uid.map_or_else(|| "other".to_owned(), text);
        match self {
            Self::Nothing => Outcome::Trouble(Fault::Unanswered("it was cut".to_owned()).into()),
            Self::Request(Csr::None) => Outcome::Request(Request::Unsent),
            Self::Request(Csr::Pending) => Outcome::Request(Request::Pending),
            Self::Request(Csr::Issued) => Outcome::Request(Request::Issued("pem".to_owned())),
            Self::RequestExists => Outcome::Request(Request::Exists),
            Self::RequestPending => Outcome::Trouble(Reason::Pending("csr".to_owned())),
            Self::NodeExists => Outcome::Node(Node::Exists),
            Self::Node { node: None, .. } => Outcome::Node(Node::Absent),
            Self::Node { node: Some(node), is_new } => {
                Outcome::Node(Node::Seen(seen(node, is_new, identity, pool)))
            }
            Self::Pool => Outcome::Pool(pool.clone()),
            Self::Created => Outcome::Claim(Claim::Mine),
            Self::ClaimExists => Outcome::Claim(Claim::Exists),
            Self::Claim(None) => Outcome::Claim(Claim::Absent),
            Self::Claim(Some(uid)) => {
                let (Step::ReadClaim(record) | Step::CreateClaim(record)) = step else { panic!("{step}") };
                // A nonce is the run's; runs of one machine are told apart in the tests of `claim`, not here.
                let data = claim::data(record, identity);
                Outcome::Claim(claim::judge(record, identity, &[&owner(uid)], &data))
            }
            Self::Listing(claims) => {
                let Step::ListClaims { node_uid } = step else { panic!("{step}") };
                let named =
                    (0..).zip(claims).filter_map(|(index, claim)| Some((claim_name(index), owner(claim?))));
                let named: Vec<(String, String)> = named.collect();
                let objects = named.iter().map(|(name, owner)| (name.as_str(), vec![owner.as_str()]));
                Outcome::Listing(Listing::of(objects, node_uid))
            }
            Self::Published => Outcome::Published,
            Self::Refused => Outcome::Refused("may not change".to_owned()),
            Self::Reported => Outcome::Reported,
            Self::Version => Outcome::Version(Version::Fits),
        }
    }
}

fn seen(node: NodeObject, is_new: bool, identity: &Identity, pool: &Ranges) -> NodeSeen {
    let blocks = node.block.and_then(|block| pool.blocks(u32::from(block))).unwrap_or_default();
    NodeSeen {
        uid: text(node.uid),
        instance: (node.maker == Maker::Kiln).then(|| identity.instance_id.clone()),
        provider_id: None,
        hardware_ids: (node.maker == Maker::Kubelet).then(|| "hw".to_owned()).into_iter().collect(),
        pod_cidrs: blocks.iter().map(ToString::to_string).collect(),
        is_new,
    }
}
