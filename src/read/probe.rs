// SPDX-License-Identifier: Apache-2.0
//! What filesystem fills a partition, by its superblock. Trusts nothing in it and opens nothing.
//!
//! Sources: kernel documentation `filesystems/ext4/super.rst`, `include/uapi/linux/btrfs_tree.h`,
//! `fs/squashfs/squashfs_fs.h`, and Microsoft's FAT specification 1.03.

use std::io;

use serde::Serialize;
use uuid::Uuid;

use crate::disk::ReadAt;

pub(super) const EXT4: &str = "ext4";
pub(super) const BTRFS: &str = "btrfs";
pub(super) const SQUASHFS: &str = "squashfs";
pub(super) const FAT: &str = "vfat";

/// What a superblock says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// `ext4`, `btrfs`, `squashfs` or `vfat`, as mount(8) calls them.
    pub kind: &'static str,
    /// The filesystem's label; empty: none.
    pub label: String,
    /// Its UUID, or FAT's serial number; empty: none.
    pub uuid: String,
    /// The features and options that it records.
    pub features: Vec<String>,
    /// Size in bytes.
    pub size: u64,
    /// Bytes in use, where the superblock tells.
    pub used: Option<u64>,
}

/// ext4 features by word (compatible, incompatible, read-only compatible) and bit, as dumpe2fs(8) names them.
const EXT4_FEATURES: [(usize, u32, &str); 24] = [
    (0, 2, "has_journal"),
    (0, 3, "ext_attr"),
    (0, 4, "resize_inode"),
    (0, 5, "dir_index"),
    (0, 9, "sparse_super2"),
    (0, 12, "orphan_file"),
    (1, 1, "filetype"),
    (1, 2, "needs_recovery"),
    (1, 6, "extent"),
    (1, 7, "64bit"),
    (1, 9, "flex_bg"),
    (1, 10, "ea_inode"),
    (1, 13, "metadata_csum_seed"),
    (1, 14, "large_dir"),
    (1, 15, "inline_data"),
    (1, 16, "encrypt"),
    (2, 0, "sparse_super"),
    (2, 1, "large_file"),
    (2, 3, "huge_file"),
    (2, 4, "uninit_bg"),
    (2, 5, "dir_nlink"),
    (2, 6, "extra_isize"),
    (2, 10, "metadata_csum"),
    (2, 15, "verity"),
];

/// btrfs features by word (incompatible, read-only compatible) and bit, as /sys/fs/btrfs/features names them.
const BTRFS_FEATURES: [(usize, u32, &str); 11] = [
    (0, 0, "mixed_backref"),
    (0, 1, "default_subvol"),
    (0, 2, "mixed_groups"),
    (0, 3, "compress_lzo"),
    (0, 4, "compress_zstd"),
    (0, 6, "extended_iref"),
    (0, 7, "raid56"),
    (0, 8, "skinny_metadata"),
    (0, 9, "no_holes"),
    (1, 0, "free_space_tree"),
    (1, 3, "block_group_tree"),
];

const SQUASHFS_COMPRESSIONS: [&str; 7] = ["none", "gzip", "lzma", "lzo", "xz", "lz4", "zstd"];

/// Tells what fills `slice`; none: nothing that is known.
///
/// # Errors
/// If it can't be read.
pub fn probe(slice: &dyn ReadAt) -> io::Result<Option<Facts>> {
    if let Some(block) = block_at(slice, 65_536, 4096)?.filter(|block| &block.0[64..72] == b"_BHRfS_M") {
        return Ok(Some(btrfs(&block)));
    }
    if let Some(block) = block_at(slice, 1024, 1024)?.filter(|block| block.u16(56) == 0xef53) {
        return Ok(Some(ext4(&block)));
    }
    let Some(block) = block_at(slice, 0, 512)? else { return Ok(None) };
    if block.0.starts_with(b"hsqs") {
        return Ok(Some(squashfs(&block)));
    }
    fat(slice, &block)
}

/// A superblock's bytes, little-endian.
struct Block(Vec<u8>);

fn block_at(slice: &dyn ReadAt, offset: u64, len: usize) -> io::Result<Option<Block>> {
    if slice.size() < offset + len as u64 {
        return Ok(None);
    }
    let mut bytes = vec![0; len];
    slice.read_at(&mut bytes, offset)?;
    Ok(Some(Block(bytes)))
}

