// SPDX-License-Identifier: Apache-2.0
//! Provenance: an image's own account of itself, baked into it at a fixed path.
//!
//! Says what was asked for (the plan's digest), what was pinned (the whole lock) and what is there (each file with digest
//! and origin). It can't list itself, and holds no time and nothing of the machine that baked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::origin::Origin;
use crate::digest::Digest;
use crate::lock::Lock;
use crate::tree::{Content, Kind, Tree, TreePath};

/// Where the account lies in an image. Below /opt, as all that kiln adds and the vendor never touches.
pub const IMAGE_PATH: &str = "/opt/kiln/image.json";

/// Where the bill of materials (CycloneDX) lies.
pub const SBOM_PATH: &str = "/opt/kiln/sbom.cdx.json";

/// Version of the format that this kiln writes.
pub const VERSION: u32 = 1;

/// The account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Version of this format: 1.
    pub version: u32,
    /// The image's name.
    pub name: String,
    /// Version of the kiln that planned it.
    pub kiln: String,
    /// Digest of lock, manifest and every local file.
    pub plan: Digest,
    /// What every input was pinned to.
    pub lock: Lock,
    /// Every file and link but this one, in the order of their paths.
    pub files: Vec<File>,
}

/// A file or symbolic link of the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Where it is.
    pub path: String,
    /// The system extension that brings it; none: it lies on ROOT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<String>,
    /// What it is.
    #[serde(flatten)]
    pub what: What,
    /// Permission bits, in octal.
    pub mode: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// What a [`File`] is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", untagged)]
pub enum What {
    /// A regular file.
    Regular {
        /// Size in bytes.
        size: u64,
        /// Digest of its bytes.
        sha256: Digest,
    },
    /// A symbolic link.
    Link {
        /// What it points to.
        target: String,
    },
}

impl Image {
    /// Adds the files and links of `tree`, which lies on ROOT or in the extension `inside`.
    pub fn list(&mut self, tree: &Tree, origins: &BTreeMap<TreePath, Origin>, inside: Option<String>) {
        let files = tree.paths().filter_map(|(path, id)| {
            let node = tree.node(id);
            let what = What::of(&node.kind)?;
            // What has no origin of its own was made by kiln to hold others.
            let origin = origins.get(path).cloned().unwrap_or(Origin::Kiln);
            let mode = format!("{:04o}", node.mode);
            Some(File { path: path.to_string(), inside: inside.clone(), what, mode, origin })
        });
        self.files.extend(files);
    }

    /// Renders the account as JSON; the same account gives the same bytes.
    pub fn to_json(&self) -> String {
        let mut json = serde_json::to_string_pretty(self).expect("an account holds nothing that JSON can't");
        json.push('\n');
        json
    }
}

impl What {
    fn of(kind: &Kind) -> Option<Self> {
        match kind {
            Kind::Folder => None,
            Kind::File(Content::Inline(bytes)) => {
                Some(Self::Regular { size: bytes.len() as u64, sha256: Digest::of(bytes) })
            }
            Kind::File(Content::Blob { digest, size, .. }) => {
                Some(Self::Regular { size: *size, sha256: *digest })
            }
            Kind::Symlink(target) => {
                Some(Self::Link { target: String::from_utf8_lossy(target).into_owned() })
            }
        }
    }
}
