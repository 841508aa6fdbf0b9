// SPDX-License-Identifier: Apache-2.0
//! What can be wrong with claims, Nodes and ranges.

mod words;

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;
use serde_json::{Value, json};

use crate::ipam::Ranges;

/// Something that is not as it must be. Names that a stranger may have chosen are one clean line here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Problem {
    /// An object looks like a claim and is none.
    NotAClaim {
        /// Its name.
        name: String,
    },
    /// A claim on a block that the pool does not have.
    BeyondPool {
        /// The claim's index.
        index: u32,
        /// How many blocks there are.
        blocks: u32,
    },
    /// A claim on a block that no node may have.
    ReservedClaim {
        /// The claim's index.
        index: u32,
        /// The holder's name.
        node: String,
    },
    /// A claim where the cluster's own allocator sets the blocks.
    NeedlessClaim {
        /// The claim's index.
        index: u32,
    },
    /// A claim without exactly one Node as its owner.
    ClaimOwners {
        /// The claim's index.
        index: u32,
        /// Kinds and names of the owners.
        owners: Vec<String>,
    },
    /// A claim whose Node is gone.
    ClaimWithoutNode {
        /// The claim's index.
        index: u32,
        /// The Node's name.
        node: String,
        /// Whether another Node has that name now.
        is_replaced: bool,
    },
    /// A claim that names its owner wrongly: the UID is another Node's.
    OwnerName {
        /// The claim's index.
        index: u32,
        /// The name that the claim says.
        said: String,
        /// The name of the Node with that UID.
        node: String,
    },
    /// A claim that is not immutable.
    MutableClaim {
        /// The claim's index.
        index: u32,
    },
    /// A claim that was made for another pool.
    OtherPool {
        /// The claim's index.
        index: u32,
        /// The hash that it says.
        said: String,
    },
    /// A claim whose data is not that of its index.
    ClaimData {
        /// The claim's index.
        index: u32,
        /// The key of the data.
        key: String,
        /// What stands there, or nothing.
        said: String,
        /// What would be right.
        right: String,
    },
    /// A claim that is not deleted with its Node because somebody must agree first.
    ClaimHeldUp {
        /// The claim's index.
        index: u32,
        /// Who must agree.
        finalizers: Vec<String>,
    },
    /// A Node that owns more than one claim.
    TwoClaims {
        /// The Node's name.
        node: String,
        /// The claims' indices.
        indices: Vec<u32>,
    },
    /// A Node that has podCIDRs and no claim on them.
    NodeWithoutClaim {
        /// The Node's name.
        node: String,
        /// Its podCIDRs.
        blocks: Vec<IpNet>,
    },
    /// A Node that should have a block by now.
    NodeWithoutBlock {
        /// The Node's name.
        node: String,
    },
    /// A Node that has a claim and should have published it by now.
    Unpublished {
        /// The Node's name.
        node: String,
        /// The claim's index.
        index: u32,
    },
    /// A Node whose podCIDRs are not the blocks of its claim.
    Mismatch {
        /// The Node's name.
        node: String,
        /// The claim's index.
        index: u32,
        /// Its podCIDRs.
        blocks: Vec<IpNet>,
    },
    /// A podCIDR that is none of the pool's blocks.
    OutsidePool {
        /// The Node's name.
        node: String,
        /// The podCIDR.
        block: IpNet,
    },
    /// Two Nodes whose podCIDRs have addresses in common.
    SharedBlock {
        /// The Nodes' names.
        nodes: [String; 2],
        /// Their podCIDRs.
        blocks: [IpNet; 2],
    },
    /// The label is not the mirror of the Node's IPv4 block.
    Mirror {
        /// The Node's name.
        node: String,
        /// The label, if there is one.
        said: Option<String>,
        /// What would be right; none where there should be no label.
        right: Option<String>,
    },
    /// A Node's own address lies in the pod range.
    NodeInside {
        /// The Node's name.
        node: String,
        /// The address.
        address: IpAddr,
    },
    /// Services lie in the pod range.
    ServiceOverlap {
        /// The pod range.
        range: IpNet,
        /// The first of the services' ranges or addresses in it.
        services: IpNet,
        /// How many more there are.
        more: usize,
    },
}

impl Problem {
    /// Returns the indices of the blocks that it is about.
    pub fn indices(&self, ranges: &Ranges) -> Vec<u32> {
        let of = |block: &IpNet| ranges.pools().iter().find_map(|pool| pool.index_of(*block));
        match self {
            Self::BeyondPool { index, .. }
            | Self::ReservedClaim { index, .. }
            | Self::NeedlessClaim { index }
            | Self::ClaimOwners { index, .. }
            | Self::ClaimWithoutNode { index, .. }
            | Self::OwnerName { index, .. }
            | Self::MutableClaim { index }
            | Self::OtherPool { index, .. }
            | Self::ClaimData { index, .. }
            | Self::ClaimHeldUp { index, .. }
            | Self::Unpublished { index, .. } => vec![*index],
            Self::Mismatch { index, blocks, .. } => blocks.iter().filter_map(of).chain([*index]).collect(),
            Self::TwoClaims { indices, .. } => indices.clone(),
            Self::NodeWithoutClaim { blocks, .. } => blocks.iter().filter_map(of).collect(),
            Self::SharedBlock { blocks, .. } => blocks.iter().filter_map(of).collect(),
            Self::NotAClaim { .. }
            | Self::NodeWithoutBlock { .. }
            | Self::OutsidePool { .. }
            | Self::Mirror { .. }
            | Self::NodeInside { .. }
            | Self::ServiceOverlap { .. } => Vec::new(),
        }
    }

    /// Returns it for programs, its sentence included.
    pub(super) fn described(&self) -> Value {
        let mut value = json!(self);
        value["text"] = self.to_string().into();
        value
    }
}
