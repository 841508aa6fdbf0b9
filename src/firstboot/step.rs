// SPDX-License-Identifier: Apache-2.0
//! One step of a node's birth: exactly one effect, a request or a durable change of one file.
//!
//! So a crash between two steps is a crash between two effects, and each step may have happened, or not, or have
//! happened without an answer. Texts of files are not part of a step: they hold keys, and are rendered again.

use std::fmt;

use ipnet::IpNet;

use super::claim::{Record, State};
use super::identity::Identity;
use super::volume;
use super::vpc::Routed;

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// Write down who this machine is.
    RecordIdentity(Identity),
    /// Make the private key, and write it.
    MakeKey,
    /// Create the certificate signing request.
    SendRequest,
    /// Read the request that has its name already.
    ReadRequest,
    /// Ask the API server what time it is.
    ReadClock,
    /// Wait for the certificate, as one watch.
    AwaitRequest,
    /// Write certificate and key into kubelet's store, under a name with the date.
    StoreCertificate,
    /// Make the stored certificate of this name the current one.
    LinkCertificate(String),
    /// Remove a file: a private key that is stored elsewhere, a token, a credential that is good for nothing.
    Remove(String),
    /// Write the file with this path.
    Write(String),
    /// Create the own Node.
    CreateNode,
    /// Read the own Node.
    ReadNode,
    /// Read the pool.
    ReadPool,
    /// Write down what is claimed, or is about to be.
    Record(Record),
    /// Create the claim that the disk says is intended.
    CreateClaim(Record),
    /// Read the claim on the recorded block.
    ReadClaim(Record),
    /// List all claims, by name and owner.
    ListClaims {
        /// The own Node, to recognise claims that belong to it.
        node_uid: String,
    },
    /// Set the own Node's podCIDRs, if it is still the Node with this UID, and mirror the IPv4 block in a label.
    Publish {
        /// The Node's UID.
        node_uid: String,
        /// The primary one first.
        blocks: Vec<IpNet>,
    },
    /// Remove what an earlier block left behind: the first of what was seen.
    Repair(String),
    /// Switch off the source/destination check of this interface.
    SourceCheckOff(String),
    /// Read the route tables of this VPC.
    ReadRoutes(String),
    /// Make a route in the VPC.
    CreateRoute {
        /// `rtb-...`.
        table: String,
        /// Where it leads.
        block: IpNet,
        /// The own interface.
        interface: String,
    },
    /// Lead a route of a former holder of the block to this machine.
    ReplaceRoute {
        /// `rtb-...`.
        table: String,
        /// Where it leads.
        block: IpNet,
        /// The own interface.
        interface: String,
        /// What it led to.
        was: String,
    },
    /// Write down that the VPC's routes are as they should be.
    RecordRoutes(Routed),
    /// Ask the API server for its version.
    AskVersion,
    /// Write the report into an annotation of the own Node.
    Report,
    /// Ask the control plane's own API server whether it is ready.
    Ready,
    /// Apply an object of the cluster's bootstrap, in the words of that step.
    Object(String),
    /// Look whether the cluster is bounded as it should be, in the words of that step.
    Prove(String),
    /// Label the control plane's own Node.
    Label,
    /// Write a parameter that others read, in words that say what is in it.
    Share(&'static str),
    /// Tell the group that this instance is no healthy node.
    Unhealthy(String),
    /// See to the control plane's data volume.
    Volume(volume::Step),
}

impl Step {
    /// Returns whether it changes nothing, neither on the disk nor on the server.
    pub fn only_looks(&self) -> bool {
        matches!(
            self,
            Self::ReadRequest
                | Self::AwaitRequest
                | Self::ReadClock
                | Self::ReadNode
                | Self::ReadPool
                | Self::ReadClaim(_)
                | Self::ListClaims { .. }
                | Self::ReadRoutes(_)
                | Self::AskVersion
                | Self::Ready
                | Self::Prove(_)
        )
    }

    /// Returns whether what was written before must survive a power cut once this is done: a server that signs a key or
    /// holds a claim outlives a disk that has lost either, and a link needs what it leads to. All else that a power cut
    /// takes is done again, as if the cut had come before it.
    pub fn rests_on_disk(&self) -> bool {
        matches!(self, Self::SendRequest | Self::LinkCertificate(_) | Self::CreateClaim(_))
    }

    /// Returns whether it is a call of EC2.
    pub fn is_call(&self) -> bool {
        matches!(
            self,
            Self::SourceCheckOff(_)
                | Self::ReadRoutes(_)
                | Self::CreateRoute { .. }
                | Self::ReplaceRoute { .. }
        )
    }

    /// Returns whether it is a request to the API server.
    pub fn is_request(&self) -> bool {
        (self.only_looks() && !self.is_call())
            || matches!(
                self,
                Self::SendRequest
                    | Self::CreateNode
                    | Self::CreateClaim(_)
                    | Self::Publish { .. }
                    | Self::Report
                    | Self::Object(_)
                    | Self::Label
            )
    }

