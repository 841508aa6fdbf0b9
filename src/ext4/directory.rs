// SPDX-License-Identifier: Apache-2.0
//! Folders: one block of entries, or several with an index.

use uuid::Uuid;

use super::checksum::Sum;
use super::entry::{ENTRY_BYTES, Entry, Folder, block};
use super::htree;

/// The contents of a folder: whole blocks.
#[derive(Debug)]
pub(super) struct Blocks {
    pub bytes: Vec<u8>,
    /// Whether the first block is the root of an index.
    pub indexed: bool,
}

/// Writes a folder: in one block if that holds it, else with an index hashed by `seed`; none: too large for both.
///
/// `sum` has seen the folder's inode.
pub(super) fn write(folder: &Folder<'_>, seed: Uuid, sum: Sum) -> Option<Blocks> {
    let len: usize = folder.dots().iter().chain(folder.entries).map(Entry::len).sum();
    if len > ENTRY_BYTES {
        return htree::write(folder, seed, sum).map(|bytes| Blocks { bytes, indexed: true });
    }
    let entries: Vec<Entry<'_>> = folder.dots().into_iter().chain(folder.entries.iter().copied()).collect();
    Some(Blocks { bytes: block(&entries, sum), indexed: false })
}
