// SPDX-License-Identifier: Apache-2.0
//! What is wrong, in words: what was found, why it matters where that is not plain, and what to do.

use std::fmt;

use super::Problem;
use crate::ipam::claim_name;

fn listed<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let claim = |index: &u32| format!("claim {}", claim_name(*index));
        match self {
            Self::NotAClaim { name } => {
                write!(f, "ConfigMap kiln-ipam/{name} is no claim: those are named b-INDEX in plain decimal")
            }
            Self::BeyondPool { index, blocks } => {
                write!(f, "{}: the pool has only {blocks} blocks, the last is b-{}", claim(index), blocks - 1)
            }
            Self::ReservedClaim { index, node } => {
                write!(f, "{} of Node {node}: this block is reserved", claim(index))
            }
            Self::NeedlessClaim { index } => {
                write!(
                    f,
                    "{}: here the cluster's own allocator sets blocks, nothing is claimed",
                    claim(index)
                )
            }
            Self::ClaimOwners { index, owners } if owners.is_empty() => {
                write!(
                    f,
                    "{} has no owner, so nothing ever frees the block: delete it if no node uses it",
                    claim(index)
                )
            }
            Self::ClaimOwners { index, owners } => {
                write!(f, "{} must be owned by one Node and is owned by {}", claim(index), listed(owners))
            }
            Self::ClaimWithoutNode { index, node, is_replaced } => {
                write!(f, "{}: its Node {node} is gone", claim(index))?;
                let another = if *is_replaced { ", another Node has that name now" } else { "" };
                write!(
                    f,
                    "{another}; the garbage collector of kube-controller-manager frees it, does that run?"
                )
            }
            Self::OwnerName { index, said, node } => {
                write!(f, "{} names Node {said} as its owner, but by the UID that is {node}", claim(index))
            }
            Self::MutableClaim { index } => write!(f, "{} is not immutable", claim(index)),
            Self::OtherPool { index, said } => {
                write!(f, "{} was made for another pool ({said:?})", claim(index))
            }
            Self::ClaimData { index, key, said, right } => {
                write!(f, "{}: {key} is {said:?} and should be {right:?}", claim(index))
            }
            Self::ClaimHeldUp { index, finalizers } => {
                write!(f, "{} does not go with its Node: it waits for {}", claim(index), listed(finalizers))
            }
            Self::TwoClaims { node, indices } => {
                let names: Vec<String> = indices.iter().map(|index| claim_name(*index)).collect();
                write!(
                    f,
                    "Node {node} owns {}: delete those that its podCIDRs don't name",
                    names.join(" and ")
                )
            }
            Self::NodeWithoutClaim { node, blocks } => write!(
                f,
                "Node {node} has podCIDRs {} and no claim: another node may be given that block",
                listed(blocks)
            ),
            Self::NodeWithoutBlock { node } => {
                write!(
                    f,
                    "Node {node} has no block, long after it was made: see kiln-firstboot explain on it"
                )
            }
            Self::Unpublished { node, index } => {
                write!(
                    f,
                    "Node {node} holds b-{index} and has not set its podCIDRs: see kiln-firstboot explain on it"
                )
            }
            Self::Mismatch { node, index, blocks } => {
                write!(f, "Node {node} holds b-{index} but its podCIDRs are {}", listed(blocks))
            }
            Self::OutsidePool { node, block } => {
                write!(f, "Node {node}: podCIDR {block} is none of the pool's blocks")
            }
            Self::SharedBlock { nodes: [one, other], blocks: [a, b] } if a == b => {
                write!(f, "Nodes {one} and {other} have the same podCIDR {a}")
            }
            Self::SharedBlock { nodes: [one, other], blocks: [a, b] } => {
                write!(f, "podCIDRs overlap: {a} of Node {one} and {b} of Node {other}")
            }
            Self::Mirror { node, said, right } => {
                let shown = |label: &Option<String>| {
                    label.as_ref().map_or("absent".to_owned(), |label| format!("{label:?}"))
                };
                write!(f, "Node {node}: label ipblock is {} and should be {}", shown(said), shown(right))
            }
            Self::NodeInside { node, address } => {
                write!(f, "Node {node}: its own address {address} lies in the pod range")
            }
            Self::ServiceOverlap { range, services, more: 0 } => {
                write!(f, "services {services} lie in the pod range {range}")
            }
            Self::ServiceOverlap { range, services, more } => {
                write!(f, "services {services} and {more} more lie in the pod range {range}")
            }
        }
    }
}
