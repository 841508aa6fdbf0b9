// SPDX-License-Identifier: Apache-2.0
//! The inode that owns the reserved descriptor blocks, so that the filesystem can grow while it is mounted.
//!
//! It looks like a sparse file with doubly indirect blocks: one block lists the reserved blocks of the first group, each of
//! which lists its copies in the groups with a backup superblock. The kernel checks exactly this when it grows
//! (fs/ext4/resize.c). Source: Documentation/filesystems/ext4/blockmap.rst, special_inodes.rst, blockgroup.rst.

use super::fields::Fields;
use super::geometry::{GROUP_BLOCKS, Geometry, POINTERS};
use super::inode::Body;

/// Returns the blocks of the inode with their numbers; `double` is the block taken for the doubly indirect one.
pub(super) fn blocks(geometry: &Geometry, double: u64) -> Vec<(u64, Vec<u8>)> {
    let first = 1 + geometry.descriptor_blocks;
    let reserved = first..first + geometry.reserved_descriptor_blocks;
    let mut list = Fields::zeroed(4096);
    for block in reserved.clone() {
        // Its place is that of the descriptor block it will become; block 0 of the table stands in block 1.
        list.u32(4 * ((block - 1) % POINTERS) as usize, block as u32);
    }
    let copies = reserved.map(|block| (block, copies(geometry, block)));
    copies.chain([(double, list.into_bytes())]).collect()
}

/// Returns the list of the copies of a reserved block in the groups after the first.
fn copies(geometry: &Geometry, block: u64) -> Vec<u8> {
    let mut list = Fields::zeroed(4096);
    for (index, group) in geometry.superblock_groups().skip(1).enumerate() {
        list.u32(4 * index, (block + u64::from(group) * GROUP_BLOCKS) as u32);
    }
    list.into_bytes()
}

/// Returns what the inode refers to.
pub(super) fn body(geometry: &Geometry, double: u64) -> Body {
    const DOUBLE_POINTER: usize = 13 * 4;
    let mut block = Fields::zeroed(60);
    block.u32(DOUBLE_POINTER, double as u32);
    let groups = geometry.superblock_groups().count() as u64;
    Body {
        // As large as direct, indirect and doubly indirect blocks can be.
        size: (12 + POINTERS + POINTERS * POINTERS) * 4096,
        blocks: 1 + geometry.reserved_descriptor_blocks * groups,
        flags: 0,
        block: block.into_bytes().try_into().expect("it was made with 60 bytes"),
        attributes: Vec::new(),
        attribute_block: 0,
    }
}
