// SPDX-License-Identifier: Apache-2.0
//! The JSON texts of an image, as far as kiln reads and writes them (image-spec 1.1: descriptor.md, manifest.md,
//! image-index.md, config.md).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Blob;
use crate::digest::Digest;

pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// Docker's own words for the same, which archives of registries' older images still have.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// The whole name, which containerd imports by.
pub const NAME: &str = "io.containerd.image.name";
/// The tag alone, as `ctr images export` and `docker save` write it (annotations.md).
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    pub media_type: String,
    /// `sha256:...`.
    pub digest: String,
    pub size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    pub architecture: String,
    pub os: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    pub schema_version: u32,
    #[serde(default)]
    pub media_type: String,
    pub manifests: Vec<Descriptor>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub schema_version: u32,
    #[serde(default)]
    pub media_type: String,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

/// What kiln writes of a configuration.
#[derive(Debug, Serialize)]
pub struct Config<'a> {
    pub created: &'a str,
    pub architecture: &'a str,
    pub os: &'a str,
    pub config: Run<'a>,
    pub rootfs: RootFs,
    pub history: [History<'a>; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Run<'a> {
    pub user: &'a str,
    pub entrypoint: [String; 1],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub cmd: &'a [String],
    pub working_dir: &'a str,
}

#[derive(Debug, Serialize)]
pub struct RootFs {
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub diff_ids: [String; 1],
}

#[derive(Debug, Serialize)]
pub struct History<'a> {
    pub created: &'a str,
    pub created_by: &'a str,
}

/// An entry of Docker's manifest.json.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DockerEntry {
    pub config: String,
    pub repo_tags: Vec<String>,
    pub layers: Vec<String>,
}

impl Descriptor {
    pub fn of(media_type: &str, blob: Blob) -> Self {
        let (media_type, digest) = (media_type.to_owned(), spelled(&blob.digest));
        Self { media_type, digest, size: blob.size, annotations: BTreeMap::new(), platform: None }
    }

    /// Returns what it points to, unless that has a digest of another kind.
    pub fn blob(&self) -> Option<Blob> {
        let digest = self.digest.strip_prefix("sha256:")?.parse().ok()?;
        Some(Blob { digest, size: self.size })
    }
}

/// Returns a digest as these texts have it.
pub fn spelled(digest: &Digest) -> String {
    format!("sha256:{digest}")
}

/// Returns where a blob lies in a layout (image-layout.md).
pub fn path(digest: &Digest) -> String {
    format!("blobs/sha256/{digest}")
}

/// Returns a value as compact JSON, keys in the order of its fields.
pub fn text(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("structures of texts and numbers")
}
