// SPDX-License-Identifier: Apache-2.0
//! Whose the bytes of a filesystem are: for telling what a byte that is not as it should be belongs to.

use std::collections::HashMap;
use std::ops::Range;

use super::census::Person;
use super::geometry::{BLOCK_BYTES, Geometry, INODE_BYTES};
use super::group::Home;
use crate::tree::TreePath;

/// Bytes that belong to something in the tree. All others are the filesystem's own (superblocks, tables, bitmaps, journal)
/// or free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The bytes, counted from the partition's start.
    pub bytes: Range<u64>,
    /// The first path of the file, folder or link.
    pub path: TreePath,
    /// What of it.
    pub part: Part,
}

/// A part of a file, folder or link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What it holds: a file's bytes, a folder's entries, a long link's target.
    Contents {
        /// Offset of the first byte within them.
        offset: u64,
    },
    /// Its inode: mode, owner, times, size, a short link's target, short extended attributes.
    Inode,
    /// A block of its extent tree.
    Extents,
    /// The block of its extended attributes.
    Attributes,
}

/// Blocks of the filesystem and whose they are, by number of the inode.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub blocks: Range<u64>,
    pub inode: u32,
    pub part: Part,
}

/// Returns the owners of `taken` and of the inodes, sorted by place.
pub(super) fn owners(
    taken: Vec<Taken>,
    people: &[Person<'_>],
    geometry: &Geometry,
    homes: &[Home],
) -> Vec<Owner> {
    let paths: HashMap<u32, &TreePath> = people.iter().map(|person| (person.number, person.path)).collect();
    let of_blocks = taken.into_iter().filter_map(|Taken { blocks, inode, part }| {
        let path = (*paths.get(&inode)?).clone();
        Some(Owner { bytes: blocks.start * BLOCK_BYTES..blocks.end * BLOCK_BYTES, path, part })
    });
    let inode = |person: &Person<'_>| {
        let (group, index) = (
            (person.number - 1) / geometry.inodes_per_group,
            (person.number - 1) % geometry.inodes_per_group,
        );
        let start = homes[group as usize].inode_table * BLOCK_BYTES + u64::from(index) * INODE_BYTES;
        Owner { bytes: start..start + INODE_BYTES, path: person.path.clone(), part: Part::Inode }
    };
    let mut owners: Vec<Owner> = of_blocks.chain(people.iter().map(inode)).collect();
    owners.sort_by_key(|owner| owner.bytes.start);
    owners
}
