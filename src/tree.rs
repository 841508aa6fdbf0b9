// SPDX-License-Identifier: Apache-2.0
//! A file tree as data: what goes into a filesystem, with owner, mode, times and where the bytes come from.
//!
//! Holds no large contents and reads no file. The tree always has a root folder; every parent of a path exists in it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::digest::Digest;

/// A file tree. Several paths may name one node (hard links); a folder has exactly one path.
#[derive(Debug, Clone)]
pub struct Tree {
    nodes: Vec<Node>,
    paths: BTreeMap<TreePath, NodeId>,
}

/// Names a node of one [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(usize);

/// An absolute path without `.`, `..`, empty parts or NUL; each part has 1 to 255 bytes of any kind but `/`.
///
/// Ordered so that a folder comes before what is in it, and all of that before the folder's next sibling.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TreePath(Vec<Vec<u8>>);

/// One inode: what it is and its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Folder, file or symbolic link.
    pub kind: Kind,
    /// Permission bits, set-id and sticky bits included (`0o7777`).
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time, seconds since 1970; access and change times are the same.
    pub mtime_s: i64,
    /// Extended attributes by full name (`security.capability`, `user.x`).
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// What a [`Node`] is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A folder; its entries are the paths below it.
    Folder,
    /// A regular file.
    File(Content),
    /// A symbolic link and its target, 1 to 4095 bytes.
    Symlink(Vec<u8>),
}

/// Where a regular file's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Bytes held here: rendered files and small ones.
    Inline(Arc<[u8]>),
    /// A file of the content-addressed store.
    Blob {
        /// Its digest: its name in the store.
        digest: Digest,
        /// Its size in bytes, holes included.
        size: u64,
        /// The parts that are not holes, sorted, without overlap, not empty.
        data: Vec<Range<u64>>,
    },
}

/// Why something can't be put into a [`Tree`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The text is not an absolute, normal path.
    #[error("'{0}' is not an absolute path without '.', '..', empty or over-long (255 bytes) parts")]
    Path(String),
    /// Two things want the same path.
    #[error("'{0}' is there already")]
    Taken(String),
    /// A parent of the path is a file or link.
    #[error("'{0}' lies below something that is not a folder")]
    NotAFolder(String),
    /// A hard link to a folder or to nothing.
    #[error("'{0}' can't be linked: it is a folder or is not in the tree")]
    Link(String),
}

impl Content {
    /// Returns the size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Blob { size, .. } => *size,
        }
    }

    /// Returns the digest of the bytes.
    pub fn digest(&self) -> Digest {
        match self {
            Self::Inline(bytes) => Digest::of(bytes),
            Self::Blob { digest, .. } => *digest,
        }
    }
}

impl TreePath {
    /// Returns the root folder's path.
    pub fn root() -> Self {
        Self(Vec::new())
    }

    /// Parses an absolute path; a trailing `/` is accepted.
    pub fn parse(path: impl AsRef<[u8]>) -> Result<Self, TreeError> {
        let path = path.as_ref();
        let wrong = || TreeError::Path(String::from_utf8_lossy(path).into_owned());
        let rest = path.strip_prefix(b"/").ok_or_else(wrong)?;
        let rest = rest.strip_suffix(b"/").unwrap_or(rest);
        if rest.is_empty() {
            return if path == b"/" { Ok(Self::root()) } else { Err(wrong()) };
        }
        let parts: Vec<Vec<u8>> = rest.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect();
        let good = |part: &Vec<u8>| {
            (1..=255).contains(&part.len()) && part != b"." && part != b".." && !part.contains(&0)
        };
        if parts.iter().all(good) { Ok(Self(parts)) } else { Err(wrong()) }
    }

    /// Returns the path of `name` in this folder.
    ///
    /// # Errors
    /// If `name` is no single part of a path.
    pub fn join(&self, name: impl AsRef<[u8]>) -> Result<Self, TreeError> {
        let name = Self::parse([b"/", name.as_ref()].concat())?;
        if name.0.len() != 1 {
            return Err(TreeError::Path(name.to_string()));
        }
        Ok(Self(self.0.iter().cloned().chain(name.0).collect()))
    }

    /// Returns the folder that holds this path; the root has none.
    pub fn parent(&self) -> Option<Self> {
        let (_, parts) = self.0.split_last()?;
        Some(Self(parts.to_vec()))
    }

    /// Returns the last part; empty for the root.
    pub fn name(&self) -> &[u8] {
        self.0.last().map_or(&[], Vec::as_slice)
    }

    /// Returns the parts, outermost first.
    pub fn parts(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// Tells whether `self` is `other` or lies below it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl std::fmt::Display for TreePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return f.write_str("/");
        }
        self.0.iter().try_for_each(|part| write!(f, "/{}", String::from_utf8_lossy(part)))
    }
}

