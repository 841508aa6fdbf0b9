// SPDX-License-Identifier: Apache-2.0
//! One inode in its table, and the times in it.
//!
//! Source: Documentation/filesystems/ext4/inodes.rst.

use super::checksum::Sum;
use super::fields::Fields;

/// The inode of the root folder (special_inodes.rst).
pub(super) const ROOT: u32 = 2;
/// The inode of the reserved descriptor blocks.
pub(super) const RESIZE: u32 = 7;
/// The first inode that is not reserved; mke2fs gives it to lost+found.
pub(super) const FIRST: u32 = 11;

/// The type bits of a mode.
pub(super) const FILE: u16 = 0x8000;
pub(super) const FOLDER: u16 = 0x4000;
pub(super) const SYMLINK: u16 = 0xA000;

/// The folder has an index.
pub(super) const INDEX_FLAG: u32 = 0x1000;
/// `i_block` holds the root of an extent tree.
pub(super) const EXTENTS_FLAG: u32 = 0x8_0000;

/// Bytes of the fields after the first 128: up to and including the project id.
pub(super) const EXTRA_BYTES: u16 = 32;

/// An inode's fields.
#[derive(Debug)]
pub(super) struct Inode {
    /// Type and permission bits.
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
    pub links: u16,
    /// All four times, seconds since 1970.
    pub time_s: i64,
    pub body: Body,
}

/// What an inode refers to.
#[derive(Debug)]
pub(super) struct Body {
    pub size: u64,
    /// Blocks of contents, extent nodes and attributes.
    pub blocks: u64,
    pub flags: u32,
    /// Root of an extent tree, block pointers, or a short link's target.
    pub block: [u8; 60],
    /// Attributes that stand in the inode.
    pub attributes: Vec<u8>,
    /// The block that holds the other attributes; 0: none.
    pub attribute_block: u64,
}

impl Inode {
    /// Returns the 256 bytes of the inode `number`; `sum` has seen that number.
    pub fn write(&self, sum: Sum) -> Vec<u8> {
        let Self { mode, uid, gid, links, time_s, ref body } = *self;
        let mut fields = Fields::zeroed(256);
        fields
            .u16(0x0, mode)
            .u16_twice(0x2, 0x78, uid)
            .u32_twice(0x4, 0x6C, body.size)
            .u16_twice(0x18, 0x7A, gid)
            .u16(0x1A, links)
            // Counted in sectors of 512 bytes.
            .u32_u16(0x1C, 0x74, body.blocks * 8)
            .u32(0x20, body.flags)
            .bytes(0x28, &body.block)
            .u32_u16(0x68, 0x76, body.attribute_block)
            .u16(0x80, EXTRA_BYTES)
            .bytes(0xA0, &body.attributes);
        let (seconds, epoch) = time(time_s);
        // Access, change, modification, creation: each with its extra bits, which hold no nanoseconds here.
        for (low, extra) in [(0x8, 0x8C), (0xC, 0x84), (0x10, 0x88), (0x90, 0x94)] {
            fields.u32(low, seconds).u32(extra, epoch);
        }
        let checksum = sum.with(fields.as_slice()).value();
        fields.u16_twice(0x7C, 0x82, checksum);
        fields.into_bytes()
    }
}

/// Returns a time as 32 signed bits and two more that count how often those have wrapped since 1970.
///
/// Times before 1901 and after 2446 can't be told and become the nearest that can.
fn time(time_s: i64) -> (u32, u32) {
    const FIRST_S: i64 = i32::MIN as i64;
    const LAST_S: i64 = i32::MAX as i64 + 3 * (1 << 32);
    let time_s = time_s.clamp(FIRST_S, LAST_S);
    let low = time_s as i32;
    (low as u32, ((time_s - i64::from(low)) >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_beyond_2038_use_the_extra_bits() {
        // The table of inodes.rst, "Inode Timestamps".
        let table = [
            (-1, (0xFFFF_FFFF, 0)),
            (0, (0, 0)),
            (0x7FFF_FFFF, (0x7FFF_FFFF, 0)),
            (0x8000_0000, (0x8000_0000, 1)),
            (0x1_0000_0000, (0, 1)),
            (0x3_7FFF_FFFF, (0x7FFF_FFFF, 3)),
            (0x3_8000_0000, (0x7FFF_FFFF, 3)),
            (i64::MIN, (0x8000_0000, 0)),
        ];
        for (seconds, stored) in table {
            assert_eq!(time(seconds), stored, "{seconds:#x}");
        }
    }
}
