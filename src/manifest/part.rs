// SPDX-License-Identifier: Apache-2.0
//! What goes into an image: base, components, container images, units, files.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::input::Source;
use crate::lock::TrustLevel;

/// The image that everything is written into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Where it comes from.
    pub source: Source,
    /// Which platform it was built for: "generic" (no platform id; never reads a cloud's user-data), "ami", "qemu_uefi", ...
    pub flavour: String,
    /// The least trust that will do.
    pub require: Option<TrustLevel>,
}

/// Something that is pinned, fetched or built, and installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// Unique; a name that kiln knows ("kubelet") implies where its files go.
    pub name: String,
    /// Upstream's version with its `v`, where the source has one.
    pub version: Option<String>,
    /// Where it comes from.
    pub source: Source,
    /// The least trust that will do.
    pub require: Option<TrustLevel>,
    /// Which member goes where; a single file's member is its own name.
    pub install: Vec<Install>,
}

/// Where one file of a component goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Install {
    /// Path inside the archive, name of the built program, or `*` for every regular file.
    pub member: String,
    /// Absolute path in the image; ends with `/` to keep the member's file name.
    pub path: String,
    /// Permission bits.
    pub mode: u16,
}

/// A container image that nodes have from the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Unique among images and components; names its archive, /opt/kiln/images/NAME.tar.
    pub name: String,
    /// Upstream's version with its `v`, where the source has one.
    pub version: Option<String>,
    /// Where archive or program come from.
    pub source: Source,
    /// The least trust that will do.
    pub require: Option<TrustLevel>,
    /// The name that pods use, `kiln.local/pause:1`; none: the archive's own.
    pub reference: Option<String>,
    /// What the source holds.
    pub content: ImageContent,
    /// Whether pods' sandboxes are containers of it.
    pub is_sandbox: bool,
}

/// What the source of a container image holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageContent {
    /// An OCI archive.
    Archive,
    /// A static program, which alone the image is made of.
    Program {
        /// Path inside the source's archive, or the program's name.
        member: String,
        /// What it is started with.
        arguments: Vec<String>,
    },
}

/// Objects that the control plane applies to a new cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addon {
    /// Its name; it becomes a file, [`crate::addon::FOLDER`]/NAME.yaml.
    pub name: String,
    /// YAML documents; the words of [`crate::addon`] still stand in them.
    pub text: Text,
}

/// A systemd unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// `kubelet.service`.
    pub name: String,
    /// The text.
    pub text: Text,
    /// Whether it is started at boot, by the links that its `[Install]` section asks for.
    pub is_enabled: bool,
}

/// A further file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraFile {
    /// Absolute path in the image.
    pub path: String,
    /// What it holds.
    pub content: ExtraContent,
    /// Permission bits.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// What a further file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExtraContent {
    /// A rendered text.
    Text(Text),
    /// A file of any size and kind on this machine.
    File(PathBuf),
    /// A symbolic link.
    Link(String),
    /// A folder.
    Folder,
}

/// A text that goes into the image; templates are rendered already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// The text.
    pub text: String,
    /// The file it came from, for messages; none if it stood in the manifest.
    pub from: Option<PathBuf>,
}
