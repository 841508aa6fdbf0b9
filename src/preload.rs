// SPDX-License-Identifier: Apache-2.0
//! Preload: the container images that an image of a node carries, as bake writes the list and first boot reads it.

use serde::{Deserialize, Serialize};

/// Where the archives lie in an image.
pub const FOLDER: &str = "/opt/kiln/images";
/// The list of them, JSON; no file where there are none.
pub const INDEX: &str = "/opt/kiln/images/index.json";

/// The version of the list that is written.
pub const VERSION: u32 = 1;

/// The list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preload {
    /// [`VERSION`]; another is not read.
    pub version: u32,
    /// The archives, in the order of the manifest.
    pub images: Vec<Preloaded>,
}

/// One archive, which holds one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preloaded {
    /// The archive's path.
    pub archive: String,
    /// Whole names that the image gets, at least one.
    pub names: Vec<String>,
    /// Digest of the image's manifest, `sha256:...`, as runtimes show it.
    pub digest: String,
}

impl Preload {
    /// Returns the list as JSON; the same list gives the same bytes.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("texts and a number") + "\n"
    }
}
