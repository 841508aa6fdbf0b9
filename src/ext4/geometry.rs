// SPDX-License-Identifier: Apache-2.0
//! How many blocks, groups, inodes and descriptor blocks a filesystem of a given size has, and where the superblocks lie.
//!
//! The rules are those of mke2fs with `-b 4096 -I 256 -i 4096 -O 64bit,flex_bg,sparse_super,resize_inode`.
//! Sources: Documentation/filesystems/ext4/blockgroup.rst and super.rst, mke2fs(8).

use std::ops::Range;

use super::error::Error;
use super::journal;

/// Bytes of a block.
pub(super) const BLOCK_BYTES: u64 = 4096;
/// Blocks of a group: as many as one block of bitmap has bits.
pub(super) const GROUP_BLOCKS: u64 = BLOCK_BYTES * 8;
/// Bytes of an inode in its table.
pub(super) const INODE_BYTES: u64 = 256;
/// Groups whose bitmaps and inode tables lie together (flex_bg).
pub(super) const FLEX_GROUPS: u32 = 16;
/// Bytes of a group descriptor with the 64bit feature.
pub(super) const DESCRIPTOR_BYTES: u64 = 64;
/// Block numbers in a block of pointers; also the most reserved descriptor blocks that one such block can list.
pub(super) const POINTERS: u64 = BLOCK_BYTES / 4;

/// The smallest filesystem: mke2fs gives none below 2048 blocks a journal.
const LEAST_BYTES: u64 = 2048 * BLOCK_BYTES;
/// The largest: half of what 32-bit inode numbers reach at one inode per block, so that it can still grow.
const MOST_BYTES: u64 = 8 << 40;
/// Every filesystem can grow online at least to this size.
const LEAST_GROWTH_BYTES: u64 = 200 << 30;
/// mke2fs gives up a last group that has fewer blocks than this left besides its own metadata.
const LEAST_LAST_GROUP_BLOCKS: u64 = 50;
const INODES_PER_BLOCK: u64 = BLOCK_BYTES / INODE_BYTES;
const DESCRIPTORS_PER_BLOCK: u64 = BLOCK_BYTES / DESCRIPTOR_BYTES;

/// The numbers that follow from the size alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Blocks of the filesystem; fewer than the partition's where the last group would be too small.
    pub blocks: u64,
    pub groups: u32,
    pub inodes_per_group: u32,
    /// Blocks of each copy of the descriptor table.
    pub descriptor_blocks: u64,
    /// Blocks after each copy of the descriptor table into which it can grow.
    pub reserved_descriptor_blocks: u64,
    pub journal_blocks: u64,
}

impl Geometry {
    /// Computes the geometry of a partition of `size_bytes`.
    pub fn of(size_bytes: u64) -> Result<Self, Error> {
        if size_bytes < LEAST_BYTES {
            return Err(Error::TooSmall { size_bytes, least_bytes: LEAST_BYTES });
        }
        if size_bytes > MOST_BYTES {
            return Err(Error::TooLarge { size_bytes, most_bytes: MOST_BYTES });
        }
        let all = Self::with_blocks(size_bytes / BLOCK_BYTES);
        let last = all.blocks % GROUP_BLOCKS;
        let too_small = last < all.last_group_overhead() + LEAST_LAST_GROUP_BLOCKS;
        Ok(if last != 0 && too_small { Self::with_blocks(all.blocks - last) } else { all })
    }

    fn with_blocks(blocks: u64) -> Self {
        let groups = blocks.div_ceil(GROUP_BLOCKS);
        let descriptor_blocks = groups.div_ceil(DESCRIPTORS_PER_BLOCK);
        // mke2fs lets a filesystem grow 1024 times, and no further than 32-bit block numbers reach.
        let growth = (blocks * 1024).max(LEAST_GROWTH_BYTES / BLOCK_BYTES).min(u32::MAX.into());
        let grown = growth.div_ceil(GROUP_BLOCKS).div_ceil(DESCRIPTORS_PER_BLOCK);
        Self {
            blocks,
            groups: groups as u32,
            // One inode per block, in whole blocks of the table.
            inodes_per_group: blocks.div_ceil(groups).next_multiple_of(INODES_PER_BLOCK) as u32,
            descriptor_blocks,
            reserved_descriptor_blocks: (grown - descriptor_blocks).min(POINTERS),
            journal_blocks: journal::size_blocks(blocks),
        }
    }

