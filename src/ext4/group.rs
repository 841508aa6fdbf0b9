// SPDX-License-Identifier: Apache-2.0
//! Block groups: where their bitmaps and inode tables lie, the bitmaps themselves, and the descriptors.
//!
//! Sources: Documentation/filesystems/ext4/blockgroup.rst, bitmaps.rst and group_descr.rst.

use std::ops::Range;

use super::checksum::Sum;
use super::fields::Fields;
use super::geometry::{DESCRIPTOR_BYTES, FLEX_GROUPS, GROUP_BLOCKS, Geometry};
use super::space::Space;

/// Where the metadata of a group lies; with flex_bg this is seldom in the group itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Home {
    pub block_bitmap: u64,
    pub inode_bitmap: u64,
    pub inode_table: u64,
}

/// Takes the blocks for the metadata of all groups: for each 16 groups together, at the start of the first of them.
pub(super) fn place(geometry: &Geometry, space: &mut Space) -> Vec<Home> {
    let mut homes = Vec::with_capacity(geometry.groups as usize);
    for first in (0..geometry.groups).step_by(FLEX_GROUPS as usize) {
        let groups = u64::from(FLEX_GROUPS.min(geometry.groups - first));
        space.seek(geometry.group(first).start);
        let mut take = |blocks| space.take(blocks).first().map_or(0, |run| run.start);
        let (block_bitmaps, inode_bitmaps) = (take(groups), take(groups));
        homes.extend((0..groups).map(|group| Home {
            block_bitmap: block_bitmaps + group,
            inode_bitmap: inode_bitmaps + group,
            inode_table: take(geometry.table_blocks()),
        }));
    }
    homes
}

/// Which inodes are used: the first ones of the filesystem without a gap, and which of them are folders.
#[derive(Debug)]
pub(super) struct Inodes {
    /// The highest number used.
    pub last: u32,
    /// The numbers of the folders, in rising order.
    pub folders: Vec<u32>,
}

/// What a group holds.
#[derive(Debug)]
pub(super) struct Group {
    free_blocks: u32,
    free_inodes: u32,
    folders: u32,
    /// None: nothing but its own superblock and descriptors is used, so that the kernel can compute the bitmap.
    pub block_bitmap: Option<Vec<u8>>,
    /// None: no inode is used.
    pub inode_bitmap: Option<Vec<u8>>,
}

impl Group {
    /// Counts what is used in group `number`.
    pub fn count(number: u32, geometry: &Geometry, space: &Space, inodes: &Inodes) -> Self {
        let blocks = geometry.group(number);
        let fixed = geometry.fixed(number);
        let free: Vec<Range<u64>> = space.free_in(blocks.clone()).collect();
        let free_blocks: u64 = free.iter().map(|run| run.end - run.start).sum();
        let untouched = free_blocks == blocks.end - fixed.end;
        // As mke2fs does, the last group, which may be shorter, always has a bitmap.
        let uninit = untouched && number + 1 < geometry.groups;
        let first_inode = number * geometry.inodes_per_group;
        let used = inodes.last.saturating_sub(first_inode).min(geometry.inodes_per_group);
        let folders = |number: u32| inodes.folders.partition_point(|folder| *folder <= number) as u32;
        Self {
            free_blocks: free_blocks as u32,
            free_inodes: geometry.inodes_per_group - used,
            folders: folders(first_inode + geometry.inodes_per_group) - folders(first_inode),
            block_bitmap: (!uninit).then(|| block_bitmap(blocks.start, &free)),
            inode_bitmap: (used > 0).then(|| inode_bitmap(used, geometry.inodes_per_group)),
        }
    }

    /// Returns the descriptor (`struct ext4_group_desc`) of group `number`, whose metadata is at `home`.
    pub fn descriptor(&self, number: u32, home: &Home, inodes_per_group: u32, sum: Sum) -> Vec<u8> {
        let bits = |bitmap: &Option<Vec<u8>>, bytes: usize| {
            bitmap.as_ref().map_or(0, |bitmap| sum.with(&bitmap[..bytes]).value())
        };
        let mut fields = Fields::zeroed(DESCRIPTOR_BYTES as usize);
        fields
            .u32_twice(0x0, 0x20, home.block_bitmap)
            .u32_twice(0x4, 0x24, home.inode_bitmap)
            .u32_twice(0x8, 0x28, home.inode_table)
            .u16_twice(0xC, 0x2C, self.free_blocks)
            .u16_twice(0xE, 0x2E, self.free_inodes)
            .u16_twice(0x10, 0x30, self.folders)
            .u16(0x12, self.flags())
            .u16_twice(0x18, 0x38, bits(&self.block_bitmap, 4096))
            .u16_twice(0x1A, 0x3A, bits(&self.inode_bitmap, inodes_per_group as usize / 8))
            // Used inodes come first, so that all free ones lie at the table's end.
            .u16_twice(0x1C, 0x32, self.free_inodes);
        let checksum = sum.with(&number.to_le_bytes()).with(fields.as_slice()).value();
        fields.u16(0x1E, checksum as u16);
        fields.into_bytes()
    }

    fn flags(&self) -> u16 {
        const INODE_UNINIT: u16 = 1;
        const BLOCK_UNINIT: u16 = 2;
        // What no extent covers is zero, the unused part of the tables too.
        const INODE_ZEROED: u16 = 4;
        let mut flags = INODE_ZEROED;
        flags |= if self.inode_bitmap.is_none() { INODE_UNINIT } else { 0 };
        flags | if self.block_bitmap.is_none() { BLOCK_UNINIT } else { 0 }
    }
}

/// Returns a bitmap in which all is used but `free`; so is what lies beyond the end of a short group.
fn block_bitmap(start: u64, free: &[Range<u64>]) -> Vec<u8> {
    let mut bitmap = vec![0xFF; GROUP_BLOCKS as usize / 8];
    for block in free.iter().cloned().flatten() {
        let bit = block - start;
        bitmap[bit as usize / 8] &= !(1 << (bit % 8));
    }
    bitmap
}

/// Returns a bitmap of `there` inodes of which the first `used` are taken; what lies beyond counts as used.
fn inode_bitmap(used: u32, there: u32) -> Vec<u8> {
    let mut bitmap = vec![0xFF; GROUP_BLOCKS as usize / 8];
    for bit in used..there {
        bitmap[bit as usize / 8] &= !(1 << (bit % 8));
    }
    bitmap
}
