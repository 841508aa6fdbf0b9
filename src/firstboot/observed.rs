// SPDX-License-Identifier: Apache-2.0
//! What is seen: the machine and its disk, looked at anew each turn, and the server's answers of this run, folded in.
//!
//! Plain data: nothing here acts. A crash loses [`Server`] and nothing else, so whoever keeps the disk and starts
//! with [`Server::default`] has a restarted machine.

mod vpc;

use std::collections::BTreeSet;

use super::claim::{Claim, Listing, Record, State};
use super::identity::Identity;
use super::machine::Machine;
use super::reason::Reason;
use super::vpc::Routed;
use crate::ipam::Ranges;

pub use vpc::Vpc;

/// All that [`super::next::next`] decides from, the settings apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Observed {
    /// The machine itself.
    pub machine: Machine,
    /// What survives a power cut.
    pub disk: Disk,
    /// What the server has answered in this run.
    pub server: Server,
    /// What EC2 has answered in this run.
    pub vpc: Vpc,
    /// Why the last request brought nothing; waiting clears it.
    pub trouble: Option<Reason>,
    /// Whether a node with a recorded claim has waited for the server as long as it may.
    pub is_patience_over: bool,
}

impl Observed {
    /// Returns whether something rests on who this machine was decided to be.
    pub fn is_settled(&self) -> bool {
        self.disk.claim != Found::Missing || self.disk.certificate != Certificate::Missing
    }

    /// Returns whether a claim is recorded that was once read with the Node's live UID.
    pub fn is_held(&self) -> bool {
        matches!(&self.disk.claim, Found::Is(record) if record.state == State::Held)
    }
}

/// Something on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Found<T> {
    /// Not there.
    #[default]
    Missing,
    /// There and sound.
    Is(T),
    /// There, but not what kiln writes, and why.
    Broken(String),
}

/// The client certificate in kubelet's own store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Certificate {
    /// None.
    #[default]
    Missing,
    /// A sound one of this name is in the store, but not the current one.
    Stored(String),
    /// The current one is sound.
    Current,
    /// The current one's time is over, by this machine's clock.
    Expired {
        /// For how many seconds.
        since_s: u64,
    },
    /// The current one's time has not come, by this machine's clock, and how far off it is.
    Early(String),
    /// The current one is not good for this node, and why.
    Unfit(String),
}

/// What is on the disk.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Disk {
    /// Who this machine was decided to be.
    pub identity: Found<Identity>,
    /// The private key that waits for its certificate, as the name of the request that belongs to it.
    pub key: Found<String>,
    /// The certificate.
    pub certificate: Certificate,
    /// Every file in kubelet's store that is a client certificate with its key; the symbolic link first.
    pub store: Vec<String>,
    /// Paths of the credential's files (CA, kubeconfig) that are not yet as they should be.
    pub credential: Vec<String>,
    /// The provisioner's file with the token, while it exists.
    pub token_file: Option<String>,
    /// Temporary files in kiln's own folder and in kubelet's store: whoever wrote them was killed. Other folders' go when their file is written.
    pub leftovers: Vec<String>,
    /// What is recorded of the claim.
    pub claim: Found<Record>,
    /// What is recorded of routes in the VPC.
    pub routes: Found<Routed>,
    /// Paths that are not yet as the recorded block demands, in the order of writing, the last one not among them.
    pub files: Vec<String>,
    /// The file whose presence turns the node ready (the conflist), while it is not as it should be.
    pub last: Option<String>,
}

/// What the server has answered in this run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Server {
    /// How far its clock is ahead of this machine's, in seconds; behind, where negative.
    pub skew_s: Option<i64>,
    /// Whether it was asked for its time, with or without an answer.
    pub is_clock_asked: bool,
    /// The certificate signing request.
    pub request: Request,
    /// The own Node.
    pub node: Node,
    /// The pool.
    pub pool: Option<Ranges>,
    /// The claim that was asked for last, by its index.
    pub claim: Option<(u32, Claim)>,
    /// The Node's UID by which claim and list were judged.
    pub judged_by: Option<String>,
    /// Indices that others were seen to hold since the last list.
    pub missed: BTreeSet<u32>,
    /// The last list of claims.
    pub listing: Option<Listing>,
    /// Why `spec.podCIDRs` was refused, until the Node has been read again.
    pub refusal: Option<String>,
    /// The server's version.
    pub version: Version,
    /// Whether this run recorded the claim, so that its report belongs to the Node's birth.
    pub is_birth: bool,
    /// Whether the report has been sent, or sending it has failed.
    pub is_reported: bool,
}

/// What the server's version means for kiln.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Version {
    /// Not asked.
    #[default]
    Unasked,
    /// Asked, and not told.
    Untold,
    /// One that kiln works with.
    Fits,
    /// Newer than any that kiln was tried with: which, and with what it was.
    Untried(String),
    /// Something that kiln relies on is missing: which it is, and which would do.
    TooOld(String),
}

/// The certificate signing request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Request {
    /// Not asked; or gone, so that it must be made again.
    #[default]
    Unsent,
    /// One of its name is there and has not been read.
    Exists,
    /// There, ours, without an answer.
    Pending,
    /// Answered: certificates in PEM that were found to fit the key.
    Issued(String),
}

/// The Node of this machine's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Node {
    /// Not asked.
    #[default]
    Unasked,
    /// There is one that has not been read, or must be read again.
    Exists,
    /// There is none.
    Absent,
    /// Read, or as its creation answered.
    Seen(NodeSeen),
}

/// What matters of a Node object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct NodeSeen {
    /// `metadata.uid`.
    pub uid: String,
    /// The annotation [`crate::names::INSTANCE`].
    pub instance: Option<String>,
    /// `spec.providerID`.
    pub provider_id: Option<String>,
    /// `status.nodeInfo`: system UUID and machine id, lower case; empty before kubelet has run.
    pub hardware_ids: Vec<String>,
    /// `spec.podCIDRs` as it stands there.
    pub pod_cidrs: Vec<String>,
    /// Whether this run made it.
    pub is_new: bool,
}
