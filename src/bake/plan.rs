// SPDX-License-Identifier: Apache-2.0
//! The plan: everything decided, up to the last extent, and a digest that names it. Nothing is left to choose.
//!
//! The digest is over what shapes the image (manifest, lock, the person's files, kiln's version, the base's layout); the
//! filesystem's UUID and hash seed come from it, and nothing from time or chance.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use uuid::Uuid;

use super::BakeError;
use super::carried::Carried;
use super::check::facts::{BaseFacts, BlobFacts};
use super::check::{self, Findings, Subject};
use super::content::{self, ComponentFiles, Draft, ImageFile, Inputs, Planned};
use super::origin::Origin;
use super::wanted::Wanted;
use crate::base::{Base, ROOT_LABEL};
use crate::digest::Digest;
use crate::disk::Disk;
use crate::ext4;
use crate::lock::Lock;
use crate::manifest::Format;
use crate::tree::{Content, Kind, Tree, TreePath};

/// The time of every file and of the filesystem itself: 2026-01-01, as in the lab's base. Any constant will do that is
/// no later than the first boot's clock.
pub const EPOCH_S: u64 = 1_767_225_600;

/// A decided image.
#[derive(Debug)]
pub struct Plan {
    /// Names the outputs.
    pub name: String,
    /// Names the decisions.
    pub digest: Digest,
    /// The layout that the base follows.
    pub layout: &'static str,
    /// The formats to write.
    pub formats: Vec<Format>,
    /// What goes into ROOT.
    pub tree: Tree,
    /// Where each path comes from.
    pub origins: BTreeMap<TreePath, Origin>,
    /// The system extension's own tree, where there is one.
    pub extension: Option<Tree>,
    /// The archives of container images.
    pub images: Vec<ImageFile>,
    /// What ROOT is besides its tree.
    pub spec: ext4::Spec,
    /// ROOT's place on the disk, in bytes.
    pub root: std::ops::Range<u64>,
    /// The whole disk.
    pub disk: Arc<Disk>,
}

/// Everything that goes into a tree.
#[derive(Debug, Clone)]
pub(super) struct Stock {
    /// One for each component of the manifest.
    pub components: Vec<ComponentFiles>,
    /// One for each container image of the manifest.
    pub images: Vec<ImageFile>,
    /// The person's files, by the path in the manifest.
    pub local_files: BTreeMap<PathBuf, Content>,
}

/// All that the checks need of a plan's contents.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Facts about every blob.
    pub blobs: BTreeMap<Digest, BlobFacts>,
    /// The bytes of those that are units.
    pub units: BTreeMap<Digest, Vec<u8>>,
}

fn inputs<'a>(wanted: &'a Wanted, lock: &'a Lock, stock: &'a Stock, kiln: &'a str) -> Inputs<'a> {
    Inputs {
        manifest: &wanted.manifest,
        manifest_path: &wanted.path,
        lock,
        components: &stock.components,
        images: &stock.images,
        local_files: &stock.local_files,
        plan_digest: Carried::of(&wanted.manifest, &stock.local_files).plan(lock, kiln),
        kiln_version: kiln,
        mtime_s: EPOCH_S as i64,
    }
}

/// Lays everything out but what must be packed first.
pub(super) fn draft(wanted: &Wanted, lock: &Lock, stock: &Stock, kiln: &str) -> Result<Draft, BakeError> {
    Ok(content::plan(&inputs(wanted, lock, stock, kiln))?)
}

/// Decides the rest: the finished tree, ROOT's extents, the grown disk.
pub(super) fn plan(
    draft: Draft,
    packed: Option<Content>,
    wanted: &Wanted,
    lock: &Lock,
    stock: &Stock,
    base: &Base,
    kiln: &str,
) -> Result<Plan, BakeError> {
    let inputs = inputs(wanted, lock, stock, kiln);
    let digest = inputs.plan_digest;
    let extension = draft.extension.clone();
    let Planned { tree, origins } = draft.finish(&inputs, packed);
    let grown = base.grow(wanted.manifest.outputs.size.unwrap_or(base.table.size_bytes()))?;
    let place = grown.partition(crate::base::ROOT_NUMBER).expect("growing keeps ROOT");
    let spec = ext4::Spec {
        size: place.size_bytes(),
        uuid: derived_uuid(&digest, "root uuid"),
        hash_seed: derived_uuid(&digest, "root hash seed"),
        label: ROOT_LABEL.into(),
        time_s: EPOCH_S,
        first: content::order::boot_order(&tree),
    };
    let disk = Arc::new(base.assemble(&grown, ext4::layout(&tree, &spec)?));
    Ok(Plan {
        name: wanted.manifest.name.clone(),
        digest,
        layout: base.layout.name,
        formats: wanted.manifest.outputs.formats.clone(),
        tree,
        origins,
        extension,
        images: stock.images.clone(),
        spec,
        root: place.start_bytes()..place.end_bytes(),
        disk,
    })
}

