// SPDX-License-Identifier: Apache-2.0
//! What a step came to, and how that changes what is known. Pure.

use super::claim::{Claim, Listing, Record};
use super::observed::{Node, NodeSeen, Observed, Request, Version};
use super::reason::Reason;
use super::step::Step;
use crate::ipam::Ranges;
use crate::route::Table;
use crate::settings::Addressing;

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A change of the disk or of the network: the next look shows it.
    Changed,
    /// All was so already.
    Unchanged,
    /// The server's clock is this many seconds ahead of this machine's.
    Clock(i64),
    /// The certificate signing request is so far.
    Request(Request),
    /// The Node as it is.
    Node(Node),
    /// The pool.
    Pool(Ranges),
    /// The claim.
    Claim(Claim),
    /// All claims.
    Listing(Listing),
    /// The server's version.
    Version(Version),
    /// The podCIDRs are set.
    Published,
    /// The podCIDRs were refused: something else stands there, or it is another Node.
    Refused(String),
    /// The VPC's route tables.
    Tables(Vec<Table>),
    /// EC2 has done what it was asked for.
    Called,
    /// The route that was to be made is there, wherever it leads.
    RouteExists,
    /// The report is on the Node.
    Reported,
    /// Nothing was learnt: the step may have happened, or not.
    Trouble(Reason),
}

impl Observed {
    /// Folds in what a step came to.
    pub fn learn(&mut self, step: &Step, outcome: Outcome) {
        if step.is_call() {
            return self.called(step, outcome);
        }
        self.trouble = None;
        self.server.is_clock_asked |= *step == Step::ReadClock;
        match outcome {
            Outcome::Trouble(reason) => self.fail(step, reason),
            Outcome::Changed => self.changed(step),
            Outcome::Clock(skew_s) => self.server.skew_s = Some(skew_s),
            Outcome::Request(request) => self.server.request = request,
            Outcome::Node(node) => self.node(node),
            Outcome::Pool(pool) => self.server.pool = Some(pool),
            Outcome::Claim(claim) => self.claim(step, claim),
            Outcome::Listing(listing) => {
                if let Step::ListClaims { node_uid } = step {
                    self.server.judged_by = Some(node_uid.clone());
                }
                // Newer than every miss: what was taken and is free now may be asked for again.
                self.server.missed.clear();
                let is_free = |(index, _): &(u32, Claim)| !listing.used.contains(index);
                self.server.claim.take_if(|claim| is_free(claim));
                self.server.listing = Some(listing);
            }
            Outcome::Version(version) => self.server.version = version,
            Outcome::Published => self.published(step),
            Outcome::Refused(why) => {
                self.server.refusal = Some(why);
                self.server.node = Node::Exists;
            }
            Outcome::Reported => self.server.is_reported = true,
            Outcome::Unchanged | Outcome::Tables(_) | Outcome::Called | Outcome::RouteExists => {}
        }
    }

    /// EC2's trouble is none of the API server's.
    fn called(&mut self, step: &Step, outcome: Outcome) {
        self.vpc.trouble = None;
        match (outcome, step) {
            (Outcome::Trouble(reason), _) => self.vpc.trouble = Some(reason),
            (Outcome::Tables(tables), _) => {
                self.vpc.tables = Some(tables);
                self.vpc.is_written = false;
            }
            (Outcome::RouteExists, Step::CreateRoute { table, block, .. }) => self.vpc.met(table, *block),
            (
                Outcome::Called,
                Step::CreateRoute { table, block, interface }
                | Step::ReplaceRoute { table, block, interface, .. },
            ) => self.vpc.wrote(table, *block, interface),
            (Outcome::Called, Step::SourceCheckOff(_)) => self.vpc.is_check_off = true,
            _ => {}
        }
    }

    /// Makes ready for the next try after a wait.
    pub fn rest(&mut self) {
        self.trouble = None;
        // Whoever had the block may be gone meanwhile.
        self.server.claim.take_if(|(_, claim)| matches!(claim, Claim::Other(_)));
        let is_kcm = self.server.pool.as_ref().is_some_and(|pool| pool.addressing == Addressing::Kcm);
        match &self.server.node {
            // The cluster's allocator may have come meanwhile.
            Node::Seen(node) if is_kcm && node.pod_cidrs.is_empty() => self.server.node = Node::Exists,
            _ => {}
        }
    }

    fn fail(&mut self, step: &Step, reason: Reason) {
        // The report is for people: no node waits for it.
        if *step == Step::Report {
            self.server.is_reported = true;
            return;
        }
        self.trouble = Some(reason);
    }

    fn changed(&mut self, step: &Step) {
        match step {
            Step::MakeKey => self.server.request = Request::Unsent,
            Step::Record(Record { state: super::claim::State::Held, .. }) => self.server.is_birth = true,
            _ => {}
        }
    }

    fn node(&mut self, node: Node) {
        if let Node::Seen(NodeSeen { uid, pod_cidrs, .. }) = &node {
            // Whose a claim is was judged by this very UID, or not at all; so was a refusal. The Node that was seen before
            // says nothing: there may have been none in between.
            if self.server.judged_by.as_ref() != Some(uid) {
                self.server.listing = None;
                self.server.claim = None;
                self.server.refusal = None;
            }
            // A refusal stands until something else is found on the Node.
            if !pod_cidrs.is_empty() {
                self.server.refusal = None;
            }
        }
        self.server.node = node;
    }

    fn claim(&mut self, step: &Step, claim: Claim) {
        let (Step::CreateClaim(record) | Step::ReadClaim(record)) = step else { return };
        let index = record.index.unwrap_or_default();
        if matches!(claim, Claim::Other(_)) {
            self.server.missed.insert(index);
            // A Node with podCIDRs had the claim, so it seems to be gone: it is read again before that is believed.
            if matches!(&self.server.node, Node::Seen(node) if !node.pod_cidrs.is_empty()) {
                self.server.node = Node::Exists;
            }
        }
        self.server.judged_by = Some(record.node_uid.clone());
        self.server.claim = Some((index, claim));
    }

    fn published(&mut self, step: &Step) {
        let (Step::Publish { blocks, .. }, Node::Seen(node)) = (step, &mut self.server.node) else { return };
        node.pod_cidrs = blocks.iter().map(ToString::to_string).collect();
    }
}
