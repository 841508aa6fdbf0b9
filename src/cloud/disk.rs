// SPDX-License-Identifier: Apache-2.0
//! A snapshot far away as a disk: each block is fetched when it is read, once as a rule, and few are kept in memory.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;

use super::access::Region;
use super::error::CloudError;
use super::stored::StoredBlock;
use crate::blocks::BLOCK;
use crate::decode::sparse::is_zero;
use crate::disk::ReadAt;

/// Blocks that are kept once a part of them was read: partition table, directories and the account of itself have less. A
/// whole block that is read is not kept.
const KEPT: usize = 32;
/// Blocks under way at once: at 30 ms for each some 500 a second, which is half of an account's quota.
const AT_ONCE: usize = 16;
/// Blocks of zeros that are looked through, from the end, for the last byte.
const ZEROS_MAX: usize = 8;
const SECTOR: usize = 512;
const GIB: u64 = 1 << 30;

/// Why a snapshot can't be read.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// A call.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// There is no such image.
    #[error(
        "there is no image {id} in {region}; name its region with --region, or have it shared with this account"
    )]
    NoImage {
        /// `ami-...`
        id: String,
        /// Where it was looked for.
        region: String,
    },
    /// Its root device comes from no snapshot.
    #[error("the root device of {id} comes from no snapshot")]
    NoRoot {
        /// `ami-...`
        id: String,
    },
}

/// The bytes of a snapshot.
pub struct SnapshotDisk {
    region: Region,
    id: String,
    runtime: Handle,
    blocks: Vec<StoredBlock>,
    size: u64,
    kept: Mutex<VecDeque<(u64, Arc<[u8]>)>>,
}

impl std::fmt::Debug for SnapshotDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotDisk").field("id", &self.id).field("size", &self.size).finish_non_exhaustive()
    }
}

impl SnapshotDisk {
    /// Opens the snapshot of an image's root device.
    ///
    /// # Errors
    /// The calls'; if there is no such image or it has no such snapshot.
    pub fn of_image(region: &Region, image: &str, runtime: &Handle) -> Result<Self, StoredError> {
        let found = runtime.block_on(region.image(image))?;
        let (id, name) = (image.to_owned(), region.name().to_owned());
        let found = found.ok_or(StoredError::NoImage { id, region: name })?;
        let root = found.root_snapshot.ok_or(StoredError::NoRoot { id: image.to_owned() })?;
        Self::open(region, &root, runtime)
    }

    /// Opens a complete snapshot. Its calls are made on `runtime`, of which no task may read this disk.
    ///
    /// # Errors
    /// The calls'.
    pub fn open(region: &Region, id: &str, runtime: &Handle) -> Result<Self, StoredError> {
        let stored = runtime.block_on(region.stored(id))?;
        let mut disk = Self {
            region: region.clone(),
            id: id.to_owned(),
            runtime: runtime.clone(),
            blocks: stored.blocks,
            size: stored.volume_gib * GIB,
            kept: Mutex::default(),
        };
        disk.size = disk.end()?;
        Ok(disk)
    }

    /// Returns the snapshot's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns where the disk ends. A volume has whole GiB and the disk on it need not: its last sector is the backup of the
    /// partition table's header, behind which there are zeros.
    fn end(&self) -> Result<u64, CloudError> {
        for block in self.blocks.iter().rev().take(ZEROS_MAX) {
            let bytes = self.fetch(block)?;
            if let Some(last) = bytes.chunks(SECTOR).rposition(|sector| !is_zero(sector)) {
                self.keep(block.index, &bytes);
                return Ok(block.index * BLOCK + ((last + 1) * SECTOR) as u64);
            }
        }
        Ok(self.size)
    }

    /// Returns a block's bytes; none: the snapshot does not have it, so it is zero.
    fn block(&self, index: u64, is_whole: bool) -> io::Result<Option<Arc<[u8]>>> {
        let Ok(at) = self.blocks.binary_search_by_key(&index, |block| block.index) else { return Ok(None) };
        let kept = self.kept().iter().find(|(it, _)| *it == index).map(|(_, bytes)| bytes.clone());
        if kept.is_some() {
            return Ok(kept);
        }
        let bytes = self.fetch(&self.blocks[at]).map_err(io_error)?;
        if !is_whole {
            self.keep(index, &bytes);
        }
        Ok(Some(bytes))
    }

    fn fetch(&self, block: &StoredBlock) -> Result<Arc<[u8]>, CloudError> {
        Ok(self.runtime.block_on(self.region.stored_block(&self.id, block))?.into())
    }

    fn keep(&self, index: u64, bytes: &Arc<[u8]>) {
        let mut kept = self.kept();
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back((index, bytes.clone()));
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, VecDeque<(u64, Arc<[u8]>)>> {
        // Whoever panicked, each entry is whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What may pass says so by its kind, as far as a disk can say it.
fn io_error(error: CloudError) -> io::Error {
    let kind = if error.may_pass() { io::ErrorKind::TimedOut } else { io::ErrorKind::Other };
    io::Error::new(kind, error)
}

impl ReadAt for SnapshotDisk {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        end.filter(|end| *end <= self.size).ok_or(io::ErrorKind::UnexpectedEof)?;
        let (mut at, mut rest) = (offset, buffer);
        while !rest.is_empty() {
            let within = (at % BLOCK) as usize;
            let len = rest.len().min(BLOCK as usize - within);
            let (piece, after) = rest.split_at_mut(len);
            match self.block(at / BLOCK, len as u64 == BLOCK)? {
                Some(bytes) => piece.copy_from_slice(&bytes[within..within + len]),
                None => piece.fill(0),
            }
            (at, rest) = (at + len as u64, after);
        }
        Ok(())
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        let next = self.blocks.partition_point(|block| (block.index + 1) * BLOCK <= offset);
        let Some(first) = self.blocks.get(next) else { return Ok(None) };
        let run =
            self.blocks[next..].iter().zip(first.index..).take_while(|(block, due)| block.index == *due);
        let end = (first.index + run.count() as u64) * BLOCK;
        let range = offset.max(first.index * BLOCK)..end.min(self.size);
        Ok((range.start < range.end).then_some(range))
    }

    fn reads_at_once(&self) -> usize {
        AT_ONCE
    }
}
