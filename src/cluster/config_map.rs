// SPDX-License-Identifier: Apache-2.0
//! ConfigMaps: the pool and the claims on its blocks are made of them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;

use super::Client;
use super::error::ApiError;
use super::meta::{Meta, or_default};
use super::request::Request;

/// An object's metadata alone, for each object of a list (Kubernetes API concepts, "Metadata-only fetches").
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// A ConfigMap to create.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewConfigMap {
    /// Where.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// Its data.
    pub data: BTreeMap<String, String>,
    /// Whether its data can never change.
    pub immutable: bool,
    /// The Node that it goes with.
    pub owner: Option<NodeOwner>,
}

/// A Node as the owner of an object: the object is collected once the Node is gone, and does not hold the Node up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeOwner {
    /// The Node's name.
    pub name: String,
    /// The Node's UID.
    pub uid: String,
}

/// A ConfigMap as the server has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigMap {
    /// Name, UID, owners.
    pub meta: Meta,
    /// Its data.
    pub data: BTreeMap<String, String>,
    /// Whether its data can never change.
    pub immutable: bool,
}

#[derive(Debug, Deserialize)]
struct Wire {
    metadata: Meta,
    #[serde(default, deserialize_with = "or_default")]
    data: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "or_default")]
    immutable: bool,
}

/// An object of which only the metadata came.
#[derive(Debug, Deserialize)]
struct MetaOnly {
    metadata: Meta,
}

impl From<Wire> for ConfigMap {
    fn from(Wire { metadata, data, immutable }: Wire) -> Self {
        Self { meta: metadata, data, immutable }
    }
}

impl From<MetaOnly> for Meta {
    fn from(MetaOnly { metadata }: MetaOnly) -> Self {
        metadata
    }
}

fn path(namespace: &str) -> [&str; 5] {
    ["api", "v1", "namespaces", namespace, "configmaps"]
}

impl Client {
    /// Creates a ConfigMap, or fails because there is one: two clients never both succeed.
    ///
    /// # Errors
    /// [`super::ApiErrorKind::AlreadyExists`] where the name is taken. Where [`ApiError::may_have_happened`], look or repeat.
    pub async fn config_map_create(&self, map: &NewConfigMap) -> Result<ConfigMap, ApiError> {
        let NewConfigMap { namespace, name, data, immutable, owner } = map;
        let owners: Vec<_> = owner.iter().map(NodeOwner::described).collect();
        let body = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": name, "namespace": namespace, "ownerReferences": owners },
            "immutable": immutable,
            "data": data,
        });
        self.read::<Wire, _>(Request::post(&path(namespace), &body)).await
    }

    /// Looks a ConfigMap up.
    ///
    /// # Errors
    /// [`super::ApiErrorKind::NotFound`] where there is none.
    pub async fn config_map_get(&self, namespace: &str, name: &str) -> Result<ConfigMap, ApiError> {
        self.read::<Wire, _>(Request::get(&path(namespace)).at(name)).await
    }

    /// Lists the ConfigMaps of a namespace, whole.
    ///
    /// # Errors
    /// As any request.
    pub async fn config_maps(&self, namespace: &str) -> Result<Vec<ConfigMap>, ApiError> {
        self.list::<Wire, _>(|| Request::get(&path(namespace))).await
    }

    /// Lists the ConfigMaps of a namespace, metadata only. The list is consistent: whatever was written before it was asked
    /// for is in it.
    ///
    /// # Errors
    /// As any request.
    pub async fn config_map_metas(&self, namespace: &str) -> Result<Vec<Meta>, ApiError> {
        self.list::<MetaOnly, _>(|| Request::get(&path(namespace)).accept(METADATA_ONLY)).await
    }
}

impl NodeOwner {
    fn described(&self) -> serde_json::Value {
        json!({
            "apiVersion": "v1",
            "kind": "Node",
            "name": self.name,
            "uid": self.uid,
            "controller": false,
            "blockOwnerDeletion": false,
        })
    }
}
