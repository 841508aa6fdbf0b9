// SPDX-License-Identifier: Apache-2.0
//! What is looked at before an output gets its name: the tree as data, and facts about its contents.
//!
//! Every check is pure and tells all it finds. Ranges and blocks are judged with the manifest, paths and their owners when
//! the tree is laid out ([`super::content`]); here is what only shows in the finished tree. Contents of several hundred
//! megabytes are read once, by [`scan::scan_blob`], whose result belongs to the digest and can be kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::carried::MANIFEST_PATH;
use super::content::ImageFile;
use crate::digest::Digest;
use crate::manifest::Manifest;
use crate::problem::Problem;
use crate::tree::{Content, Kind, Tree, TreePath};

mod base;
mod directives;
mod elf;
pub mod facts;
mod loaded;
mod mode;
pub mod scan;
mod secret;
mod text;
mod unit;

use facts::{BaseFacts, BlobFacts};

/// What is checked, and what must be known about it.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// What was wanted: the architecture, and where texts came from.
    pub manifest: &'a Manifest,
    /// The manifest's file, for messages.
    pub manifest_path: &'a Path,
    /// ROOT, and the system extension if there is one.
    pub trees: &'a [&'a Tree],
    /// The archives of container images.
    pub images: &'a [ImageFile],
    /// Facts about every blob of the trees.
    pub facts: &'a BTreeMap<Digest, BlobFacts>,
    /// The bytes of the few blobs that are units; inline contents are known already.
    pub unit_blobs: &'a BTreeMap<Digest, Vec<u8>>,
    /// What the base says about itself.
    pub base: &'a BaseFacts,
    /// Tells whether the base has a path; asked for paths below /usr only.
    pub exists_in_base: &'a dyn Fn(&str) -> bool,
}

/// What the checks found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// What must not be baked.
    pub errors: Vec<Problem>,
    /// What is worth a look.
    pub warnings: Vec<Problem>,
}

/// Checks everything.
///
/// # Panics
/// If a blob was not scanned: [`blobs`] tells which must be.
pub fn check(subject: &Subject<'_>) -> Findings {
    let mut findings = Findings::default();
    for tree in subject.trees {
        for (path, id) in tree.paths() {
            let node = tree.node(id);
            mode::check(subject, &mut findings, path, node);
            if let Kind::File(content) = &node.kind {
                let facts = subject.facts_of(content);
                elf::check(subject, &mut findings, path, &facts);
                secret::check(subject, &mut findings, path, &facts);
            }
        }
    }
    elf::check_images(subject, &mut findings);
    base::check(subject, &mut findings);
    unit::check(subject, &mut findings);
    tell_once(&mut findings.errors);
    findings.errors.sort();
    findings.warnings.sort();
    findings
}

/// The carried manifest repeats texts of other files: what is wrong with one of those is told there alone.
fn tell_once(errors: &mut Vec<Problem>) {
    let is_repeated = |problem: &Problem| problem.key == MANIFEST_PATH;
    if !errors.iter().all(is_repeated) {
        errors.retain(|problem| !is_repeated(problem));
    }
}

/// Returns the digests of the blobs that [`Subject::facts`] must hold.
pub fn blobs(trees: &[&Tree]) -> BTreeSet<Digest> {
    let nodes = trees.iter().flat_map(|tree| tree.paths().map(|(_, id)| &tree.node(id).kind));
    let digests = nodes.filter_map(|kind| match kind {
        Kind::File(Content::Blob { digest, .. }) => Some(*digest),
        _ => None,
    });
    digests.collect()
}

/// Returns the digests of the blobs whose bytes [`Subject::unit_blobs`] must hold.
pub fn unit_blobs(trees: &[&Tree]) -> BTreeSet<Digest> {
    let is_unit = |path: &TreePath| text::is_unit_file(path);
    let nodes = trees.iter().flat_map(|tree| tree.paths().map(|(path, id)| (path, tree.node(id))));
    let digests = nodes.filter(|(path, _)| is_unit(path)).filter_map(|(_, node)| match &node.kind {
        Kind::File(Content::Blob { digest, size, .. }) if *size <= text::SIZE_MAX_BYTES => Some(*digest),
        _ => None,
    });
    digests.collect()
}

impl std::fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject")
            .field("trees", &self.trees)
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

impl Subject<'_> {
    fn facts_of(&self, content: &Content) -> BlobFacts {
        match content {
            Content::Inline(bytes) => scan::scan_bytes(bytes),
            Content::Blob { digest, .. } => {
                self.facts.get(digest).cloned().expect("every blob was scanned before the checks")
            }
        }
    }

    /// Tells whether something is at `path` on the booted machine: baked in, by the extension, or in the base.
    fn exists(&self, path: &str) -> bool {
        self.exists_within(path, LINKS_MAX)
    }

    fn exists_within(&self, path: &str, links_left: u32) -> bool {
        let path = in_usr(path);
        if path == "/dev/null" {
            return true;
        }
        let Ok(parsed) = TreePath::parse(&path) else { return false };
        match self.trees.iter().find_map(|tree| tree.get(&parsed)) {
            Some(node) => match &node.kind {
                Kind::Symlink(target) => {
                    let target = resolved(&path, &String::from_utf8_lossy(target));
                    links_left > 0 && self.exists_within(&target, links_left - 1)
                }
                Kind::Folder | Kind::File(_) => true,
            },
            None => path.starts_with("/usr/") && (self.exists_in_base)(&path),
        }
    }

    fn problem(&self, path: &TreePath, what: String, fix: &str) -> Problem {
        let fix = (!fix.is_empty()).then(|| fix.to_owned());
        Problem { file: self.manifest_path.to_owned(), place: None, key: path.to_string(), what, fix }
    }
}

/// As many links as the kernel follows (path_resolution(7)).
const LINKS_MAX: u32 = 40;

/// Rewrites a path that begins with one of the root folder's links into /usr.
fn in_usr(path: &str) -> String {
    let links = ["/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/"];
    if links.iter().any(|link| path.starts_with(link)) { format!("/usr{path}") } else { path.to_owned() }
}

/// Returns where a link at `path` points to, without `.` and `..`.
fn resolved(path: &str, target: &str) -> String {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let whole = if target.starts_with('/') { target.to_owned() } else { format!("{folder}/{target}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
