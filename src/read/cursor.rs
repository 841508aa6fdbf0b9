// SPDX-License-Identifier: Apache-2.0
//! A part of a disk, and a reading position in it for libraries that want a file.

use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::disk::ReadAt;

/// Part of a disk: a partition.
#[derive(Clone)]
pub struct Slice {
    disk: Arc<dyn ReadAt>,
    start: u64,
    size: u64,
}

impl Slice {
    /// Returns `size` bytes of `disk` from `start`, or fewer where it ends before.
    pub fn new(disk: Arc<dyn ReadAt>, start: u64, size: u64) -> Self {
        let size = size.min(disk.size().saturating_sub(start));
        Self { disk, start, size }
    }
}

impl std::fmt::Debug for Slice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slice").field("start", &self.start).field("size", &self.size).finish_non_exhaustive()
    }
}

impl ReadAt for Slice {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if offset > self.size || buffer.len() as u64 > self.size - offset {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.disk.read_at(buffer, self.start + offset)
    }

    fn next_data(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        if offset >= self.size {
            return Ok(None);
        }
        let data = self.disk.next_data(self.start + offset)?;
        Ok(data
            .map(|data| data.start - self.start..data.end.min(self.start + self.size) - self.start)
            .filter(|data| data.start < data.end))
    }
}

/// Bytes read ahead: libraries read field by field.
const WINDOW_BYTES: usize = 16 << 10;

/// A position in a [`Slice`].
pub(super) struct Cursor {
    slice: Slice,
    position: u64,
    window: Vec<u8>,
    window_start: u64,
    budget: Budget,
}

/// How many bytes and calls may still be spent on reading before an operation counts as endless: some libraries follow chains that a
/// hostile image makes circular.
#[derive(Debug, Clone, Default)]
pub(super) struct Budget(Arc<AtomicU64>);

/// What one operation on a folder or an inode may spend; a folder of the largest kind needs a twentieth of it.
const BUDGET_BYTES: u64 = 64 << 20;

impl Budget {
    /// Begins an operation.
    pub(super) fn renew(&self) {
        self.0.store(BUDGET_BYTES, Ordering::Relaxed);
    }

    /// Takes `bytes` off.
    pub(super) fn spend(&self, bytes: u64) -> io::Result<()> {
        let left = self.0.load(Ordering::Relaxed).checked_sub(bytes);
        let left =
            left.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "its structures form a loop"))?;
        self.0.store(left, Ordering::Relaxed);
        Ok(())
    }
}

impl Cursor {
    pub(super) fn new(slice: Slice, budget: Budget) -> Self {
        Self { slice, position: 0, window: Vec::new(), window_start: 0, budget }
    }
}

impl Read for Cursor {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let ahead = self.fill_buf()?;
        let count = ahead.len().min(buffer.len());
        buffer[..count].copy_from_slice(&ahead[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Cursor {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let inside = |cursor: &Self| {
            let skip = cursor.position.checked_sub(cursor.window_start)?;
            usize::try_from(skip).ok().filter(|skip| *skip < cursor.window.len())
        };
        self.budget.spend(1)?;
        if inside(self).is_none() {
            let left = self.slice.size.saturating_sub(self.position);
            self.window.resize(left.min(WINDOW_BYTES as u64) as usize, 0);
            self.window_start = self.position;
            self.slice.read_at(&mut self.window, self.position.min(self.slice.size))?;
        }
        Ok(inside(self).map_or(&[], |skip| &self.window[skip..]))
    }

    fn consume(&mut self, amount: usize) {
        self.position += amount as u64;
        // Too much is noticed by the next call, which may fail.
        let left = self.budget.0.load(Ordering::Relaxed).saturating_sub(amount as u64);
        self.budget.0.store(left, Ordering::Relaxed);
    }
}

impl Seek for Cursor {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.slice.size.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

impl Write for Cursor {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
