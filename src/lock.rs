// SPDX-License-Identifier: Apache-2.0
//! Lock: every input of a manifest pinned to size and digest, and how far each is trusted. Written by kiln, read by people.
//!
//! Beside `STEM.yaml` lies `STEM.lock`. This module holds the values and compares them; it fetches nothing.

mod fit;
mod text;
mod want;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

pub use fit::{Misfit, misfits};
pub use text::{LOCK_MAX_BYTES, parse, render};
pub use want::{BASE, Input, inputs};

/// Version of the format that this kiln writes.
pub const VERSION: u32 = 1;

/// The lock file of one manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Version of this format: 1.
    pub version: u32,
    /// By input name: "base" or the component's.
    pub inputs: BTreeMap<String, Locked>,
}

/// One pinned input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// What the manifest asked for, in one line; a lock whose `want` differs does not fit its manifest.
    pub want: String,
    /// The version that was found, where the manifest left it open or the source names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where it was fetched from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The files of the input: the download itself, or what was built, by name.
    pub files: BTreeMap<String, LockedFile>,
    /// How far it is trusted.
    pub trust: Trust,
}

/// One pinned file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedFile {
    /// Size in bytes.
    pub size: u64,
    /// Its digest: its name in the cache.
    pub sha256: Digest,
}

/// How far an input is trusted, and the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "level", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Trust {
    /// A good OpenPGP signature by a key that is compiled in or named in the manifest.
    Signed {
        /// Primary fingerprint.
        key: String,
        /// Fingerprint of the (sub)key that signed.
        signer: String,
        /// Time of the signature, seconds since 1970.
        signed_at_s: u64,
        /// Whether the key is named in the manifest instead of compiled in.
        by_manifest: bool,
    },
    /// A keyless signature was checked (see [`crate::sigstore`]).
    Attested {
        /// By whom: a mail address.
        by: String,
        /// Address of the server that knows them.
        known_to: String,
        /// SHA-256 of the root certificate.
        root: String,
        /// When the key was certified, seconds since 1970.
        certified_at_s: u64,
        /// Whether the root is named in the manifest instead of compiled in.
        by_manifest: bool,
    },
    /// Built here from pinned source.
    Built {
        /// What shaped the result: toolchain, module sums, package list, one `name value` each.
        from: BTreeMap<String, String>,
    },
    /// The server that gave the file also gave its digest.
    SameOrigin {
        /// Address of the digest.
        url: String,
    },
    /// The manifest names the digest.
    Given,
    /// Seen for the first time when it was locked.
    FirstUse,
}

/// How far an input is trusted, weakest first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum TrustLevel {
    /// Pinned on first use.
    FirstUse,
    /// Same-origin hash.
    SameOrigin,
    /// The manifest names the digest.
    Given,
    /// Built here from pinned source.
    Built,
    /// Attested.
    Attested,
    /// Signed by a known key.
    Signed,
}

impl std::fmt::Display for TrustLevel {
    /// Writes it as in a manifest: `same-origin`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::FirstUse => "first-use",
            Self::SameOrigin => "same-origin",
            Self::Given => "given",
            Self::Built => "built",
            Self::Attested => "attested",
            Self::Signed => "signed",
        })
    }
}

impl Trust {
    /// Returns how strong the trust is.
    pub fn level(&self) -> TrustLevel {
        match self {
            Self::Signed { .. } => TrustLevel::Signed,
            Self::Attested { .. } => TrustLevel::Attested,
            Self::Built { .. } => TrustLevel::Built,
            Self::SameOrigin { .. } => TrustLevel::SameOrigin,
            Self::Given => TrustLevel::Given,
            Self::FirstUse => TrustLevel::FirstUse,
        }
    }
}
