// SPDX-License-Identifier: Apache-2.0
//! What lies beside the image files: which plan they come from, what they hold, how far each input is trusted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::blocks::BlockList;
use crate::digest::Digest;
use crate::lock::{Lock, Locked, Trust, TrustLevel};

/// NAME.json: one for all formats, since they hold the same disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// Version of this format: 1.
    pub version: u32,
    /// Version of the kiln that baked.
    pub kiln: String,
    /// Digest of everything that was decided beforehand.
    pub plan: Digest,
    /// Digest of the disk: see [`BlockList::digest`].
    pub image: Digest,
    /// Size of the disk in bytes.
    pub size: u64,
    /// By input name, "base" first of all.
    pub inputs: BTreeMap<String, Input>,
    /// The digests behind `image`.
    pub blocks: BlockList,
}

/// One input as a person wants to see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The version, where the source has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How far it is trusted.
    pub trust: TrustLevel,
    /// The evidence in a few words: a key, an address, a toolchain.
    pub because: String,
}

impl Input {
    /// Returns what a lock says of one input.
    pub fn of(locked: &Locked) -> Self {
        Self {
            version: locked.version.clone(),
            trust: locked.trust.level(),
            because: evidence(&locked.trust),
        }
    }
}

/// Returns what a lock says of all inputs.
pub fn inputs(lock: &Lock) -> BTreeMap<String, Input> {
    lock.inputs.iter().map(|(name, locked)| (name.clone(), Input::of(locked))).collect()
}

fn evidence(trust: &Trust) -> String {
    match trust {
        Trust::Signed { key, by_manifest: false, .. } => format!("signed by {key}, the vendor's key"),
        Trust::Signed { key, by_manifest: true, .. } => {
            format!("signed by {key}, a key that the manifest names")
        }
        Trust::Attested { by, by_manifest: false, .. } => format!("signed by {by}, as Sigstore certifies"),
        Trust::Attested { by, by_manifest: true, .. } => {
            format!("signed by {by}, as an authority certifies that the manifest names")
        }
        Trust::Built { from } => {
            let facts: Vec<String> =
                ["go", "cc", "libc"].iter().filter_map(|fact| from.get(*fact).cloned()).collect();
            let how = if facts.is_empty() { String::new() } else { format!(" with {}", facts.join(", ")) };
            format!("built here from pinned source{how}")
        }
        Trust::SameOrigin { url } => format!("hash from the same origin: {url}"),
        Trust::Given => "hash in the manifest".to_owned(),
        Trust::FirstUse => "pinned on first use; nobody vouches for it".to_owned(),
    }
}
