// SPDX-License-Identifier: Apache-2.0
//! What a person types of container images.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::source::{Component, Go, Release};
use crate::lock::TrustLevel;

/// A container image that nodes have from the start. 'file' and 'url' name an OCI archive, unless 'program' says that the
/// image is to be made here, of one static program. With 'go', or of a known project's release, it always is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "required": ["release"] }, { "required": ["go"] }, { "required": ["url"] }, { "required": ["file"] },
    { "not": { "anyOf": [
        { "required": ["release"] }, { "required": ["go"] }, { "required": ["url"] }, { "required": ["file"] },
    ] } },
]))]
pub struct Image {
    /// The name that pods use, with registry and tag: 'kiln.local/pause:1'. An archive of one image has a name of its own,
    /// which this one replaces; of several, this one is taken.
    pub name: Option<String>,
    /// The one static program that the image is made of: a member of the archive at 'url' or 'file', or that file itself.
    pub program: Option<String>,
    /// What the program is started with where a pod says nothing else.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// true: every pod's sandbox is a container of this image.
    #[serde(default)]
    pub sandbox: bool,
    /// Upstream's version, with its 'v'.
    pub version: Option<String>,
    /// Settings of the project's own release server.
    pub release: Option<Release>,
    /// Build the program here from pinned Go modules.
    pub go: Option<Go>,
    /// An OCI archive, a program, or an archive with a program, at an https address.
    pub url: Option<String>,
    /// The same on this machine; relative to the manifest's folder.
    pub file: Option<String>,
    /// The sha256 of the url or file, if it is known beforehand; otherwise it is pinned on first use.
    #[schemars(extend("pattern" = "^[0-9a-f]{64}$"))]
    pub sha256: Option<String>,
    /// Address of a detached OpenPGP signature of the url.
    pub signature: Option<String>,
    /// The least trust that will do; anything weaker is an error.
    pub require: Option<TrustLevel>,
}

/// What of an image is about the image, and not about where it comes from.
#[derive(Debug)]
pub struct ImageWords {
    pub name: Option<String>,
    pub program: Option<String>,
    pub arguments: Vec<String>,
    pub sandbox: bool,
}

impl Image {
    /// Returns what is about the image, and its origin, which is said in a component's words.
    pub fn apart(self) -> (ImageWords, Component) {
        let Self {
            name,
            program,
            arguments,
            sandbox,
            version,
            release,
            go,
            url,
            file,
            sha256,
            signature,
            require,
        } = self;
        let words = ImageWords { name, program, arguments, sandbox };
        let (itself, install) = (None, BTreeMap::new());
        (words, Component { version, release, go, url, file, itself, sha256, signature, require, install })
    }
}
