// SPDX-License-Identifier: Apache-2.0
//! How far a machine has come on its way to a Ready node, told from what the API server shows and from nothing else.

pub mod look;

use std::fmt;

use ipnet::IpNet;
use serde::Serialize;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer as _;

use crate::cluster::{Csr, CsrState, Meta, Node};
use crate::names::NODE_USER;

/// A stage and when it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// The stage.
    #[serde(flatten)]
    pub stage: Stage,
    /// Milliseconds after the machine's start.
    pub after_ms: u64,
}

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
            None => of_request(name, token, &shown.requests),
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

fn of_request(name: &str, token: Option<&str>, requests: &[Csr]) -> Stage {
    match requests.iter().find(|request| is_of(request, name, token)) {
        Some(Csr { state: CsrState::Issued(_), .. }) => Stage::Certified,
        Some(_) => Stage::Asked,
        None => Stage::Boots,
    }
}

/// Who asks with a token is called by its id (Kubernetes, "Authenticating with Bootstrap Tokens"); several machines may
/// have the same token, and the request says for which name it is.
fn is_of(request: &Csr, name: &str, token: Option<&str>) -> bool {
    let is_asker = token.is_some_and(|id| request.username == format!("system:bootstrap:{id}"));
    is_asker && asked_for(&request.request).as_deref() == Some(name)
}

/// Returns the name of the Node that a request (PEM) asks a certificate for.
fn asked_for(request: &[u8]) -> Option<String> {
    let (_, pem) = parse_x509_pem(request).ok()?;
    let (_, request) = X509CertificationRequest::from_der(&pem.contents).ok()?;
    let name = request.certification_request_info.subject.iter_common_name().next()?.as_str().ok()?;
    name.strip_prefix(NODE_USER).map(str::to_owned)
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

    fn request_of(name: &str, state: CsrState) -> Csr {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, format!("system:node:{name}"));
        let request = params.serialize_request(&rcgen::KeyPair::generate().unwrap()).unwrap();
        Csr {
            meta: Meta::default(),
            request: request.pem().unwrap().into_bytes(),
            signer_name: String::new(),
            username: "system:bootstrap:abcdef".to_owned(),
            usages: Vec::new(),
            state,
        }
    }

    fn request(state: CsrState) -> Csr {
        request_of("worker-1", state)
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
        let other = request_of("worker-2", CsrState::Issued("PEM".into()));
        assert_eq!(stage(vec![other], vec![], &[]), "boots", "of another with the same token");
        assert_eq!(stage(vec![], vec![node(&[], true)], &["another"]), "is registered");
        assert_eq!(stage(vec![], vec![node(&[], false)], &["u1"]), "holds claim b-7");
        assert_eq!(stage(vec![], vec![node(&["10.1.7.0/24"], false)], &["u1"]), "has 10.1.7.0/24");
        assert_eq!(stage(vec![], vec![node(&["10.1.7.0/24"], true)], &["u1"]), "is Ready with 10.1.7.0/24");
    }
}
