// SPDX-License-Identifier: Apache-2.0
//! How far a machine has come on its way to a Ready node, told from what the API server shows and from nothing else.

use std::fmt;

use ipnet::IpNet;
use serde::Serialize;

use crate::cluster::{Csr, CsrState, Meta, Node};

/// How far a machine has come; later ones are greater.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case", tag = "stage")]
pub enum Stage {
    /// The API server knows nothing of it.
    Boots,
    /// It has asked for a certificate.
    Asked,
    /// Its certificate is issued.
    Certified,
    /// Its Node is there.
    Registered,
    /// It holds a claim on a block.
    Claimed {
        /// The claim's name, `b-7`.
        claim: String,
    },
    /// Its Node has podCIDRs.
    Published {
        /// They.
        blocks: Vec<IpNet>,
    },
    /// Its Node is Ready.
    Ready {
        /// Its podCIDRs.
        blocks: Vec<IpNet>,
    },
}

/// What the API server showed at one look.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// All requests for certificates.
    pub requests: Vec<Csr>,
    /// All Nodes.
    pub nodes: Vec<Node>,
    /// What lies in kiln's namespace: the pool and the claims.
    pub claims: Vec<Meta>,
}

impl Stage {
    /// Returns the stage of the machine whose Node has this name, and which joins with the token of this id.
    pub fn of(name: &str, token: Option<&str>, shown: &Shown) -> Self {
        match shown.nodes.iter().find(|node| node.meta.name == name) {
            Some(node) => of_node(node, &shown.claims),
            None => of_request(token, &shown.requests),
        }
    }

    /// Returns whether nothing more is to come.
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Ready { .. })
    }
}

fn of_node(node: &Node, claims: &[Meta]) -> Stage {
    let blocks = node.pod_cidrs.clone();
    let is_owner = |meta: &&Meta| meta.owner_references.iter().any(|owner| owner.uid == node.meta.uid);
    match claims.iter().find(is_owner) {
        _ if node.is_ready && !blocks.is_empty() => Stage::Ready { blocks },
        _ if !blocks.is_empty() => Stage::Published { blocks },
        Some(claim) => Stage::Claimed { claim: claim.name.clone() },
        None => Stage::Registered,
    }
}

/// Who asks with a token is called by its id (Kubernetes, "Authenticating with Bootstrap Tokens").
fn of_request(token: Option<&str>, requests: &[Csr]) -> Stage {
    let user = token.map(|id| format!("system:bootstrap:{id}"));
    match requests.iter().find(|request| Some(&request.username) == user.as_ref()) {
        Some(Csr { state: CsrState::Issued(_), .. }) => Stage::Certified,
        Some(_) => Stage::Asked,
        None => Stage::Boots,
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |blocks: &[IpNet]| blocks.iter().map(IpNet::to_string).collect::<Vec<_>>().join(",");
        match self {
            Self::Boots => f.write_str("boots"),
            Self::Asked => f.write_str("has asked for a certificate"),
            Self::Certified => f.write_str("has its certificate"),
            Self::Registered => f.write_str("is registered"),
            Self::Claimed { claim } => write!(f, "holds claim {claim}"),
            Self::Published { blocks } => write!(f, "has {}", listed(blocks)),
            Self::Ready { blocks } => write!(f, "is Ready with {}", listed(blocks)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Owner;

    fn node(blocks: &[&str], is_ready: bool) -> Node {
        Node {
            meta: Meta { name: "worker-1".into(), uid: "u1".into(), ..Meta::default() },
            pod_cidrs: blocks.iter().map(|block| block.parse().unwrap()).collect(),
            addresses: Vec::new(),
            provider_id: String::new(),
            taints: Vec::new(),
            hardware_ids: Vec::new(),
            is_ready,
        }
    }

    fn request(state: CsrState) -> Csr {
        let (username, meta) = ("system:bootstrap:abcdef".to_owned(), Meta::default());
        Csr { meta, request: Vec::new(), signer_name: String::new(), username, usages: Vec::new(), state }
    }

    fn stage(requests: Vec<Csr>, nodes: Vec<Node>, owners: &[&str]) -> String {
        let owner = |uid: &&str| Owner { uid: (*uid).to_owned(), ..Owner::default() };
        let claim =
            |uid: &&str| Meta { name: "b-7".into(), owner_references: vec![owner(uid)], ..Meta::default() };
        let shown = Shown { requests, nodes, claims: owners.iter().map(claim).collect() };
        Stage::of("worker-1", Some("abcdef"), &shown).to_string()
    }

    #[test]
    fn a_machine_is_as_far_as_the_server_shows() {
        assert_eq!(stage(vec![], vec![], &[]), "boots");
        assert_eq!(stage(vec![request(CsrState::Pending)], vec![], &[]), "has asked for a certificate");
        assert_eq!(stage(vec![request(CsrState::Issued("PEM".into()))], vec![], &[]), "has its certificate");
        assert_eq!(stage(vec![], vec![node(&[], true)], &["another"]), "is registered");
        assert_eq!(stage(vec![], vec![node(&[], false)], &["u1"]), "holds claim b-7");
        assert_eq!(stage(vec![], vec![node(&["10.1.7.0/24"], false)], &["u1"]), "has 10.1.7.0/24");
        assert_eq!(stage(vec![], vec![node(&["10.1.7.0/24"], true)], &["u1"]), "is Ready with 10.1.7.0/24");
    }
}
