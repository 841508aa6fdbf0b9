// SPDX-License-Identifier: Apache-2.0
//! Content: from manifest, lock and unpacked components to the tree that becomes ROOT, each path with its origin.
//!
//! Reads and writes nothing. Two steps, because a system extension must be packed in between: [`plan`] lays
//! everything out, [`Draft::finish`] adds the packed extension and the image's own account of itself. Never places what
//! the vendor owns ([`owned`]), what makes one machine unlike another (machine-id, host keys), or a time of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::carried::{Carried, MANIFEST_MODE, MANIFEST_PATH};
use super::check::facts::BlobFacts;
use super::origin::Origin;
use super::{provenance, sbom, sysext};
use crate::digest::Digest;
use crate::lock::Lock;
use crate::manifest::Manifest;
use crate::problem::Problems;
use crate::tree::{Content, Kind, Node, Tree, TreePath};

mod enable;
pub mod order;
pub mod owned;
mod place;
mod walk;

use walk::Plan;

/// The files of one component: the members of its archive, or the programs that were built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentFiles {
    /// The component's name in the manifest.
    pub name: String,
    /// Its regular files.
    pub files: Vec<Member>,
}

/// One regular file of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Path inside the archive, or the program's name.
    pub path: String,
    /// Permission bits that the archive gives it.
    pub mode: u16,
    /// Where its bytes are.
    pub content: Content,
}

/// The archive of a container image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// The image's name in the manifest.
    pub name: String,
    /// Whole names that pods use.
    pub names: Vec<String>,
    /// Digest of the image's manifest.
    pub digest: Digest,
    /// The archive.
    pub content: Content,
    /// What is known of the program that the image was made of here; none: it came as an archive.
    pub program: Option<BlobFacts>,
}

/// All that decides what goes into ROOT.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// What is wanted.
    pub manifest: &'a Manifest,
    /// The manifest's file, for messages.
    pub manifest_path: &'a Path,
    /// What was pinned.
    pub lock: &'a Lock,
    /// What was unpacked or built, one for each component.
    pub components: &'a [ComponentFiles],
    /// The archives of container images.
    pub images: &'a [ImageFile],
    /// The local files that the manifest names in `files`, by the path that stands there.
    pub local_files: &'a BTreeMap<PathBuf, Content>,
    /// Digest of lock, manifest and every local file.
    pub plan_digest: Digest,
    /// The running kiln's version.
    pub kiln_version: &'a str,
    /// The time that every file gets, seconds since 1970.
    pub mtime_s: i64,
}

/// Everything in its place, but neither packed nor accounted for.
#[derive(Debug, Clone)]
pub struct Draft {
    /// ROOT without packed extension and account.
    pub root: Tree,
    /// The extension's own tree, where the manifest asks for one.
    pub extension: Option<Tree>,
    root_origins: BTreeMap<TreePath, Origin>,
    extension_origins: BTreeMap<TreePath, Origin>,
}

/// What goes into ROOT.
#[derive(Debug, Clone)]
pub struct Planned {
    /// The whole tree.
    pub tree: Tree,
    /// Where each path comes from; folders that are only there to hold others have no entry.
    pub origins: BTreeMap<TreePath, Origin>,
}

/// Lays out what `inputs` ask for.
///
/// # Errors
/// All that can't be placed: members that a component lacks, paths that two want or that the vendor owns, units that
/// can't be enabled.
pub fn plan(inputs: &Inputs<'_>) -> Result<Draft, Problems> {
    let mut plan = Plan::new(inputs);
    plan.components(inputs);
    plan.images(inputs);
    plan.addons(inputs.manifest);
    plan.units(inputs.manifest);
    plan.settings(inputs.manifest);
    plan.extra_files(inputs);
    plan.extension_frame(inputs.manifest);
    plan.finish(inputs.mtime_s)
}

impl Draft {
    /// Adds the packed extension (exactly when there is one to pack) and the image's own account.
    ///
    /// # Panics
    /// If `packed` is missing although the draft has an extension.
    pub fn finish(self, inputs: &Inputs<'_>, packed: Option<Content>) -> Planned {
        let Self { root, extension, root_origins, extension_origins } = self;
        let mut planned = Planned { tree: root, origins: root_origins };
        if extension.is_some() {
            let content = packed.expect("an extension is packed before the plan is finished");
            planned.add_own(&sysext::image_path(&inputs.manifest.name), 0o644, content);
        }
        let sbom = sbom::render(inputs.manifest, inputs.lock, inputs.plan_digest, inputs.kiln_version);
        planned.add_own(provenance::SBOM_PATH, 0o644, inline(sbom));
        let carried = Carried::of(inputs.manifest, inputs.local_files);
        planned.add_own(MANIFEST_PATH, MANIFEST_MODE, inline(carried.to_json()));
        let mut image = provenance::Image {
            version: provenance::VERSION,
            name: inputs.manifest.name.clone(),
            kiln: inputs.kiln_version.to_owned(),
            plan: inputs.plan_digest,
            lock: inputs.lock.clone(),
            files: Vec::new(),
        };
        image.list(&planned.tree, &planned.origins, None);
        if let Some(extension) = &extension {
            image.list(extension, &extension_origins, Some(sysext::image_path(&inputs.manifest.name)));
        }
        planned.add_own(provenance::IMAGE_PATH, 0o644, inline(image.to_json()));
        clamp_times(&mut planned.tree, inputs.mtime_s);
        planned
    }
}

impl Planned {
    fn add_own(&mut self, path: &str, mode: u16, content: Content) {
        let path = TreePath::parse(path).expect("kiln's own paths are well formed");
        let added = self.tree.add(path.clone(), Node::of(Kind::File(content), mode));
        added.expect("kiln's own paths are refused to everyone else");
        self.origins.insert(path, Origin::Kiln);
    }
}

fn inline(text: String) -> Content {
    Content::Inline(Arc::from(text.into_bytes()))
}

fn text_file(text: &str) -> Node {
    Node::of(Kind::File(inline(text.to_owned())), 0o644)
}

fn clamp_times(tree: &mut Tree, mtime_s: i64) {
    let paths: Vec<TreePath> = tree.paths().map(|(path, _)| path.clone()).collect();
    for path in paths {
        tree.get_mut(&path).expect("the tree listed it").mtime_s = mtime_s;
    }
}
