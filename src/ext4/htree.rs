// SPDX-License-Identifier: Apache-2.0
//! Indexed folders: leaves of entries in hash order, found through a root block and, in large folders, a level below it.
//!
//! Source: Documentation/filesystems/ext4/directory.rst, "Hash Tree Directories".

use uuid::Uuid;

use super::checksum::Sum;
use super::entry::{self, ENTRY_BYTES, Entry, Folder};
use super::fields::Fields;
use super::hash::{self, NameHash};

/// Where the map of the root block starts: after `.`, `..` and 8 bytes about the tree.
const ROOT_MAP: usize = 32;
/// Where the map of any other index block starts: after an unused entry.
const NODE_MAP: usize = 8;

/// What an index knows of a block of the folder: the smallest hash in it, odd if the block before has that hash too.
#[derive(Debug, Clone, Copy)]
struct Child {
    hash: u32,
    block: u32,
}

/// Writes `folder` as the root block, the index blocks below it if any, and the leaves; none: too large for two levels.
pub(super) fn write(folder: &Folder<'_>, seed: Uuid, sum: Sum) -> Option<Vec<u8>> {
    let mut entries: Vec<(NameHash, Entry<'_>)> =
        folder.entries.iter().map(|entry| (hash::of_name(entry.name, seed), *entry)).collect();
    entries.sort_by_key(|(hash, entry)| (*hash, entry.name));
    let leaves = split(&entries);
    let nodes = if leaves.len() <= room(ROOT_MAP) { 0 } else { leaves.len().div_ceil(room(NODE_MAP)) };
    if nodes > room(ROOT_MAP) {
        return None;
    }
    let children: Vec<Child> =
        (1 + nodes as u32..).zip(&leaves).map(|(block, leaf)| leaf.child(block)).collect();
    let mut bytes = Vec::with_capacity((1 + nodes + leaves.len()) * 4096);
    if nodes == 0 {
        bytes.extend(root(folder, &children, 0, sum));
    } else {
        let parts = children.chunks(room(NODE_MAP));
        let parents: Vec<Child> =
            (1..).zip(parts.clone()).map(|(block, part)| Child { hash: part[0].hash, block }).collect();
        bytes.extend(root(folder, &parents, 1, sum));
        bytes.extend(parts.flat_map(|part| node(part, sum)));
    }
    for leaf in &leaves {
        let entries: Vec<Entry<'_>> = leaf.entries.iter().map(|(_, entry)| *entry).collect();
        bytes.extend(entry::block(&entries, sum));
    }
    Some(bytes)
}

/// The entries of one leaf block.
struct Leaf<'a> {
    entries: &'a [(NameHash, Entry<'a>)],
    /// Whether names of the first hash stand in the leaf before, too.
    continues: bool,
}

impl Leaf<'_> {
    fn child(&self, block: u32) -> Child {
        Child { hash: self.entries[0].0.major | u32::from(self.continues), block }
    }
}

/// Cuts sorted entries into leaves, each as full as can be.
fn split<'a>(entries: &'a [(NameHash, Entry<'a>)]) -> Vec<Leaf<'a>> {
    let mut leaves = Vec::new();
    let mut start = 0;
    while start < entries.len() {
        let mut len = 0;
        let fitting = entries[start..].iter().take_while(|(_, entry)| {
            len += entry.len();
            len <= ENTRY_BYTES
        });
        let end = start + fitting.count();
        let continues = start > 0 && entries[start - 1].0.major == entries[start].0.major;
        leaves.push(Leaf { entries: &entries[start..end], continues });
        start = end;
    }
    leaves
}

/// Returns how many children a map starting at `at` can have: 8 bytes each, and 8 for the checksum.
fn room(at: usize) -> usize {
    (4096 - at) / 8 - 1
}

/// Returns `struct dx_root`.
fn root(folder: &Folder<'_>, children: &[Child], levels: u8, sum: Sum) -> Vec<u8> {
    let mut fields = Fields::zeroed(4096);
    let [this, parent] = folder.dots();
    entry::write_entry(&mut fields, 0, &this, 12);
    entry::write_entry(&mut fields, 12, &parent, 4096 - 12);
    fields.u8(0x1C, hash::HALF_MD4).u8(0x1D, 8).u8(0x1E, levels);
    map(fields, ROOT_MAP, children, sum)
}

/// Returns `struct dx_node`, which looks like one unused entry to who does not know of it.
fn node(children: &[Child], sum: Sum) -> Vec<u8> {
    let mut fields = Fields::zeroed(4096);
    fields.u16(4, 4096);
    map(fields, NODE_MAP, children, sum)
}

/// Adds the map: the first child's place takes limit and count instead of its hash, which nothing is smaller than.
fn map(mut fields: Fields, at: usize, children: &[Child], sum: Sum) -> Vec<u8> {
    for (index, child) in children.iter().enumerate() {
        fields.u32(at + 8 * index, child.hash).u32(at + 8 * index + 4, child.block);
    }
    fields.u16(at, room(at) as u16).u16(at + 2, children.len() as u16);
    // The checksum covers what is in use, then the tail: 4 reserved bytes and its own place as 4 zeros.
    let used = sum.with(&fields.as_slice()[..at + 8 * children.len()]);
    fields.u32(4092, used.with(&[0; 8]).value());
    fields.into_bytes()
}
