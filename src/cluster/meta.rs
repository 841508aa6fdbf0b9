// SPDX-License-Identifier: Apache-2.0
//! What all objects have: a name, an identity, a version, owners.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// An object's metadata, as far as kiln reads it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Meta {
    /// The name, unique within its kind and namespace.
    pub name: String,
    /// Empty for what has none.
    pub namespace: String,
    /// Tells an object from another that had its name before.
    pub uid: String,
    /// Changes with every write; an opaque text.
    pub resource_version: String,
    /// RFC 3339.
    pub creation_timestamp: String,
    /// When its deletion began; the object is there until its finalizers are gone. RFC 3339.
    pub deletion_timestamp: Option<String>,
    /// Labels.
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(deserialize_with = "or_default")]
    pub annotations: BTreeMap<String, String>,
    /// `ownerReferences`: the object is collected when all of them are gone.
    #[serde(deserialize_with = "or_default")]
    pub owner_references: Vec<Owner>,
    /// Who has to agree before it is gone.
    #[serde(deserialize_with = "or_default")]
    pub finalizers: Vec<String>,
}

/// One of `ownerReferences`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Owner {
    /// "v1".
    pub api_version: String,
    /// "Node".
    pub kind: String,
    /// The owner's name.
    pub name: String,
    /// The owner's UID, which alone says who it is.
    pub uid: String,
    /// Whether the owner is the managing controller.
    pub controller: bool,
    /// Whether the owner can't be deleted in the foreground before this object.
    pub block_owner_deletion: bool,
}

/// Reads `null`, which some servers write for an empty list or map, as empty.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}
