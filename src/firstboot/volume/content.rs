// SPDX-License-Identifier: Apache-2.0
//! What a device holds, told by its two ends.

use std::fmt;

use super::{LABEL, mark_at};

/// The mark of a device that is being formatted: it fills a sector with zeros after it.
pub const MARK: &str = "kiln: a data volume is being formatted here, version 1\n";

/// What a device holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Nothing: zeros at both ends.
    Blank,
    /// Something half made by kiln: it has the mark.
    Marked,
    /// kiln's file system.
    Ours {
        /// Its UUID.
        uuid: String,
    },
    /// Anything else, in words.
    Other(String),
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("nothing"),
            Self::Marked => f.write_str("a file system that is half made"),
            Self::Ours { uuid } => write!(f, "kiln's file system {uuid}"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

/// Signatures, and where they lie (util-linux, libblkid/src/superblocks and partitions).
const SIGNATURES: [(usize, &[u8], &str); 9] = [
    (0, b"XFSB", "an XFS file system"),
    (0, b"LUKS\xba\xbe", "an encrypted volume (LUKS)"),
    (0, b"hsqs", "a squashfs image"),
    (512, b"EFI PART", "a partition table (GPT)"),
    (512, b"LABELONE", "a physical volume of LVM"),
    (4086, b"SWAPSPACE2", "swap space"),
    (4096, b"\xfc\x4e\x2b\xa9", "a member of a RAID (md)"),
    (65_600, b"_BHRfS_M", "a btrfs file system"),
    // Last: it is in front of GPT and in file systems of DOS as well.
    (510, b"\x55\xaa", "a boot sector or partition table (MBR)"),
];

/// ext4's superblock (kernel.org, "ext4 Data Structures and Algorithms"): where it is, and in it magic number, UUID, label.
const SUPERBLOCK: usize = 1024;
const MAGIC: (usize, &[u8]) = (SUPERBLOCK + 0x38, b"\x53\xef");
const UUID: usize = SUPERBLOCK + 0x68;
const VOLUME_NAME: usize = SUPERBLOCK + 0x78;

/// Returns what a device of `len` bytes holds, of which these are the first and the last ones.
pub fn recognise(len: u64, first: &[u8], last: &[u8]) -> Content {
    let begin = len.saturating_sub(last.len() as u64);
    let mark = usize::try_from(mark_at(len).saturating_sub(begin)).unwrap_or(usize::MAX);
    let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    if has(last, mark, MARK.as_bytes()) {
        return Content::Marked;
    }
    if let Some(found) = ext(first) {
        return found;
    }
    if is_zero(first) && is_zero(last) {
        return Content::Blank;
    }
    let known = SIGNATURES.iter().find(|(at, bytes, _)| has(first, *at, bytes));
    Content::Other(known.map_or("data of an unknown kind", |(.., what)| what).to_owned())
}

fn ext(first: &[u8]) -> Option<Content> {
    if !has(first, MAGIC.0, MAGIC.1) {
        return None;
    }
    let label = first.get(VOLUME_NAME..VOLUME_NAME + 16)?;
    let label = String::from_utf8_lossy(label).trim_end_matches('\0').to_owned();
    if label == LABEL {
        return Some(Content::Ours { uuid: uuid(first.get(UUID..UUID + 16)?) });
    }
    let shown: String = label.chars().filter(|c| c.is_ascii_graphic()).collect();
    Some(Content::Other(match shown.is_empty() {
        true => "an ext4 file system without a label".to_owned(),
        false => format!("an ext4 file system with the label {shown}"),
    }))
}

fn has(bytes: &[u8], at: usize, wanted: &[u8]) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(wanted))
}

/// As RFC 9562 writes it.
fn uuid(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
