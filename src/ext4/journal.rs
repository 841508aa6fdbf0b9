// SPDX-License-Identifier: Apache-2.0
//! The journal: how large it is and its superblock; the rest of it is zero until the kernel writes.
//!
//! Source: Documentation/filesystems/ext4/journal.rst. The kernel adds checksums and 64-bit numbers when it mounts.

use uuid::Uuid;

use super::fields::Fields;

/// The inode that holds the journal (special_inodes.rst).
pub(super) const INODE: u32 = 8;

/// Returns the size that mke2fs chooses for a filesystem of `blocks` blocks of 4096 bytes.
pub(super) fn size_blocks(blocks: u64) -> u64 {
    const TABLE: [(u64, u64); 7] = [
        (32 << 10, 1024),
        (256 << 10, 4096),
        (512 << 10, 8192),
        (4 << 20, 16 << 10),
        (8 << 20, 32 << 10),
        (16 << 20, 64 << 10),
        (32 << 20, 128 << 10),
    ];
    TABLE.iter().find(|(below, _)| blocks < *below).map_or(256 << 10, |(_, size)| *size)
}

/// Returns the first block of an empty journal (`struct journal_superblock_s`, version 2).
pub(super) fn superblock(uuid: Uuid, journal_blocks: u64) -> Vec<u8> {
    const MAGIC: u32 = 0xC03B_3998;
    const SUPERBLOCK_V2: u32 = 4;
    let mut fields = Fields::zeroed(4096);
    fields
        .u32_big_endian(0x0, MAGIC)
        .u32_big_endian(0x4, SUPERBLOCK_V2)
        .u32_big_endian(0xC, 4096)
        .u32_big_endian(0x10, journal_blocks as u32)
        // The log starts after this block, with transaction 1; s_start 0 says that there is nothing to replay.
        .u32_big_endian(0x14, 1)
        .u32_big_endian(0x18, 1)
        .bytes(0x30, uuid.as_bytes())
        .u32_big_endian(0x40, 1);
    fields.into_bytes()
}