/// Returns a UUID that follows from a digest and a purpose alone (RFC 9562, version 8).
fn derived_uuid(digest: &Digest, purpose: &str) -> Uuid {
    let seed = Digest::of(format!("kiln {purpose} {digest}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&seed.as_bytes()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

impl Plan {
    /// Returns all trees that the image holds.
    pub fn trees(&self) -> Vec<&Tree> {
        std::iter::once(&self.tree).chain(&self.extension).collect()
    }

    /// Checks everything that the image will hold.
    pub(super) fn check(
        &self,
        wanted: &Wanted,
        looked: &Looked,
        base: &BaseFacts,
        exists_in_base: &dyn Fn(&str) -> bool,
    ) -> Findings {
        check::check(&Subject {
            manifest: &wanted.manifest,
            manifest_path: &wanted.path,
            trees: &self.trees(),
            images: &self.images,
            facts: &looked.blobs,
            unit_blobs: &looked.units,
            base,
            exists_in_base,
        })
    }

    /// Returns every action in its order.
    pub fn actions(&self) -> Vec<Action> {
        let mut actions = vec![Action::Keep { layout: self.layout.into(), end: self.root.start }];
        actions.push(Action::Root {
            start: self.root.start,
            size: self.root.end - self.root.start,
            uuid: self.spec.uuid,
        });
        for (path, id) in self.tree.paths() {
            let node = self.tree.node(id);
            let Some(origin) = self.origins.get(path) else { continue };
            let (size, target) = match &node.kind {
                Kind::File(content) => (Some(content.size()), None),
                Kind::Symlink(target) => (None, Some(String::from_utf8_lossy(target).into_owned())),
                Kind::Folder => (None, None),
            };
            let (path, mode, origin) = (path.to_string(), format!("{:04o}", node.mode), origin.to_string());
            actions.push(Action::Put { path, mode, size, target, origin });
        }
        actions.push(Action::Table { size: self.disk.size });
        actions.extend(
            self.formats
                .iter()
                .map(|format| Action::Write { file: self.file_name(*format), size: self.disk.size }),
        );
        actions
    }

    /// Returns the name of the output in `format`.
    pub fn file_name(&self, format: Format) -> String {
        file_name(&self.name, format)
    }
}

/// Returns the name of the output of the image `name` in `format`.
pub(super) fn file_name(name: &str, format: Format) -> String {
    format!("{name}.{}", format.name())
}

/// One thing that a bake does, as `kiln plan` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// Bytes of the base stay as they are.
    Keep {
        /// The base's layout.
        layout: String,
        /// All before this offset, in bytes.
        end: u64,
    },
    /// ROOT is made anew.
    Root {
        /// Where it starts, in bytes.
        start: u64,
        /// Its size in bytes.
        size: u64,
        /// Its UUID.
        uuid: Uuid,
    },
    /// Something is put into ROOT.
    Put {
        /// Where.
        path: String,
        /// Permission bits, octal.
        mode: String,
        /// Size in bytes of a file.
        size: Option<u64>,
        /// Target of a link.
        target: Option<String>,
        /// Where it comes from.
        origin: String,
    },
    /// The partition table is fitted to the disk's size.
    Table {
        /// Size of the disk in bytes.
        size: u64,
    },
    /// An image file is written.
    Write {
        /// Its name.
        file: String,
        /// Size of the disk in bytes.
        size: u64,
    },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keep { layout, end } => {
                write!(f, "keep the first {end} bytes of the base ({layout}) as they are")
            }
            Self::Root { start, size, uuid } => {
                write!(f, "make ROOT anew: {size} bytes at {start}, ext4, UUID {uuid}")
            }
            Self::Put { path, mode, size, target, origin } => {
                write!(f, "put {path}")?;
                target.iter().try_for_each(|target| write!(f, " -> {target}"))?;
                size.iter().try_for_each(|size| write!(f, ", {size} bytes, mode {mode}"))?;
                write!(f, ", from {origin}")
            }
            Self::Table { size } => {
                write!(f, "fit the partition table to {size} bytes; the disk's GUID stays")
            }
            Self::Write { file, size } => write!(f, "write {file}, a disk of {size} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_uuid_follows_from_digest_and_purpose() {
        let digest = Digest::of(b"plan");
        let uuid = derived_uuid(&digest, "root uuid");
        assert_eq!(uuid, derived_uuid(&digest, "root uuid"));
        assert_ne!(uuid, derived_uuid(&digest, "root hash seed"));
        assert_eq!(uuid.get_version_num(), 8);
    }
}