impl Node {
    /// Returns a folder of root's with mode 0755 and time 0.
    pub fn folder() -> Self {
        Self::of(Kind::Folder, 0o755)
    }

    /// Returns a node of root's with `mode`, time 0 and no attributes.
    pub fn of(kind: Kind, mode: u16) -> Self {
        Self { kind, mode, uid: 0, gid: 0, mtime_s: 0, xattrs: BTreeMap::new() }
    }
}

impl Tree {
    /// Returns a tree that holds only its root folder.
    pub fn new(root: Node) -> Self {
        Self { nodes: vec![root], paths: BTreeMap::from([(TreePath::root(), NodeId(0))]) }
    }

    /// Adds `node` at `path`, making missing parents as [`Node::folder`].
    ///
    /// # Errors
    /// If the path is taken or lies below a file.
    pub fn add(&mut self, path: TreePath, node: Node) -> Result<NodeId, TreeError> {
        self.open_place(&path)?;
        let id = NodeId(self.nodes.len());
        self.nodes.push(node);
        self.paths.insert(path, id);
        Ok(id)
    }

    /// Names the node at `target` also `path` (a hard link).
    ///
    /// # Errors
    /// If `target` is a folder or not there, or `path` is taken or lies below a file.
    pub fn link(&mut self, path: TreePath, target: &TreePath) -> Result<(), TreeError> {
        let id = *self.paths.get(target).ok_or_else(|| TreeError::Link(target.to_string()))?;
        if self.node(id).kind == Kind::Folder {
            return Err(TreeError::Link(target.to_string()));
        }
        self.open_place(&path)?;
        self.paths.insert(path, id);
        Ok(())
    }

    fn open_place(&mut self, path: &TreePath) -> Result<(), TreeError> {
        if self.paths.contains_key(path) {
            return Err(TreeError::Taken(path.to_string()));
        }
        let parent = path.parent().ok_or_else(|| TreeError::Taken(path.to_string()))?;
        match self.get(&parent) {
            Some(node) if node.kind == Kind::Folder => Ok(()),
            Some(_) => Err(TreeError::NotAFolder(path.to_string())),
            None => self.add(parent, Node::folder()).map(|_| ()),
        }
    }

    /// Returns the node at `path`.
    pub fn get(&self, path: &TreePath) -> Option<&Node> {
        self.paths.get(path).map(|id| self.node(*id))
    }

    /// Returns the node at `path` to be changed.
    pub fn get_mut(&mut self, path: &TreePath) -> Option<&mut Node> {
        let id = *self.paths.get(path)?;
        self.nodes.get_mut(id.0)
    }

    /// Returns the node that `id` names.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// Returns all paths with their nodes, a folder before what is in it; the root first.
    pub fn paths(&self) -> impl Iterator<Item = (&TreePath, NodeId)> {
        self.paths.iter().map(|(path, id)| (path, *id))
    }

    /// Returns how many nodes there are, the root included.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Tells whether there is nothing but the root.
    pub fn is_empty(&self) -> bool {
        self.paths.len() == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::parse(text).unwrap()
    }

    fn file() -> Node {
        Node::of(Kind::File(Content::Inline(Arc::from(*b"x"))), 0o644)
    }

    #[test]
    fn odd_paths_are_refused() {
        for text in ["", "a", "//", "/a//b", "/a/./b", "/..", "/a\0b", &format!("/{}", "x".repeat(256))] {
            assert!(TreePath::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(path("/a/b/").to_string(), "/a/b");
        assert_eq!(path("/"), TreePath::root());
    }

    #[test]
    fn parents_are_made_and_conflicts_refused() {
        let mut tree = Tree::new(Node::folder());
        tree.add(path("/a/b/c"), file()).unwrap();
        assert_eq!(tree.get(&path("/a/b")).unwrap().kind, Kind::Folder);
        assert_eq!(tree.add(path("/a/b/c"), file()), Err(TreeError::Taken("/a/b/c".into())));
        assert_eq!(tree.add(path("/a/b/c/d"), file()), Err(TreeError::NotAFolder("/a/b/c/d".into())));
        assert_eq!(tree.add(path("/"), file()), Err(TreeError::Taken("/".into())));
    }

    #[test]
    fn a_hard_link_names_the_same_node() {
        let mut tree = Tree::new(Node::folder());
        tree.add(path("/a"), file()).unwrap();
        tree.link(path("/b"), &path("/a")).unwrap();
        let ids: Vec<NodeId> = tree.paths().map(|(_, id)| id).collect();
        assert_eq!(ids[1], ids[2]);
        assert_eq!(tree.link(path("/c"), &path("/")), Err(TreeError::Link("/".into())));
    }
}
