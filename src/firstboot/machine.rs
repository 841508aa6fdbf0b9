// SPDX-License-Identifier: Apache-2.0
//! What is seen of the machine itself. Plain data.

use std::net::IpAddr;

use super::vpc::Attachment;

/// The machine, apart from kiln's files.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Machine {
    /// The kernel's host name.
    pub hostname: String,
    /// What tells it from its clones: from the settings, SMBIOS or the machine id.
    pub instance_id: Option<String>,
    /// By what else a Node that kubelet registered can be recognised: SMBIOS' UUID and the machine id, lower case.
    pub hardware_ids: Vec<String>,
    /// Source addresses towards the API servers and the other family's default route; empty before there is a route.
    pub sources: Vec<IpAddr>,
    /// The API server's name, where nobody knows an address of it, so that there are no sources.
    pub unresolved: Option<String>,
    /// Whether the link that the node's addresses are on is known, by which files and MTU are rendered.
    pub has_uplink: bool,
    /// Whether a bootstrap token is at hand.
    pub has_token: bool,
    /// Why what was given as the token is none, if something was.
    pub bad_token: Option<String>,
    /// Whether pods may be running on the recorded block: their bridge is there, or nobody has made sure.
    pub may_run_pods: bool,
    /// What an earlier block left behind, in the order of repair.
    pub stale: Vec<String>,
    /// What of the machine's own network contradicts the recorded block, such as an overlap.
    pub contradiction: Option<String>,
    /// Where in a VPC it is, if it is an instance that its metadata service knows.
    pub attachment: Option<Attachment>,
    /// Addresses that the machine was promised and that are on none of its links yet.
    pub awaited: Vec<IpAddr>,
    /// Chance for this run, 128 bits: it makes nonces.
    pub chance: u128,
}
