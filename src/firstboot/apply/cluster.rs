// SPDX-License-Identifier: Apache-2.0
//! Requests as the node itself: its Node, the pool, the claim.

use super::super::claim::{self, Claim, Listing, Record};
use super::super::identity::Identity;
use super::super::node;
use super::super::observed::{Node, Observed, Version};
use super::super::outcome::Outcome;
use super::super::reason::Reason;
use super::super::step::Step;
use super::Hands;
use super::fault::reason;
use crate::cluster::{self, ApiError, ApiErrorKind as Kind, Client, NewConfigMap, NodeOwner, Support};
use crate::ipam::{NAMESPACE, POOL, Ranges, claim_name};
use crate::names;

impl Hands<'_> {
    pub(super) async fn ask_as_node(
        &mut self,
        step: &Step,
        identity: &Identity,
        seen: &Observed,
        report: &str,
    ) -> Result<Outcome, Reason> {
        let client = self.node(seen)?;
        match step {
            Step::CreateNode => {
                let answer = client.node_create(&node::wanted(&self.settings.node, identity)).await;
                created(answer.map(|made| Node::Seen(node::seen(&made, true)))).map(Outcome::Node)
            }
            Step::ReadNode => {
                let read = found(client.node_get(&identity.name).await)?;
                Ok(Outcome::Node(read.map_or(Node::Absent, |read| Node::Seen(node::seen(&read, false)))))
            }
            Step::ReadPool => pool(&client).await,
            Step::CreateClaim(record) => create_claim(&client, record, identity).await,
            Step::ReadClaim(record) => read_claim(&client, record, identity).await,
            Step::ListClaims { node_uid } => list_claims(&client, node_uid).await,
            Step::Publish { node_uid, blocks } => {
                publish(&client, &identity.name, &node::publication(node_uid, blocks)).await
            }
            // It holds nobody up: what can't be told is not known.
            Step::AskVersion => Ok(Outcome::Version(client.version().await.map_or(Version::Untold, judged))),
            Step::Report => {
                let Node::Seen(node) = &seen.server.node else { return Ok(Outcome::Reported) };
                let annotations = [(names::REPORT.to_owned(), Some(report.to_owned()))].into();
                let answer = client.node_annotate(&identity.name, &node.uid, &annotations).await;
                answer.map(|_| Outcome::Reported).map_err(reason)
            }
            step => Err(Reason::Access(format!("no request is to {step}"))),
        }
    }
}

fn judged(version: cluster::Version) -> Version {
    match version.support() {
        Support::Supported => Version::Fits,
        Support::Untried => Version::Untried(version.to_string()),
        Support::TooOld => Version::TooOld(version.to_string()),
    }
}

fn created(answer: Result<Node, ApiError>) -> Result<Node, Reason> {
    match answer {
        Err(error) if matches!(error.kind, Kind::AlreadyExists { .. }) => Ok(Node::Exists),
        answer => answer.map_err(reason),
    }
}

fn found<T>(answer: Result<T, ApiError>) -> Result<Option<T>, Reason> {
    match answer {
        Err(error) if matches!(error.kind, Kind::NotFound { .. }) => Ok(None),
        answer => answer.map(Some).map_err(reason),
    }
}

async fn pool(client: &Client) -> Result<Outcome, Reason> {
    let map = found(client.config_map_get(NAMESPACE, POOL).await)?.ok_or(Reason::NoPool)?;
    Ranges::parse(&map.data).map(Outcome::Pool).map_err(|error| Reason::BadPool(error.to_string()))
}

async fn create_claim(client: &Client, record: &Record, identity: &Identity) -> Result<Outcome, Reason> {
    let map = NewConfigMap {
        namespace: NAMESPACE.to_owned(),
        name: claim_name(record.index.unwrap_or_default()),
        data: claim::data(record, identity),
        immutable: true,
        owner: Some(NodeOwner { name: identity.name.clone(), uid: record.node_uid.clone() }),
    };
    match client.config_map_create(&map).await {
        Ok(_) => Ok(Outcome::Claim(Claim::Mine)),
        Err(error) => match &error.kind {
            Kind::AlreadyExists { .. } => Ok(Outcome::Claim(Claim::Exists)),
            // The namespace is what is not there.
            Kind::NotFound { .. } => Err(Reason::NoPool),
            _ => Err(reason(error)),
        },
    }
}

async fn read_claim(client: &Client, record: &Record, identity: &Identity) -> Result<Outcome, Reason> {
    let name = claim_name(record.index.unwrap_or_default());
    let Some(map) = found(client.config_map_get(NAMESPACE, &name).await)? else {
        return Ok(Outcome::Claim(Claim::Absent));
    };
    let owners: Vec<&str> = map.meta.owner_references.iter().map(|owner| owner.uid.as_str()).collect();
    Ok(Outcome::Claim(claim::judge(record, identity, &owners, &map.data)))
}

async fn list_claims(client: &Client, node_uid: &str) -> Result<Outcome, Reason> {
    let metas = client.config_map_metas(NAMESPACE).await.map_err(reason)?;
    let objects = metas.iter().map(|meta| {
        let owners = meta.owner_references.iter().map(|owner| owner.uid.as_str()).collect();
        (meta.name.as_str(), owners)
    });
    Ok(Outcome::Listing(Listing::of(objects, node_uid)))
}

async fn publish(client: &Client, name: &str, patch: &serde_json::Value) -> Result<Outcome, Reason> {
    match client.node_patch(name, patch).await {
        Ok(_) => Ok(Outcome::Published),
        Err(error) => match &error.kind {
            Kind::Invalid { message, .. } => Ok(Outcome::Refused(message.clone())),
            Kind::NotFound { .. } => Ok(Outcome::Node(Node::Absent)),
            _ => Err(reason(error)),
        },
    }
}
