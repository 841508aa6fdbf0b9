// SPDX-License-Identifier: Apache-2.0
//! Places things in a tree, remembers who wanted each path, and collects every conflict instead of stopping at one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::owned;
use crate::bake::origin::Origin;
use crate::problem::Problem;
use crate::tree::{Kind, Node, Tree, TreeError, TreePath};

/// A tree that grows, with the origin of each path that was asked for.
pub(super) struct Placer {
    manifest_path: PathBuf,
    tree: Tree,
    origins: BTreeMap<TreePath, Origin>,
    problems: Vec<Problem>,
}

impl Placer {
    pub(super) fn new(manifest_path: &Path) -> Self {
        let manifest_path = manifest_path.to_owned();
        let tree = Tree::new(Node::folder());
        Self { manifest_path, tree, origins: BTreeMap::new(), problems: Vec::new() }
    }

    pub(super) fn into_parts(self) -> (Tree, BTreeMap<TreePath, Origin>, Vec<Problem>) {
        (self.tree, self.origins, self.problems)
    }

    /// Notes a problem with what the manifest asks for.
    pub(super) fn problem(&mut self, key: &str, what: String, fix: String) {
        let fix = (!fix.is_empty()).then_some(fix);
        let file = self.manifest_path.clone();
        self.problems.push(Problem { file, place: None, key: key.to_owned(), what, fix });
    }

    /// Notes a problem that stands in a file of its own.
    pub(super) fn problem_in(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Returns the manifest's file.
    pub(super) fn manifest_path(&self) -> &Path {
        &self.manifest_path
    }

    /// Puts `node` where a manifest wants it.
    pub(super) fn put(&mut self, path: &str, node: Node, origin: Origin) {
        match TreePath::parse(path) {
            Err(error) => self.problem(&origin.key(), error.to_string(), String::new()),
            Ok(parsed) => match owned::reason(&parsed) {
                Some(reason) => {
                    let what = format!("{origin} can't have this path: {reason}");
                    self.problem(path, what, "choose another path".into());
                }
                None => self.put_parsed(parsed, node, origin),
            },
        }
    }

    /// Puts `node` where kiln itself wants it.
    pub(super) fn put_own(&mut self, path: &str, node: Node, origin: Origin) {
        match TreePath::parse(path) {
            Ok(parsed) => self.put_parsed(parsed, node, origin),
            Err(error) => self.problem(&origin.key(), error.to_string(), String::new()),
        }
    }

    fn put_parsed(&mut self, path: TreePath, node: Node, origin: Origin) {
        if self.is_implied_folder(&path) && node.kind == Kind::Folder {
            *self.tree.get_mut(&path).expect("just looked at") = node;
        } else if let Err(error) = self.tree.add(path.clone(), node) {
            return self.conflict(&path, &origin, &error);
        }
        self.origins.insert(path, origin);
    }

    /// Tells whether `path` is a folder that nobody asked for but something below it needs.
    fn is_implied_folder(&self, path: &TreePath) -> bool {
        let is_folder = self.tree.get(path).is_some_and(|node| node.kind == Kind::Folder);
        is_folder && !self.origins.contains_key(path)
    }

    fn conflict(&mut self, path: &TreePath, origin: &Origin, error: &TreeError) {
        let fix = "let one of them go elsewhere";
        let what = match (error, self.holder(path)) {
            (TreeError::Taken(_), Some((at, holder))) if at == *path => {
                format!("wanted by {holder} and by {origin}")
            }
            (TreeError::NotAFolder(_), Some((at, holder))) => {
                format!("wanted by {origin}, but {at} is no folder: {holder} wants it")
            }
            (TreeError::Taken(_), Some((at, holder))) => {
                format!("wanted by {origin}, but is a folder: {holder} wants {at}")
            }
            _ => format!("wanted by {origin}: {error}"),
        };
        self.problem(&path.to_string(), what, fix.into());
    }

    /// Returns who has `path`, else who needs it as a folder, else who has a parent of it.
    fn holder(&self, path: &TreePath) -> Option<(TreePath, Origin)> {
        let below = self.origins.range(path.clone()..).find(|(other, _)| other.is_within(path));
        let above = || {
            let parents = std::iter::successors(path.parent(), TreePath::parent);
            parents.into_iter().find_map(|parent| self.origins.get_key_value(&parent))
        };
        below.or_else(above).map(|(path, origin)| (path.clone(), origin.clone()))
    }
}
