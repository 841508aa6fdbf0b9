// SPDX-License-Identifier: Apache-2.0
//! The manifest as an image carries it: what it means, not how it was written. Defaults are filled in, templates rendered
//! and local files named by digest, so that with the lock (in [`super::provenance`]) it says all that shapes the image.
//!
//! The formats of the outputs are left out: the disk is the same whatever files hold it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::lock::Lock;
use crate::manifest::Manifest;
use crate::tree::Content;

/// Where the manifest lies in an image.
pub const MANIFEST_PATH: &str = "/opt/kiln/manifest.json";

/// It repeats the texts of files that may be root's alone, so it is root's alone as well.
pub const MANIFEST_MODE: u16 = 0o600;

/// Version of the format that this kiln writes.
pub const VERSION: u32 = 1;

/// What was asked for, and every file of the person's own that it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carried {
    /// Version of this format: 1.
    pub version: u32,
    /// The manifest, without formats.
    pub manifest: Manifest,
    /// The files that `files` names, by the path that stands there.
    pub local_files: BTreeMap<PathBuf, Digest>,
}

/// What shapes an image; its JSON is what the plan's digest is over.
#[derive(Serialize)]
struct Shape<'a> {
    kiln: &'a str,
    manifest: &'a Manifest,
    lock: &'a Lock,
    local_files: &'a BTreeMap<PathBuf, Digest>,
}

impl Carried {
    /// Takes a manifest and what its local files hold.
    pub fn of(manifest: &Manifest, local_files: &BTreeMap<PathBuf, Content>) -> Self {
        let mut manifest = manifest.clone();
        manifest.outputs.formats.clear();
        let digest = |(path, content): (&PathBuf, &Content)| (path.clone(), content.digest());
        Self { version: VERSION, manifest, local_files: local_files.iter().map(digest).collect() }
    }

    /// Returns the digest of the plan that kiln of version `kiln` makes of it and `lock`.
    pub fn plan(&self, lock: &Lock, kiln: &str) -> Digest {
        let Self { manifest, local_files, .. } = self;
        let shape = Shape { kiln, manifest, lock, local_files };
        Digest::of(&serde_json::to_vec(&shape).expect("a shape is always JSON"))
    }

    /// Renders it as JSON; the same manifest gives the same bytes.
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("a manifest is always JSON");
        json.push('\n');
        json
    }
}
