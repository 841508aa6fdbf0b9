// SPDX-License-Identifier: Apache-2.0
//! Where base and components come from, as typed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::lock::TrustLevel;

/// The vendor's image.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "required": ["flatcar"] }, { "required": ["file"] }, { "required": ["url"] }, { "required": ["recipe"] },
]))]
pub struct Base {
    /// A release of Flatcar Container Linux, from its release server.
    pub flatcar: Option<Flatcar>,
    /// A disk image on this machine (raw or qcow2, also as .bz2, .gz, .zst); relative to the manifest's folder.
    pub file: Option<String>,
    /// A disk image at an https address.
    pub url: Option<String>,
    /// A folder with an executable 'build' that makes the image; kiln runs it and pins the result.
    pub recipe: Option<String>,
    /// The sha256 of the file, if it is known beforehand; otherwise it is pinned on first use.
    #[schemars(extend("pattern" = "^[0-9a-f]{64}$"))]
    pub sha256: Option<String>,
    /// Address of a detached OpenPGP signature of the url.
    pub signature: Option<String>,
    /// The platform the image was built for. Default: generic, which has no platform id and never reads a cloud's
    /// user-data.
    pub flavour: Option<String>,
    /// The least trust that will do; anything weaker is an error.
    pub require: Option<TrustLevel>,
}

/// A release of Flatcar Container Linux.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flatcar {
    /// alpha, beta, stable or lts.
    pub channel: String,
    /// The version ('4593.2.5'), or 'current', which the lock pins.
    pub version: String,
    /// The board: amd64-usr or arm64-usr. Default: that of 'arch'.
    pub board: Option<String>,
    /// Address to use instead of the channel's own server, up to and without the board.
    pub mirror: Option<String>,
}

/// Something that is pinned, fetched or built, and installed. Without 'release', 'go', 'url', 'file' or 'self' it is
/// its own project's release.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [
    { "required": ["release"] }, { "required": ["go"] }, { "required": ["url"] }, { "required": ["file"] },
    { "required": ["self"] },
    { "not": { "anyOf": [
        { "required": ["release"] }, { "required": ["go"] }, { "required": ["url"] }, { "required": ["file"] },
        { "required": ["self"] },
    ] } },
]))]
pub struct Component {
    /// Upstream's version, with its 'v'. Parts of Kubernetes take it from 'cluster.kubernetes' if it is left out.
    pub version: Option<String>,
    /// Settings of the project's own release server.
    pub release: Option<Release>,
    /// Build it here from pinned Go modules.
    pub go: Option<Go>,
    /// One file or archive at an https address.
    pub url: Option<String>,
    /// One file or archive on this machine; relative to the manifest's folder.
    pub file: Option<String>,
    /// true: the program that belongs to the running kiln (kiln-firstboot only).
    #[serde(rename = "self")]
    #[schemars(extend("const" = true))]
    pub itself: Option<bool>,
    /// The sha256 of the url or file, if it is known beforehand; otherwise it is pinned on first use.
    #[schemars(extend("pattern" = "^[0-9a-f]{64}$"))]
    pub sha256: Option<String>,
    /// Address of a detached OpenPGP signature of the url.
    pub signature: Option<String>,
    /// The least trust that will do; anything weaker is an error.
    pub require: Option<TrustLevel>,
    /// Which member goes where: path inside the archive (or name of the built program, or '*' for every file) to
    /// absolute path in the image, which ends with '/' to keep the member's name. Only for names that kiln does not know,
    /// or to place them elsewhere.
    #[serde(default)]
    pub install: BTreeMap<String, String>,
}

/// A project's own release server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Address to use instead of the project's own, up to where the layouts agree.
    pub mirror: Option<String>,
}

/// Programs built from pinned Go modules, without network and with -trimpath and -mod=readonly.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Go {
    /// A folder with go.mod and go.sum; relative to the manifest's folder.
    pub folder: String,
    /// Import paths of the programs.
    #[schemars(extend("minItems" = 1))]
    pub packages: Vec<String>,
    /// Whether the C compiler takes part. Default: false.
    #[serde(default)]
    pub cgo: bool,
    /// Build tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Linker flags, as one string to -ldflags.
    #[serde(default)]
    pub ldflags: String,
}
