// SPDX-License-Identifier: Apache-2.0
//! What a finished disk consists of: a list of extents, each with the source of its bytes.
//!
//! Every consumer (raw and qcow2 files, block digests, later uploads, verify and diff) takes this list; nobody takes
//! a file. It holds no bytes but small ones and opens nothing: [`crate::host`] resolves sources.

use std::ops::Range;
use std::sync::Arc;

use crate::digest::Digest;

/// A whole disk: what no extent covers is zero.
#[derive(Debug, Clone)]
pub struct Disk {
    /// Size in bytes, a multiple of 512.
    pub size: u64,
    /// Sorted by offset, without overlap; none is empty.
    pub extents: Vec<Extent>,
}

/// A run of bytes on a disk or partition and where they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// First byte, counted from the start of the disk (or of the partition, before it is placed).
    pub offset: u64,
    /// Length in bytes, never 0.
    pub len: u64,
    /// Where the bytes come from.
    pub source: Source,
}

/// Where the bytes of an [`Extent`] come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Bytes that were made for this disk: metadata and small files.
    Bytes {
        /// The buffer, which several extents may share.
        bytes: Arc<[u8]>,
        /// Where in `bytes` the extent starts.
        start: usize,
    },
    /// A file in the content-addressed store.
    Blob {
        /// The whole file's digest: its name in the store.
        digest: Digest,
        /// Where in the file the extent starts.
        offset: u64,
    },
    /// The decoded base image.
    Base {
        /// Where in the base the extent starts.
        offset: u64,
    },
}

impl Extent {
    /// Returns an extent of `bytes` at `offset`.
    pub fn of_bytes(offset: u64, bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self { offset, len: bytes.len() as u64, source: Source::Bytes { bytes, start: 0 } }
    }

    /// Returns the offset of the byte after the last.
    pub fn end(&self) -> u64 {
        self.offset + self.len
    }

    /// Tells whether it is the base's bytes at the base's own place.
    pub fn is_in_place(&self) -> bool {
        matches!(self.source, Source::Base { offset } if offset == self.offset)
    }
}

/// Bytes that can be read at any offset: a file, a disk made of extents, one partition of it.
pub trait ReadAt: Send + Sync {
    /// Returns the size in bytes.
    fn size(&self) -> u64;

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// As the source says; [`std::io::ErrorKind::UnexpectedEof`] beyond the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()>;

    /// Returns the next run of bytes at or after `offset` that may differ from zero; none: only zeros are left.
    ///
    /// # Errors
    /// As the source says.
    fn next_data(&self, offset: u64) -> std::io::Result<Option<Range<u64>>> {
        Ok((offset < self.size()).then(|| offset..self.size()))
    }

    /// Returns how many reads at once pay off, if that is more than there are processors: what lies far away is long in
    /// answering.
    fn reads_at_once(&self) -> usize {
        1
    }
}

/// An image in memory.
impl ReadAt for Vec<u8> {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = start.checked_add(buffer.len()).and_then(|end| self.get(start..end));
        buffer.copy_from_slice(bytes.ok_or(std::io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}
