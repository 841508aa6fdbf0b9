// SPDX-License-Identifier: Apache-2.0
//! Where an input comes from, and the processor that it must be for.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// A processor architecture.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// x86-64.
    Amd64,
    /// AArch64.
    Arm64,
}

impl Arch {
    /// Returns the name that Go, Kubernetes and Debian use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

/// Where an input comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A project's own release server, in the layout of kiln's table.
    Release(Release),
    /// One file at an address.
    Url {
        /// `https://...`
        url: String,
        /// Known beforehand, or pinned on first use.
        sha256: Option<Digest>,
        /// Address of a detached OpenPGP signature.
        signature: Option<String>,
    },
    /// A file on this machine.
    File {
        /// Its path.
        path: PathBuf,
        /// Known beforehand, or pinned on first use.
        sha256: Option<Digest>,
    },
    /// The program that belongs to the running kiln (kiln-firstboot).
    Itself,
    /// A folder with an executable `build` that kiln runs; bases only.
    Recipe {
        /// The folder.
        folder: PathBuf,
    },
    /// Programs built here from pinned Go modules.
    Go(Go),
}

/// A project's release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The project's name in kiln's table: "kubernetes", "flatcar", "flannel", ...
    pub project: String,
    /// The version, or for Flatcar also "current".
    pub version: String,
    /// Flatcar: the channel.
    pub channel: Option<String>,
    /// Address to use instead of the project's own, up to where the layouts agree.
    pub mirror: Option<String>,
}

/// How to build programs from Go modules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Go {
    /// Holds go.mod and go.sum.
    pub folder: PathBuf,
    /// Import paths; each gives one program, named as `go build` names it.
    pub packages: Vec<String>,
    /// Whether the C compiler takes part.
    pub cgo: bool,
    /// Build tags.
    pub tags: Vec<String>,
    /// Linker flags, as one string to `-ldflags`.
    pub ldflags: String,
}