    /// Blocks of the last group that its own metadata takes: two bitmaps, the inode table, perhaps a superblock.
    fn last_group_overhead(&self) -> u64 {
        let fixed = self.fixed(self.groups - 1);
        2 + self.table_blocks() + (fixed.end - fixed.start)
    }

    /// Returns how many blocks each group's inode table has.
    pub fn table_blocks(&self) -> u64 {
        u64::from(self.inodes_per_group) / INODES_PER_BLOCK
    }

    /// Returns the number of inodes, reserved ones included.
    pub fn inodes(&self) -> u32 {
        self.inodes_per_group * self.groups
    }

    /// Returns the blocks of `group`.
    pub fn group(&self, group: u32) -> Range<u64> {
        let start = u64::from(group) * GROUP_BLOCKS;
        start..(start + GROUP_BLOCKS).min(self.blocks)
    }

    /// Returns the blocks at the start of `group` that hold superblock, descriptors and their reserve; perhaps none.
    pub fn fixed(&self, group: u32) -> Range<u64> {
        let start = u64::from(group) * GROUP_BLOCKS;
        let len = if has_superblock(group) {
            1 + self.descriptor_blocks + self.reserved_descriptor_blocks
        } else {
            0
        };
        start..start + len
    }

    /// Returns the groups that hold a superblock, the first one included.
    pub fn superblock_groups(&self) -> impl Iterator<Item = u32> {
        (0..self.groups).filter(|group| has_superblock(*group))
    }

    /// Returns how many blocks hold metadata that no inode owns, and the journal.
    pub fn overhead_blocks(&self) -> u64 {
        let fixed: u64 =
            self.superblock_groups().map(|group| self.fixed(group)).map(|run| run.end - run.start).sum();
        fixed + u64::from(self.groups) * (2 + self.table_blocks()) + self.journal_blocks
    }
}

/// Tells whether `group` holds a copy of the superblock (sparse_super): 0, 1 and the powers of 3, 5 and 7.
fn has_superblock(group: u32) -> bool {
    let power_of = |base: u32| {
        let mut rest = group;
        while rest.is_multiple_of(base) {
            rest /= base;
        }
        rest == 1
    };
    group < 2 || [3, 5, 7].into_iter().any(power_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_mke2fs() {
        // Size in MiB; then what dumpe2fs says of mke2fs 1.47: blocks, inodes per group, reserved, journal, overhead.
        let table = [
            (300, 76_800, 25_600, 37, 4096, 8980),
            (1784, 456_704, 32_624, 222, 8192, 38_110),
            (6144, 1_572_864, 32_768, 767, 16_384, 120_936),
            (102_400, 26_214_400, 32_768, 1024, 131_072, 1_786_642),
        ];
        for (size, blocks, inodes, reserved, journal, overhead) in table {
            let geometry = Geometry::of(size << 20).unwrap();
            assert_eq!(geometry.blocks, blocks);
            assert_eq!(geometry.inodes_per_group, inodes);
            assert_eq!(geometry.reserved_descriptor_blocks, reserved);
            assert_eq!(geometry.journal_blocks, journal);
            assert_eq!(geometry.overhead_blocks(), overhead);
        }
    }

    #[test]
    fn superblocks_lie_where_sparse_super_says() {
        let groups: Vec<u32> = (0..130).filter(|group| has_superblock(*group)).collect();
        assert_eq!(groups, [0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125]);
    }

    #[test]
    fn a_last_group_too_small_for_its_own_tables_is_given_up() {
        let whole = 2 * GROUP_BLOCKS * BLOCK_BYTES;
        assert_eq!(Geometry::of(whole + 100 * BLOCK_BYTES).unwrap(), Geometry::of(whole).unwrap());
        assert_eq!(Geometry::of(whole + 2000 * BLOCK_BYTES).unwrap().groups, 3);
    }

    #[test]
    fn sizes_out_of_range_are_refused() {
        assert!(matches!(Geometry::of(LEAST_BYTES - 1), Err(Error::TooSmall { .. })));
        assert!(matches!(Geometry::of(MOST_BYTES + 1), Err(Error::TooLarge { .. })));
        assert!(Geometry::of(LEAST_BYTES).is_ok() && Geometry::of(MOST_BYTES).is_ok());
    }
}
