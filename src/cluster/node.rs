// SPDX-License-Identifier: Apache-2.0
//! Nodes: registered before kubelet comes, given their blocks, annotated, listed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Client;
use super::error::ApiError;
use super::meta::{Meta, or_default};
use super::request::{Patch, Request};

const PATH: [&str; 3] = ["api", "v1", "nodes"];

/// A Node to register.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewNode {
    /// The object's name, which the credential must be for.
    pub name: String,
    /// All of them: kubelet adds only its own to a Node that is there.
    pub labels: BTreeMap<String, String>,
    /// As above; a node can't change its taints later (NodeRestriction).
    pub taints: Vec<Taint>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// `spec.providerID`; can be set once.
    pub provider_id: Option<String>,
}

/// A taint.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Taint {
    /// `node.kubernetes.io/not-ready`.
    pub key: String,
    /// May be empty.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// A Node as the server has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Name, UID, labels, annotations.
    pub meta: Meta,
    /// `spec.podCIDRs`; once set they can't change.
    pub pod_cidrs: Vec<IpNet>,
    /// `spec.providerID`; empty where there is none.
    pub provider_id: String,
    /// Taints, those that admission added included.
    pub taints: Vec<Taint>,
    /// SMBIOS' UUID and the machine id that kubelet found, in lower case; empty before it has run.
    pub hardware_ids: Vec<String>,
    /// Its own addresses as kubelet reports them, names left out.
    pub addresses: Vec<IpAddr>,
    /// Whether kubelet says that it is Ready, and the control plane has not lost sight of it.
    pub is_ready: bool,
}

#[derive(Debug, Deserialize)]
struct Wire {
    metadata: Meta,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    #[serde(rename = "podCIDRs", deserialize_with = "or_default")]
    pod_cidrs: Vec<IpNet>,
    #[serde(rename = "providerID")]
    provider_id: String,
    #[serde(deserialize_with = "or_default")]
    taints: Vec<Taint>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    #[serde(deserialize_with = "or_default")]
    conditions: Vec<Condition>,
    #[serde(deserialize_with = "or_default")]
    addresses: Vec<Address>,
    #[serde(rename = "nodeInfo", deserialize_with = "or_default")]
    node_info: NodeInfo,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NodeInfo {
    #[serde(rename = "systemUUID")]
    system_uuid: String,
    #[serde(rename = "machineID")]
    machine_id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Address {
    r#type: String,
    address: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Condition {
    r#type: String,
    status: String,
}

impl From<Wire> for Node {
    fn from(Wire { metadata, spec, status }: Wire) -> Self {
        let Spec { pod_cidrs, provider_id, taints } = spec;
        let is_ready = status
            .conditions
            .iter()
            .any(|condition| condition.r#type == "Ready" && condition.status == "True");
        let NodeInfo { system_uuid, machine_id } = status.node_info;
        let ids = [system_uuid, machine_id].map(|id| id.to_ascii_lowercase()).into_iter();
        let hardware_ids = ids.filter(|id| !id.is_empty()).collect();
        // A name may look like an address.
        let addresses = status.addresses.iter().filter(|address| address.r#type.ends_with("IP"));
        let addresses = addresses.filter_map(|address| address.address.parse().ok()).collect();
        Self { meta: metadata, pod_cidrs, provider_id, taints, hardware_ids, addresses, is_ready }
    }
}

impl Client {
    /// Registers a Node.
    ///
    /// # Errors
    /// [`super::ApiErrorKind::AlreadyExists`] where one of this name is there: look whose it is.
    pub async fn node_create(&self, node: &NewNode) -> Result<Node, ApiError> {
        self.read::<Wire, _>(Request::post(&PATH, &described(node))).await
    }

    /// Looks a Node up.
    ///
    /// # Errors
    /// [`super::ApiErrorKind::NotFound`] where there is none.
    pub async fn node_get(&self, name: &str) -> Result<Node, ApiError> {
        self.read::<Wire, _>(Request::get(&PATH).at(name)).await
    }

    /// Gives the Node of this UID its blocks, the primary family first. Giving it the same ones again changes nothing.
    ///
    /// # Errors
    /// [`super::ApiErrorKind::Invalid`] where the Node has other blocks, and also where it is another one under the same
    /// name: a look at the Node tells which.
    pub async fn node_set_pod_cidrs(
        &self,
        name: &str,
        uid: &str,
        blocks: &[IpNet],
    ) -> Result<Node, ApiError> {
        let patch = json!([
            { "op": "test", "path": "/metadata/uid", "value": uid },
            { "op": "add", "path": "/spec/podCIDR", "value": blocks.first() },
            { "op": "add", "path": "/spec/podCIDRs", "value": blocks },
        ]);
        self.read::<Wire, _>(Request::patch(&PATH, Patch::Json, &patch).at(name)).await
    }

    /// Changes a Node by a JSON patch (RFC 6902), all of it or nothing.
    ///
    /// # Errors
    /// [`super::ApiErrorKind::Invalid`] where a test of the patch fails, or the Node may not become so.
    pub async fn node_patch(&self, name: &str, patch: &Value) -> Result<Node, ApiError> {
        self.read::<Wire, _>(Request::patch(&PATH, Patch::Json, patch).at(name)).await
    }

    /// Sets annotations, and removes those without a value; others stay. The UID keeps it from a Node that has taken the
    /// name since.
    ///
    /// # Errors
    /// [`super::ApiErrorKind::Invalid`] where the Node is another one: to the server its UID can't be changed.
    pub async fn node_annotate(
        &self,
        name: &str,
        uid: &str,
        annotations: &BTreeMap<String, Option<String>>,
    ) -> Result<Node, ApiError> {
        let patch = json!({ "metadata": { "uid": uid, "annotations": annotations } });
        self.read::<Wire, _>(Request::patch(&PATH, Patch::Merge, &patch).at(name)).await
    }

    /// Lists all Nodes.
    ///
    /// # Errors
    /// As any request.
    pub async fn nodes(&self) -> Result<Vec<Node>, ApiError> {
        self.list::<Wire, _>(|| Request::get(&PATH)).await
    }
}

fn described(NewNode { name, labels, taints, annotations, provider_id }: &NewNode) -> Value {
    let taints: Vec<Value> = taints
        .iter()
        .map(|Taint { key, value, effect }| json!({ "key": key, "value": value, "effect": effect }))
        .collect();
    let mut spec = json!({ "taints": taints });
    if let Some(id) = provider_id {
        spec["providerID"] = id.as_str().into();
    }
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": { "name": name, "labels": labels, "annotations": annotations },
        "spec": spec,
    })
}
