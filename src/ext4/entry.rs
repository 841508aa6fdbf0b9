// SPDX-License-Identifier: Apache-2.0
//! Entries of a folder, and blocks of them with a checksum at their end.
//!
//! Source: Documentation/filesystems/ext4/directory.rst.

use super::checksum::Sum;
use super::fields::Fields;

/// Bytes of a block that entries may use: the tail with the checksum takes 12.
pub(super) const ENTRY_BYTES: usize = 4096 - 12;

/// The type code of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileType {
    File = 1,
    Folder = 2,
    Symlink = 7,
}

/// One name in a folder.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub name: &'a [u8],
    pub inode: u32,
    pub file_type: FileType,
}

/// A folder whose entries are to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Folder<'a> {
    pub inode: u32,
    pub parent: u32,
    /// In any order; a folder written twice from the same entries in the same order is the same.
    pub entries: &'a [Entry<'a>],
}

impl Entry<'_> {
    /// Returns how many bytes the entry takes at least: a head of 8, the name, and what aligns the next one to 4.
    pub fn len(&self) -> usize {
        (8 + self.name.len()).next_multiple_of(4)
    }
}

impl Folder<'_> {
    /// Returns the folder's own entry and its parent's.
    pub fn dots(&self) -> [Entry<'static>; 2] {
        [(&b"."[..], self.inode), (b"..", self.parent)].map(|(name, inode)| Entry {
            name,
            inode,
            file_type: FileType::Folder,
        })
    }
}

/// Returns a block of `entries`, which fit; the last one's length covers what is left.
pub(super) fn block(entries: &[Entry<'_>], sum: Sum) -> Vec<u8> {
    const TAIL_TYPE: u8 = 0xDE;
    let mut fields = Fields::zeroed(4096);
    let mut at = 0;
    for (index, entry) in entries.iter().enumerate() {
        let len = if index + 1 == entries.len() { ENTRY_BYTES - at } else { entry.len() };
        write_entry(&mut fields, at, entry, len);
        at += len;
    }
    if entries.is_empty() {
        // One unused entry, of inode 0, for the whole block.
        fields.u16(4, ENTRY_BYTES as u16);
    }
    fields.u16(ENTRY_BYTES + 4, 12).u8(ENTRY_BYTES + 7, TAIL_TYPE);
    let checksum = sum.with(&fields.as_slice()[..ENTRY_BYTES]).value();
    fields.u32(ENTRY_BYTES + 8, checksum);
    fields.into_bytes()
}

/// Writes `struct ext4_dir_entry_2` with a record length of `len`.
pub(super) fn write_entry(fields: &mut Fields, at: usize, entry: &Entry<'_>, len: usize) {
    fields
        .u32(at, entry.inode)
        .u16(at + 4, len as u16)
        .u8(at + 6, entry.name.len() as u8)
        .u8(at + 7, entry.file_type as u8)
        .bytes(at + 8, entry.name);
}
