// SPDX-License-Identifier: Apache-2.0
//! Pods, as far as a node that goes away needs them: which there are, and that they are asked to leave.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Client;
use super::error::ApiError;
use super::meta::Meta;
use super::object::Object;
use super::request::Request;

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Name, namespace, UID, owners, annotations.
    pub meta: Meta,
    /// Whether it has ended, well or badly.
    pub is_over: bool,
}

#[derive(Debug, Deserialize)]
struct Wire {
    metadata: Meta,
    #[serde(default)]
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    phase: String,
}

impl From<Wire> for Pod {
    fn from(Wire { metadata, status }: Wire) -> Self {
        Self { meta: metadata, is_over: ["Succeeded", "Failed"].contains(&status.phase.as_str()) }
    }
}

impl Client {
    /// Lists the pods of all namespaces that a node has.
    ///
    /// # Errors
    /// As any request.
    pub async fn pods_on(&self, node: &str) -> Result<Vec<Pod>, ApiError> {
        let on = format!("spec.nodeName={node}");
        self.list::<Wire, _>(|| Request::get(&["api", "v1", "pods"]).query("fieldSelector", &on)).await
    }

    /// Asks a pod to leave, as its disruption budgets allow (kubernetes.io, "API-initiated Eviction"). It ends some time later.
    ///
    /// # Errors
    /// [`super::ApiErrorKind::TooManyRequests`] while a budget forbids it, [`super::ApiErrorKind::NotFound`] where it is gone.
    pub async fn pod_evict(&self, pod: &Meta) -> Result<(), ApiError> {
        let Meta { name, namespace, uid, .. } = pod;
        let body = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": { "name": name, "namespace": namespace },
            "deleteOptions": { "preconditions": { "uid": uid } },
        });
        let path = ["api", "v1", "namespaces", namespace, "pods", name, "eviction"];
        self.read::<Value, Object>(Request::post(&path, &body)).await.map(drop)
    }
}
