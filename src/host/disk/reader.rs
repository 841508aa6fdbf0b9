// SPDX-License-Identifier: Apache-2.0
//! A disk made of extents, as bytes: each extent's source is found and read, what no extent covers is zero.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Blobs, Image};
use crate::digest::Digest;
use crate::disk::{Disk, Extent, ReadAt, Source};

/// Blobs kept open. A disk may have thousands, a process only 1024 files by default.
const OPEN_BLOBS: usize = 64;

/// Where the bytes of a disk's extents are.
pub struct Sources {
    base: Option<Arc<dyn Image>>,
    blobs: Box<dyn Blobs>,
    open: Mutex<HashMap<Digest, Arc<File>>>,
}

impl Sources {
    /// Takes the decoded base (none for a disk without one) and the store.
    pub fn new(base: Option<Arc<dyn Image>>, blobs: Box<dyn Blobs>) -> Self {
        Self { base, blobs, open: Mutex::default() }
    }

    /// Returns the base.
    pub(super) fn base(&self) -> io::Result<&dyn Image> {
        self.base
            .as_deref()
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the disk has no base image"))
    }

    /// Returns the blob's file.
    pub(super) fn blob(&self, digest: &Digest) -> io::Result<Arc<File>> {
        // Whoever panicked, each entry is whole.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(digest) {
            return Ok(file.clone());
        }
        let opened = self.blobs.open(digest);
        let file = Arc::new(
            opened.map_err(|error| io::Error::new(error.kind(), format!("blob {digest}: {error}")))?,
        );
        if open.len() >= OPEN_BLOBS {
            open.clear();
        }
        open.insert(*digest, file.clone());
        Ok(file)
    }

    fn read(&self, source: &Source, skip: u64, buffer: &mut [u8]) -> io::Result<()> {
        match source {
            Source::Bytes { bytes, start } => {
                let start = start + skip as usize;
                buffer.copy_from_slice(&bytes[start..start + buffer.len()]);
                Ok(())
            }
            Source::Blob { digest, offset } => self.blob(digest)?.read_exact_at(buffer, offset + skip),
            Source::Base { offset } => self.base()?.read_at(buffer, offset + skip),
        }
    }
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

/// A disk's extents and their sources, read as one image.
#[derive(Debug, Clone)]
pub struct DiskReader {
    disk: Arc<Disk>,
    sources: Arc<Sources>,
}

impl DiskReader {
    /// Takes a disk and its sources.
    pub fn new(disk: Arc<Disk>, sources: Arc<Sources>) -> Self {
        Self { disk, sources }
    }

    /// Returns the disk.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Returns the sources.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Returns the extents that end behind `offset`.
    fn extents_from(&self, offset: u64) -> &[Extent] {
        &self.disk.extents[self.disk.extents.partition_point(|extent| extent.end() <= offset)..]
    }

    /// Returns the next data within one extent at or after `from`, which lies in the extent or before it.
    fn data_of(&self, extent: &Extent, from: u64) -> io::Result<Option<Range<u64>>> {
        let from = from.max(extent.offset);
        let Source::Base { offset } = extent.source else { return Ok(Some(from..extent.end())) };
        let in_base = |at: u64| at - extent.offset + offset;
        let Some(found) = self.sources.base()?.next_data(in_base(from))? else { return Ok(None) };
        let on_disk = |at: u64| (at - offset + extent.offset).min(extent.end());
        let (start, end) = (on_disk(found.start), on_disk(found.end));
        Ok((start < end).then_some(start..end))
    }
}

impl ReadAt for DiskReader {
    fn size(&self) -> u64 {
        self.disk.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64).filter(|end| *end <= self.disk.size);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut at = offset;
        for extent in self.extents_from(offset).iter().take_while(|extent| extent.offset < end) {
            let (start, stop) = (extent.offset.max(offset), extent.end().min(end));
            buffer[(at - offset) as usize..(start - offset) as usize].fill(0);
            let piece = &mut buffer[(start - offset) as usize..(stop - offset) as usize];
            self.sources.read(&extent.source, start - extent.offset, piece)?;
            at = stop;
        }
        buffer[(at - offset) as usize..].fill(0);
        Ok(())
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        for extent in self.extents_from(offset) {
            if let Some(found) = self.data_of(extent, offset)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

impl Image for DiskReader {}
