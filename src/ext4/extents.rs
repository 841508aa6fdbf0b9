// SPDX-License-Identifier: Apache-2.0
//! The extent tree: which blocks of a file lie where.
//!
//! Source: Documentation/filesystems/ext4/ifork.rst. The tree is built bottom-up and is as shallow as it can be.

use std::ops::Range;

use super::checksum::Sum;
use super::fields::Fields;
use super::space::Space;

/// Blocks of a file that lie in a row, in the file and on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// First block of the file.
    pub logical: u64,
    /// First block of the filesystem.
    pub physical: u64,
    pub blocks: u64,
}

/// An extent tree on disk.
#[derive(Debug)]
pub(super) struct ExtentTree {
    /// What stands in the inode.
    pub root: [u8; 60],
    /// The other nodes and their blocks.
    pub nodes: Vec<(u64, Vec<u8>)>,
}

/// Lays the file's blocks `logical` on the blocks `physical` of the filesystem, in order.
pub(super) fn map(logical: &[Range<u64>], physical: &[Range<u64>]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut places = physical.iter().cloned();
    let mut place = 0..0;
    for range in logical {
        let mut next = range.start;
        while next < range.end {
            if place.is_empty() {
                // Space ran out and has noted so; what is mapped of the file no longer matters.
                let Some(more) = places.next() else { return runs };
                place = more;
            }
            let blocks = (range.end - next).min(place.end - place.start);
            runs.push(Run { logical: next, physical: place.start, blocks });
            next += blocks;
            place.start += blocks;
        }
    }
    runs
}

/// An entry of a node: 12 bytes, found by the first block of the file that it covers.
struct Entry {
    logical: u32,
    bytes: Vec<u8>,
}

/// Builds the tree of `runs`, taking blocks for its nodes from `space`; `sum` has seen the inode.
pub(super) fn tree(runs: &[Run], space: &mut Space, sum: Sum) -> ExtentTree {
    const IN_INODE: usize = 4;
    const IN_BLOCK: usize = 340;
    let mut level: Vec<Entry> = runs.iter().flat_map(leaf_entries).collect();
    let mut nodes = Vec::new();
    let mut depth = 0;
    while level.len() > IN_INODE {
        let parents = level.chunks(IN_BLOCK).map(|entries| {
            let block = space.take_one();
            let mut node = node(entries, IN_BLOCK, depth, 4096);
            // The tail's checksum covers all that stands before it.
            let checksum = sum.with(&node.as_slice()[..4092]).value();
            node.u32(4092, checksum);
            nodes.push((block, node.into_bytes()));
            index_entry(entries[0].logical, block)
        });
        level = parents.collect();
        depth += 1;
    }
    let root = node(&level, IN_INODE, depth, 60).into_bytes();
    ExtentTree { root: root.try_into().expect("the root was made with 60 bytes"), nodes }
}

/// Returns the extents of a run: each covers at most 32768 blocks (more would say that they are unwritten).
fn leaf_entries(run: &Run) -> impl Iterator<Item = Entry> + use<> {
    const MOST: u64 = 32768;
    let Run { logical, physical, blocks } = *run;
    (0..blocks).step_by(MOST as usize).map(move |done| {
        let mut fields = Fields::zeroed(12);
        fields.u32(0, (logical + done) as u32).u16(4, (blocks - done).min(MOST) as u16).u32_u16(
            8,
            6,
            physical + done,
        );
        Entry { logical: (logical + done) as u32, bytes: fields.into_bytes() }
    })
}

fn index_entry(logical: u32, block: u64) -> Entry {
    let mut fields = Fields::zeroed(12);
    fields.u32(0, logical).u32_u16(4, 8, block);
    Entry { logical, bytes: fields.into_bytes() }
}

fn node(entries: &[Entry], most: usize, depth: u16, len: usize) -> Fields {
    const MAGIC: u16 = 0xF30A;
    let mut fields = Fields::zeroed(len);
    fields.u16(0, MAGIC).u16(2, entries.len() as u16).u16(4, most as u16).u16(6, depth);
    for (index, entry) in entries.iter().enumerate() {
        fields.bytes(12 * (index + 1), &entry.bytes);
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_and_gaps_cut_runs() {
        let runs = map(&[0..3, 10..14], &[100..105, 200..202]);
        let run = |logical, physical, blocks| Run { logical, physical, blocks };
        assert_eq!(runs, [run(0, 100, 3), run(10, 103, 2), run(12, 200, 2)]);
    }

    #[test]
    fn the_tree_is_as_deep_as_needed() {
        let sum = Sum::new();
        for (extents, nodes, depth) in [(0, 0, 0), (4, 0, 0), (5, 1, 1), (1360, 4, 1), (1361, 6, 2)] {
            let runs: Vec<Run> =
                (0..extents).map(|at| Run { logical: 2 * at, physical: 1000 + 2 * at, blocks: 1 }).collect();
            let tree = tree(&runs, &mut Space::new(100_000, [0..1]), sum);
            assert_eq!((tree.nodes.len(), tree.root[6]), (nodes, depth), "{extents}");
        }
    }
}
