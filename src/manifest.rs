// SPDX-License-Identifier: Apache-2.0
//! Manifest: what a person wants baked, as it is meant: validated, defaults filled in, nothing optional that must exist.
//!
//! What a person types is another set of types (`raw`), so that every problem can be told with its place. The way from
//! one to the other: `marks` (a tree with places), `shape` (against the schema of the raw types), `validate` (meaning).
//! Nothing here reads a file; relative paths are relative to the manifest's folder.

pub mod flavour;
pub mod input;
pub mod known;
mod output;
mod part;
mod raw;
pub(crate) mod schema;
pub mod size;
mod skew;
pub(crate) mod template;
mod validate;

use std::collections::BTreeMap;
use std::path::Path;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::marks::at::At;
use crate::marks::index::Index;
use crate::marks::report::Report;
use crate::marks::{self, Place, shape};
use crate::problem::{Problem, Problems};

pub use input::{Arch, Go, Release, Source};
pub use output::{Format, Outputs};
pub use part::{Addon, Base, Component, ExtraContent, ExtraFile, Image, ImageContent, Install, Text, Unit};
pub(crate) use raw::Settings as SettingsLayer;
pub use schema::schema;

/// The files that a manifest names. Paths are those in the manifest; who implements this knows its folder.
pub trait Files {
    /// Reads a text (a unit, a template).
    ///
    /// # Errors
    /// In words.
    fn read(&self, path: &Path) -> Result<Vec<u8>, String>;

    /// Finds what is read later: a file, or a folder where a source is one.
    ///
    /// # Errors
    /// In words.
    fn find(&self, path: &Path, is_folder: bool) -> Result<(), String>;
}

/// What only reads believes that the rest is there.
impl<F: Fn(&Path) -> Result<Vec<u8>, String>> Files for F {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        self(path)
    }

    fn find(&self, _: &Path, _: bool) -> Result<(), String> {
        Ok(())
    }
}

/// What a text means, and what is odd about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// What it means.
    pub manifest: Manifest,
    /// What works and may not be what was meant, in the order of the text.
    pub warnings: Vec<Problem>,
    /// Where what it names stands, for what is found wrong later.
    pub places: Index,
}

/// Returns the manifest that `text` means; `file` is its name for messages.
///
/// # Errors
/// Everything that is wrong with it and with the templates it names, each with its place.
pub fn parse(file: &Path, text: &str, files: &dyn Files) -> Result<Parsed, Problems> {
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
    let places = Index::of(&fitting);
    let manifest = match serde_yaml::from_value(fitting.value()) {
        Ok(raw) => validate::manifest(raw, &At::root(&fitting), &mut report, files),
        // The schema is made from the types, so a tree that fits it is one of them.
        Err(error) => {
            report.wrong(&At::root(&tree), error.to_string(), None);
            None
        }
    };
    report.look_for(&|path, is_folder| files.find(path, is_folder));
    match manifest {
        Some(manifest) if report.is_clean() => Ok(Parsed { manifest, warnings: report.warnings(), places }),
        _ => Err(report.into_problems()),
    }
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
    /// Fingerprints in upper-case hex digits: of signing keys to trust besides the vendor's (OpenPGP, 40), of root
    /// certificates besides Sigstore's (SHA-256, 64).
    pub keys: Vec<String>,
    /// Pack the components as one squashfs system extension instead of plain files.
    pub sysext: bool,
    /// What to write.
    pub outputs: Outputs,
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
