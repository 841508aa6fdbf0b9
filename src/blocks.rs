// SPDX-License-Identifier: Apache-2.0
//! The digest of an image: SHA-256 of each non-zero block of 512 KiB, then SHA-256 over that list.
//!
//! It names an image whatever file it lies in, costs a bake only the blocks that the bake makes, and its blocks are
//! those of the EBS direct APIs. Reading and hashing are [`crate::host::disk`]'s; here is what to hash, and the list.

mod changed;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::decode::sparse::is_zero;
use crate::digest::{Digest, Hasher};
use crate::disk::Disk;

pub use changed::Changed;

/// Bytes in a block: what PutSnapshotBlock of the EBS direct APIs takes.
pub const BLOCK: u64 = 512 * 1024;

/// The digests of the blocks of one image that are not all zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockList {
    /// Size of the image in bytes. Its last block is hashed as if zeros followed up to a whole block.
    pub size: u64,
    /// Index (offset / 512 KiB) and SHA-256 of each non-zero block, by ascending index.
    pub blocks: Vec<(u64, Digest)>,
}

/// What has to be hashed for a disk's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Blocks that are the base's own, with their digests.
    pub known: Vec<(u64, Digest)>,
    /// Indexes of the blocks to read, ascending.
    pub open: Vec<u64>,
}

impl BlockList {
    /// Returns the image's digest: SHA-256 over the image's size as 8 bytes, then for each non-zero block in order its
    /// index as 8 bytes and its digest as 32. Numbers are little-endian.
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new();
        hasher.update(&self.size.to_le_bytes());
        for (index, digest) in &self.blocks {
            hasher.update(&index.to_le_bytes());
            hasher.update(digest.as_bytes());
        }
        hasher.finish()
    }
}

/// Makes the list of an image whose data comes piece by piece; what does not come is zero.
#[derive(Debug, Default)]
pub struct Lister {
    /// The block that is being filled; empty until the first piece.
    block: Vec<u8>,
    index: u64,
    blocks: Vec<(u64, Digest)>,
}

impl Lister {
    /// Takes `bytes` at `offset`. Offsets rise from call to call, and nothing comes twice.
    pub fn push(&mut self, mut bytes: &[u8], mut offset: u64) {
        while !bytes.is_empty() {
            if offset / BLOCK != self.index {
                self.close();
                self.index = offset / BLOCK;
            }
            let at = (offset % BLOCK) as usize;
            let len = bytes.len().min(BLOCK as usize - at);
            self.block.resize(BLOCK as usize, 0);
            self.block[at..at + len].copy_from_slice(&bytes[..len]);
            (bytes, offset) = (&bytes[len..], offset + len as u64);
        }
    }

    fn close(&mut self) {
        if !is_zero(&self.block) {
            self.blocks.push((self.index, Digest::of(&self.block)));
        }
        self.block.fill(0);
    }

    /// Returns the list of the image, which has `size` bytes.
    pub fn finish(mut self, size: u64) -> BlockList {
        self.close();
        BlockList { size, blocks: self.blocks }
    }
}

impl Plan {
    /// Returns the list, given the digests of those open blocks that are not zero.
    pub fn complete(self, size: u64, hashed: Vec<(u64, Digest)>) -> BlockList {
        let mut blocks = self.known;
        blocks.extend(hashed);
        blocks.sort_unstable_by_key(|(index, _)| *index);
        BlockList { size, blocks }
    }
}

/// Decides which blocks of a disk must be read, given the list of its base: all that are not, from end to end, the base's
/// bytes at the base's own place.
pub fn plan(disk: &Disk, base: &BlockList) -> Plan {
    let mut open = Vec::new();
    let mut same: Vec<Range<u64>> = Vec::new();
    for extent in &disk.extents {
        let touched = extent.offset / BLOCK..extent.end().div_ceil(BLOCK);
        if !extent.is_in_place() {
            open.extend(touched);
            continue;
        }
        // A disk may end within a block; nothing but the extent is in that one either.
        let end = if extent.end() == disk.size { touched.end } else { extent.end() / BLOCK };
        let whole = extent.offset.div_ceil(BLOCK)..end;
        open.extend(touched.filter(|index| !whole.contains(index)));
        same.push(whole);
    }
    open.sort_unstable();
    open.dedup();
    let is_same = |index| {
        let next = same.partition_point(|range| range.end <= index);
        same.get(next).is_some_and(|range| range.contains(&index))
    };
    Plan { known: base.blocks.iter().filter(|(index, _)| is_same(*index)).copied().collect(), open }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Extent, Source};

    fn base(offset: u64, len: u64) -> Extent {
        Extent { offset, len, source: Source::Base { offset } }
    }

    fn list(size: u64, indexes: &[u64]) -> BlockList {
        let blocks = indexes.iter().map(|index| (*index, Digest::of(&index.to_le_bytes()))).collect();
        BlockList { size, blocks }
    }

    #[test]
    fn only_what_a_bake_touches_is_hashed_again() {
        let extents = vec![
            base(0, 3 * BLOCK + 512),
            Extent::of_bytes(3 * BLOCK + 512, vec![1; 10]),
            base(5 * BLOCK - 512, 2 * BLOCK + 1024),
        ];
        let disk = Disk { size: 7 * BLOCK + 512, extents };
        let plan = plan(&disk, &list(7 * BLOCK + 512, &[0, 2, 3, 4, 5, 7]));
        assert_eq!(plan.open, [3, 4]);
        assert_eq!(plan.known, list(0, &[0, 2, 5, 7]).blocks);
    }

    #[test]
    fn the_end_of_a_smaller_base_is_hashed_again() {
        let disk = Disk { size: 4 * BLOCK, extents: vec![base(0, 2 * BLOCK + 512)] };
        assert_eq!(plan(&disk, &list(2 * BLOCK + 512, &[1, 2])).open, [2]);
    }

    #[test]
    fn pieces_give_the_list_that_the_whole_gives() {
        let size = 4 * BLOCK + 100;
        let mut image = vec![0; size as usize];
        let mut lister = Lister::default();
        // Within a block, over an edge, up to the end; a piece of zeros; a block that nothing comes for.
        for (offset, len, byte) in [(10, 5, 1), (BLOCK - 3, 7, 2), (2 * BLOCK, 9, 0), (4 * BLOCK + 1, 99, 3)]
        {
            let piece = vec![byte; len];
            image[offset as usize..offset as usize + len].copy_from_slice(&piece);
            lister.push(&piece, offset);
        }
        image.resize(5 * BLOCK as usize, 0);
        let whole = |index| (index, Digest::of(&image[(index * BLOCK) as usize..][..BLOCK as usize]));
        assert_eq!(lister.finish(size), BlockList { size, blocks: [0, 1, 4].map(whole).into() });
        assert_eq!(Lister::default().finish(7), BlockList { size: 7, blocks: Vec::new() });
    }

    #[test]
    fn the_digest_is_over_size_and_list_as_documented() {
        let list = list(BLOCK, &[0]);
        let mut bytes = BLOCK.to_le_bytes().to_vec();
        bytes.extend(0_u64.to_le_bytes());
        bytes.extend(list.blocks[0].1.as_bytes());
        assert_eq!(list.digest(), Digest::of(&bytes));
        assert_ne!(list.digest(), BlockList { size: 2 * BLOCK, ..list.clone() }.digest());
        let text = serde_json::to_string(&list).unwrap();
        assert_eq!(serde_json::from_str::<BlockList>(&text).unwrap(), list);
    }
}