    /// Returns whether it is a change of this machine, which needs nobody else.
    pub fn is_change(&self) -> bool {
        matches!(
            self,
            Self::RecordIdentity(_)
                | Self::MakeKey
                | Self::StoreCertificate
                | Self::LinkCertificate(_)
                | Self::Remove(_)
                | Self::Write(_)
                | Self::Record(_)
                | Self::Repair(_)
                | Self::RecordRoutes(_)
        )
    }

    /// Returns its name in ledger and report: one word, whatever it is about.
    pub fn word(&self) -> &'static str {
        match self {
            Self::RecordIdentity(_) => "identity",
            Self::MakeKey => "key",
            Self::SendRequest => "csr-create",
            Self::ReadRequest => "csr-read",
            Self::ReadClock => "clock-read",
            Self::AwaitRequest => "csr-await",
            Self::StoreCertificate => "certificate",
            Self::LinkCertificate(_) => "certificate-link",
            Self::Remove(_) => "remove",
            Self::Write(_) => "file",
            Self::CreateNode => "node-create",
            Self::ReadNode => "node-read",
            Self::ReadPool => "pool-read",
            Self::Record(record) => match record.state {
                State::Intended => "claim-intend",
                State::Held => "claim-record",
            },
            Self::CreateClaim(_) => "claim-create",
            Self::ReadClaim(_) => "claim-read",
            Self::ListClaims { .. } => "claim-list",
            Self::Publish { .. } => "podcidrs",
            Self::Repair(_) => "repair",
            Self::SourceCheckOff(_) => "source-check",
            Self::ReadRoutes(_) => "routes-read",
            Self::CreateRoute { .. } => "route-create",
            Self::ReplaceRoute { .. } => "route-replace",
            Self::RecordRoutes(_) => "routes-record",
            Self::AskVersion => "version",
            Self::Report => "report",
            Self::Ready => "ready",
            Self::Object(_) => "object",
            Self::Prove(_) => "prove",
            Self::Label => "node-label",
            Self::Share(_) => "share",
            Self::Unhealthy(_) => "unhealthy",
            Self::Volume(step) => step.word(),
        }
    }
}

/// Joins blocks as people read them.
pub(super) fn listed(blocks: &[IpNet]) -> String {
    blocks.iter().map(IpNet::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RecordIdentity(identity) => {
                write!(
                    f,
                    "record that this machine is node {}, instance {}",
                    identity.name, identity.instance_id
                )
            }
            Self::MakeKey => f.write_str("make the private key"),
            Self::SendRequest => f.write_str("ask for a client certificate"),
            Self::ReadRequest => f.write_str("read the certificate request that is there already"),
            Self::ReadClock => f.write_str("ask the API server for the time"),
            Self::AwaitRequest => f.write_str("wait for the certificate"),
            Self::StoreCertificate => f.write_str("store certificate and key for kubelet"),
            Self::LinkCertificate(name) => write!(f, "make {name} kubelet's current certificate"),
            Self::Remove(path) => write!(f, "remove {path}"),
            Self::Write(path) => write!(f, "write {path}"),
            Self::CreateNode => f.write_str("register the Node"),
            Self::ReadNode => f.write_str("read the Node"),
            Self::ReadPool => f.write_str("read the pool"),
            Self::Record(record) => {
                let verb = match record.state {
                    State::Intended => "record that a claim is intended on",
                    State::Held => "record the claim on",
                };
                write!(f, "{verb} {}", listed(&record.blocks))
            }
            Self::CreateClaim(record) => write!(f, "claim {}", listed(&record.blocks)),
            Self::ReadClaim(record) => write!(f, "read the claim on {}", listed(&record.blocks)),
            Self::ListClaims { .. } => f.write_str("list all claims"),
            Self::Publish { blocks, .. } => write!(f, "set the Node's podCIDRs to {}", listed(blocks)),
            Self::Repair(what) => write!(f, "repair: {what}"),
            Self::SourceCheckOff(interface) => {
                write!(f, "switch off the source/destination check of {interface}")
            }
            Self::ReadRoutes(vpc) => write!(f, "read the route tables of {vpc}"),
            Self::CreateRoute { table, block, interface } => {
                write!(f, "lead {block} to {interface} in {table}")
            }
            Self::ReplaceRoute { table, block, interface, was } => {
                write!(f, "lead {block} to {interface} in {table}, where it led to {was}")
            }
            Self::RecordRoutes(routed) => {
                write!(f, "record that {} leads to {}", listed(&routed.blocks), routed.interface)
            }
            Self::AskVersion => f.write_str("ask the API server for its version"),
            Self::Report => f.write_str("write the report to the Node"),
            Self::Ready => f.write_str("ask whether the API server is ready"),
            Self::Object(what) | Self::Prove(what) => f.write_str(what),
            Self::Label => f.write_str("label the Node as a control plane"),
            Self::Share(what) => write!(f, "share {what}"),
            Self::Unhealthy(id) => write!(f, "tell its group that {id} is no healthy node"),
            Self::Volume(step) => write!(f, "{step}"),
        }
    }
}
