// SPDX-License-Identifier: Apache-2.0
//! Which inodes there are: their numbers, names, parents and link counts. Decides nothing about blocks.

use std::collections::HashMap;

use super::entry::{Entry, FileType};
use super::error::Error;
use super::inode;
use crate::tree::{Kind, Node, NodeId, Tree, TreePath};

/// ext4's limit of hard links, also counting what a folder's subfolders add to it.
const MOST_LINKS: u32 = 65_000;
const LOST_AND_FOUND: &[u8] = b"lost+found";

/// One inode to write.
#[derive(Debug)]
pub(super) struct Person<'a> {
    pub number: u32,
    /// Its first path.
    pub path: &'a TreePath,
    pub node: &'a Node,
    /// The number of the folder that holds it.
    pub parent: u32,
    /// For a folder, what is in it, in the order of names.
    pub entries: Vec<Entry<'a>>,
    /// Names of a file; for a folder 2 and its subfolders.
    names: u32,
    /// Its place in the boot order; those without come last.
    pub turn: usize,
}

impl Person<'_> {
    /// Returns the link count to store.
    pub fn links(&self) -> u16 {
        // With dir_nlink 1 says of a folder that nobody counts any more (inodes.rst, i_links_count).
        if self.names > MOST_LINKS { 1 } else { self.names as u16 }
    }

    fn file_type(&self) -> FileType {
        match self.node.kind {
            Kind::Folder => FileType::Folder,
            Kind::File(_) => FileType::File,
            Kind::Symlink(_) => FileType::Symlink,
        }
    }
}

/// The folder that e2fsck wants, for a tree that has none.
#[derive(Debug)]
pub(super) struct LostAndFound {
    path: TreePath,
    node: Node,
}

impl LostAndFound {
    /// Returns the folder as mke2fs makes it.
    pub fn new(mtime_s: i64) -> Self {
        let path = TreePath::parse(b"/lost+found").expect("it is a normal path");
        Self { path, node: Node { mode: 0o700, mtime_s, ..Node::folder() } }
    }
}

/// Counts the inodes of `tree` in path order: the root, lost+found (`spare` if the tree has none), then all others.
///
/// `first` names files in boot order.
pub(super) fn count<'a>(
    tree: &'a Tree,
    spare: &'a LostAndFound,
    first: &[TreePath],
) -> Result<Vec<Person<'a>>, Error> {
    let turns: HashMap<&TreePath, usize> = first.iter().zip(0..).collect();
    let mut census = Census { people: Vec::with_capacity(tree.len() + 1), known: HashMap::new(), turns };
    let lost_node = tree.get(&spare.path);
    if lost_node.is_some_and(|node| node.kind != Kind::Folder) {
        return Err(Error::LostAndFound);
    }
    let mut paths = tree.paths();
    let (root_path, root_id) = paths.next().expect("a tree has a root");
    census.settle(root_path, Some(root_id), tree.node(root_id), inode::ROOT);
    census.settle(&spare.path, None, lost_node.unwrap_or(&spare.node), inode::ROOT);
    if lost_node.is_none() {
        census.people[0].add(LOST_AND_FOUND, inode::FIRST, FileType::Folder);
    }
    census.walk(tree, paths);
    census.finish()
}

struct Census<'a, 'f> {
    people: Vec<Person<'a>>,
    /// Where in `people` a node is that has been met.
    known: HashMap<NodeId, usize>,
    turns: HashMap<&'f TreePath, usize>,
}

impl<'a> Census<'a, '_> {
    fn walk(&mut self, tree: &'a Tree, paths: impl Iterator<Item = (&'a TreePath, NodeId)>) {
        // The folders around the path at hand, outermost first: paths come with each folder before what is in it.
        let mut around = vec![0];
        for (path, id) in paths {
            around.truncate(path.parts().len());
            let folder = around[around.len() - 1];
            let parent = self.people[folder].number;
            let index = match self.known.get(&id) {
                Some(index) => self.meet_again(*index, path),
                None if parent == inode::ROOT && path.name() == LOST_AND_FOUND => 1,
                None => self.settle(path, Some(id), tree.node(id), parent),
            };
            let Person { number, .. } = self.people[index];
            let file_type = self.people[index].file_type();
            self.people[folder].add(path.name(), number, file_type);
            if file_type == FileType::Folder {
                around.push(index);
            }
        }
    }

    /// Gives a node its number.
    fn settle(&mut self, path: &'a TreePath, id: Option<NodeId>, node: &'a Node, parent: u32) -> usize {
        let index = self.people.len();
        let number = if index == 0 { inode::ROOT } else { inode::FIRST + index as u32 - 1 };
        let names = if node.kind == Kind::Folder { 2 } else { 1 };
        let turn = self.turns.get(path).copied().unwrap_or(usize::MAX);
        self.people.push(Person { number, path, node, parent, entries: Vec::new(), names, turn });
        self.known.extend(id.map(|id| (id, index)));
        index
    }

    /// Notes another name of a file.
    fn meet_again(&mut self, index: usize, path: &TreePath) -> usize {
        let person = &mut self.people[index];
        person.names += 1;
        person.turn = person.turn.min(self.turns.get(path).copied().unwrap_or(usize::MAX));
        index
    }

    fn finish(self) -> Result<Vec<Person<'a>>, Error> {
        let many = |person: &&Person<'_>| person.names > MOST_LINKS && person.node.kind != Kind::Folder;
        match self.people.iter().find(many) {
            Some(person) => Err(Error::Links { path: person.path.to_string(), names: person.names }),
            None => Ok(self.people),
        }
    }
}

impl<'a> Person<'a> {
    fn add(&mut self, name: &'a [u8], number: u32, file_type: FileType) {
        self.names += u32::from(file_type == FileType::Folder);
        self.entries.push(Entry { name, inode: number, file_type });
    }
}
