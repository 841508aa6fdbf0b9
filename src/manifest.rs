// SPDX-License-Identifier: Apache-2.0
//! Manifest: what a person wants baked, as it is meant: validated, defaults filled in, nothing optional that must exist.
//!
//! What a person types is another set of types (`raw`), so that every problem can be told with its place. The way from
//! one to the other: `marks` (a tree with places), `shape` (against the schema of the raw types), `validate` (meaning).
//! Nothing here reads a file; relative paths are relative to the manifest's folder.

pub mod flavour;
mod known;
mod raw;
pub(crate) mod schema;
pub mod size;
mod skew;
pub(crate) mod template;
mod validate;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::lock::TrustLevel;
use crate::marks::at::At;
use crate::marks::report::Report;
use crate::marks::{self, Place, shape};
use crate::problem::Problems;

pub(crate) use raw::Settings as SettingsLayer;
pub use schema::schema;

/// Reads a file that a manifest names (a unit, a template), or says in words why it can't. The path is the one in the
/// manifest; the caller knows the manifest's folder.
pub type Read<'a> = &'a dyn Fn(&Path) -> Result<Vec<u8>, String>;

/// Returns the manifest that `text` means; `file` is its name for messages.
///
/// # Errors
/// Everything that is wrong with it and with the templates it names, each with its place.
pub fn parse(file: &Path, text: &str, read: Read<'_>) -> Result<Manifest, Problems> {
    let mut report = Report::new(file);
    let (tree, faults) = marks::parse(text, 0);
    for fault in faults {
        report.add(fault.place, &fault.key, fault.what, fault.fix);
    }
    let Some(tree) = tree else { return Err(empty(report)) };
    let tree = validate::settings::prepared(tree, &mut report);
    let Some(fitting) = shape::check(&At::root(&tree), &schema(), &mut report) else {
        return Err(report.into_problems());
    };
    report.end_of_shapes();
    let manifest = match serde_yaml::from_value(fitting.value()) {
        Ok(raw) => validate::manifest(raw, &At::root(&fitting), &mut report, read),
        // The schema is made from the types, so a tree that fits it is one of them.
        Err(error) => {
            report.wrong(&At::root(&tree), error.to_string(), None);
            None
        }
    };
    manifest.filter(|_| report.is_clean()).ok_or_else(|| report.into_problems())
}

/// Without a tree and without a fault the text was empty.
fn empty(mut report: Report) -> Problems {
    if report.is_clean() {
        let start = Place { text: 0, line: 1, column: 1 };
        report.add(start, "", "the file is empty".to_owned(), Some("start from image/kiln.yaml".to_owned()));
    }
    report.into_problems()
}

/// A whole, valid manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Names the outputs: NAME.raw, NAME.qcow2.
    pub name: String,
    /// What every program in the image must be built for.
    pub arch: Arch,
    /// The vendor's image.
    pub base: Base,
    /// What goes in, in the order of the file.
    pub components: Vec<Component>,
    /// Container images that nodes have from the start, in the order of the file.
    pub images: Vec<Image>,
    /// The address ranges of the cluster that the image is for.
    pub cluster: Cluster,
    /// A layer of settings to bake in, beside what the rest of the manifest says of the cluster.
    pub settings: serde_yaml::Mapping,
    /// Objects for a new cluster.
    pub addons: Vec<Addon>,
    /// Units to add; those of `units/` in the folder of the manifest and those that kiln brings are named here too.
    pub units: Vec<Unit>,
    /// Further files.
    pub files: Vec<ExtraFile>,
    /// Kernel modules to load at boot.
    pub modules: Vec<String>,
    /// Kernel settings, `net.ipv4.ip_forward` style.
    pub sysctls: BTreeMap<String, String>,
    /// Fingerprints (40 upper-case hex digits) of signing keys to trust besides the vendor's.
    pub keys: Vec<String>,
    /// Pack the components as one squashfs system extension instead of plain files.
    pub sysext: bool,
    /// What to write.
    pub outputs: Outputs,
}

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

/// The ranges of the cluster, and how the pod range is cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Version of its API servers, "v1.36.3".
    pub kubernetes: Option<String>,
    /// Pod ranges, at most one of each family.
    pub pods: Vec<IpNet>,
    /// Service ranges, at most one of each family.
    pub services: Vec<IpNet>,
    /// Ranges of the hosts' own addresses.
    pub hosts: Vec<IpNet>,
    /// Prefix length of one node's block of the IPv4 pod range.
    pub block_prefix: Option<u8>,
    /// Prefix length of one node's block of the IPv6 pod range.
    pub block_prefix_v6: Option<u8>,
    /// The most nodes there will be.
    pub nodes_max: u32,
    /// How many nodes more there may be while nodes are replaced.
    pub surge: u32,
    /// The most pods on a node.
    pub pods_max: u32,
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

/// What `kiln bake` writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outputs {
    /// Formats, without repetition.
    pub formats: Vec<Format>,
    /// Size of the disk in bytes; none: the base's.
    pub size: Option<u64>,
}

/// A format of disk image files.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The disk's bytes, with holes.
    Raw,
    /// QEMU's, version 3, with zstd clusters.
    Qcow2,
}

impl Format {
    /// Returns its name, which is also the suffix of its files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }
}
