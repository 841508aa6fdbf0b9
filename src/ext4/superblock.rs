// SPDX-License-Identifier: Apache-2.0
//! The superblock and its backups.
//!
//! Source: Documentation/filesystems/ext4/super.rst.

use super::Spec;
use super::checksum::Sum;
use super::fields::Fields;
use super::geometry::{FLEX_GROUPS, GROUP_BLOCKS, Geometry, INODE_BYTES};
use super::inode::{self, Body};
use super::journal;

/// has_journal, ext_attr, resize_inode, dir_index.
const COMPATIBLE: u32 = 0x4 | 0x8 | 0x10 | 0x20;
/// filetype, extents, 64bit, flex_bg.
const INCOMPATIBLE: u32 = 0x2 | 0x40 | 0x80 | 0x200;
/// sparse_super, large_file, huge_file, dir_nlink, extra_isize, metadata_csum.
const READ_ONLY_COMPATIBLE: u32 = 0x1 | 0x2 | 0x8 | 0x20 | 0x40 | 0x400;

/// What is told of a filesystem besides what its size says.
#[derive(Debug)]
pub(super) struct Superblock<'a> {
    pub spec: &'a Spec,
    pub geometry: &'a Geometry,
    pub free_blocks: u64,
    pub free_inodes: u32,
    pub journal: &'a Body,
}

impl Superblock<'_> {
    /// Returns the 1024 bytes of the copy in `group`.
    pub fn write(&self, group: u32) -> Vec<u8> {
        let mut fields = Fields::zeroed(1024);
        self.write_numbers(&mut fields);
        self.write_policy(&mut fields);
        self.write_times(&mut fields);
        self.write_journal(&mut fields);
        fields.u16(0x5A, group as u16);
        let checksum = Sum::new().with(&fields.as_slice()[..0x3FC]).value();
        fields.u32(0x3FC, checksum);
        fields.into_bytes()
    }

    fn write_numbers(&self, fields: &mut Fields) {
        let Self { geometry, free_blocks, free_inodes, .. } = *self;
        // 1024 << 2 is 4096; clusters are blocks.
        const LOG_BLOCK_BYTES: u32 = 2;
        fields
            .u32(0x0, geometry.inodes())
            .u32_twice(0x4, 0x150, geometry.blocks)
            // As mke2fs does, 5 % are kept for root.
            .u32_twice(0x8, 0x154, geometry.blocks * 5 / 100)
            .u32_twice(0xC, 0x158, free_blocks)
            .u32(0x10, free_inodes)
            .u32(0x18, LOG_BLOCK_BYTES)
            .u32(0x1C, LOG_BLOCK_BYTES)
            .u32(0x20, GROUP_BLOCKS as u32)
            .u32(0x24, GROUP_BLOCKS as u32)
            .u32(0x28, geometry.inodes_per_group)
            .u32(0x54, inode::FIRST)
            .u16(0x58, INODE_BYTES as u16)
            .u16(0xCE, geometry.reserved_descriptor_blocks as u16)
            .u16(0xFE, 64)
            .u16(0x15C, inode::EXTRA_BYTES)
            .u16(0x15E, inode::EXTRA_BYTES)
            .u8(0x174, FLEX_GROUPS.trailing_zeros() as u8)
            .u32(0x248, geometry.overhead_blocks() as u32);
    }

    fn write_policy(&self, fields: &mut Fields) {
        const MAGIC: u16 = 0xEF53;
        const CLEAN: u16 = 1;
        const REMOUNT_READ_ONLY: u16 = 2;
        const DYNAMIC_REVISION: u32 = 1;
        const USER_XATTR_AND_ACL: u32 = 0x4 | 0x8;
        const SIGNED_HASH: u32 = 1;
        const CRC32C: u8 = 1;
        fields
            // No check is forced by the number of mounts.
            .u16(0x36, u16::MAX)
            .u16(0x38, MAGIC)
            .u16(0x3A, CLEAN)
            .u16(0x3C, REMOUNT_READ_ONLY)
            .u32(0x4C, DYNAMIC_REVISION)
            .u32(0x5C, COMPATIBLE)
            .u32(0x60, INCOMPATIBLE)
            .u32(0x64, READ_ONLY_COMPATIBLE)
            .bytes(0x68, self.spec.uuid.as_bytes())
            .bytes(0x78, self.spec.label.as_bytes())
            .bytes(0xEC, self.spec.hash_seed.as_bytes())
            .u8(0xFC, super::hash::HALF_MD4)
            .u32(0x100, USER_XATTR_AND_ACL)
            .u32(0x160, SIGNED_HASH)
            .u8(0x175, CRC32C);
    }

    /// Writes when it was written, last checked and made.
    fn write_times(&self, fields: &mut Fields) {
        for (low, high) in [(0x30, 0x274), (0x40, 0x277), (0x108, 0x276)] {
            fields.u32_u8(low, high, self.spec.time_s);
        }
    }

    /// Writes which inode the journal is, and the copy of that inode's map from which e2fsck can restore it.
    fn write_journal(&self, fields: &mut Fields) {
        const HAS_BACKUP: u8 = 1;
        fields.u32(0xE0, journal::INODE).u8(0xFD, HAS_BACKUP).bytes(0x10C, &self.journal.block).u32_twice(
            0x14C,
            0x148,
            self.journal.size,
        );
    }
}