impl Block {
    fn number(&self, at: usize, len: usize) -> u64 {
        self.0[at..at + len].iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn u16(&self, at: usize) -> u64 {
        self.number(at, 2)
    }

    fn u32(&self, at: usize) -> u64 {
        self.number(at, 4)
    }

    fn u64(&self, at: usize) -> u64 {
        self.number(at, 8)
    }

    fn uuid(&self, at: usize) -> String {
        Uuid::from_slice(&self.0[at..at + 16]).unwrap_or_default().to_string()
    }

    /// Returns text that ends at a NUL or at its last non-blank.
    fn text(&self, at: usize, len: usize) -> String {
        let bytes = self.0[at..at + len].split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(bytes).trim_end().to_owned()
    }
}

fn named(table: &[(usize, u32, &str)], words: &[u64]) -> Vec<String> {
    let set = table.iter().filter(|(word, bit, _)| words[*word] >> bit & 1 == 1);
    set.map(|(_, _, name)| (*name).to_owned()).collect()
}

fn ext4(block: &Block) -> Facts {
    let words = [block.u32(92), block.u32(96), block.u32(100)];
    let features = named(&EXT4_FEATURES, &words);
    // Its bit tells whether the upper halves count.
    let high = |at| if words[1] >> 7 & 1 == 1 { block.u32(at) << 32 } else { 0 };
    let (blocks, free) = (block.u32(4) | high(0x150), block.u32(12) | high(0x158));
    let block_bytes = 1024_u64 << block.u32(24).min(6);
    Facts {
        kind: EXT4,
        label: block.text(120, 16),
        uuid: block.uuid(104),
        features,
        size: blocks.saturating_mul(block_bytes),
        used: Some(blocks.saturating_sub(free).saturating_mul(block_bytes)),
    }
}

fn btrfs(block: &Block) -> Facts {
    Facts {
        kind: BTRFS,
        label: block.text(299, 256),
        uuid: block.uuid(32),
        features: named(&BTRFS_FEATURES, &[block.u64(188), block.u64(180)]),
        size: block.u64(112),
        used: Some(block.u64(120)),
    }
}

fn squashfs(block: &Block) -> Facts {
    let compression = SQUASHFS_COMPRESSIONS.get(block.u16(20) as usize).unwrap_or(&"unknown compression");
    let size = block.u64(40);
    let features = vec![(*compression).to_owned()];
    Facts { kind: SQUASHFS, label: String::new(), uuid: String::new(), features, size, used: Some(size) }
}

fn fat(slice: &dyn ReadAt, block: &Block) -> io::Result<Option<Facts>> {
    let (sector, per_cluster, fats) = (block.u16(11), u64::from(block.0[13]), u64::from(block.0[16]));
    let wide = &block.0[82..90] == b"FAT32   ";
    let sound = block.u16(510) == 0xaa55
        && (wide || &block.0[54..57] == b"FAT")
        && [512, 1024, 2048, 4096].contains(&sector)
        && per_cluster.is_power_of_two()
        && (1..=2).contains(&fats);
    if !sound {
        return Ok(None);
    }
    let either = |narrow: u64, wide: u64| if narrow == 0 { wide } else { narrow };
    let sectors = either(block.u16(19), block.u32(32));
    let (id, label) = if wide { (67, 71) } else { (39, 43) };
    let serial = block.u32(id);
    let meta =
        block.u16(14) + fats * either(block.u16(22), block.u32(36)) + (block.u16(17) * 32).div_ceil(sector);
    let clusters = sectors.saturating_sub(meta) / per_cluster;
    let free = if wide { fat32_free(slice, block.u16(48) * sector)? } else { None };
    Ok(Some(Facts {
        kind: FAT,
        label: block.text(label, 11).replace("NO NAME", ""),
        uuid: format!("{:04X}-{:04X}", serial >> 16, serial & 0xffff),
        features: vec![(if wide { "fat32" } else { "fat12/16" }).to_owned()],
        size: sectors * sector,
        used: free.map(|free| clusters.saturating_sub(free) * per_cluster * sector),
    }))
}

/// Returns the number of free clusters that the FSInfo sector records, if it does.
fn fat32_free(slice: &dyn ReadAt, offset: u64) -> io::Result<Option<u64>> {
    let info = block_at(slice, offset, 512)?.filter(|block| block.u32(0) == 0x4161_5252);
    Ok(info.map(|block| block.u32(488)).filter(|free| *free != 0xffff_ffff))
}
