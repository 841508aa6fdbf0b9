// SPDX-License-Identifier: Apache-2.0
//! A raw image: each extent at its place, copied inside the kernel where its source is a file, holes left as holes.

use std::io;
use std::ops::Range;

use super::{DiskReader, Image, WriteError};
use crate::disk::{Extent, ReadAt, Source};
use crate::host::files::Pending;
use crate::progress::Progress;

/// Bytes moved before the disk is set to work on them and the bar moves: a tenth of a second, and a large request.
const STEP: u64 = 32 << 20;

/// Writes a disk to a file that has nothing in it yet. The caller commits it.
///
/// # Errors
/// If a source can't be read or the file can't be written.
pub fn write_raw(disk: &DiskReader, pending: &Pending, progress: &dyn Progress) -> Result<(), WriteError> {
    write(disk, pending, progress, |_| true)
}

/// Writes what lies within `made` and is not the base's, which may still be on its way. [`write_raw_rest`] is to follow.
///
/// # Errors
/// As [`write_raw`].
pub fn write_raw_ahead(
    disk: &DiskReader,
    pending: &Pending,
    made: &Range<u64>,
    progress: &dyn Progress,
) -> Result<(), WriteError> {
    write(disk, pending, progress, |extent| is_ahead(extent, made))
}

/// Writes what is left after [`write_raw_ahead`] to a file that also has, in front of `made`, the base's bytes at the
/// base's own places.
///
/// # Errors
/// As [`write_raw`].
pub fn write_raw_rest(
    disk: &DiskReader,
    pending: &Pending,
    made: &Range<u64>,
    progress: &dyn Progress,
) -> Result<(), WriteError> {
    let is_there = |extent: &Extent| extent.is_in_place() && extent.end() <= made.start;
    write(disk, pending, progress, |extent| !is_ahead(extent, made) && !is_there(extent))
}

fn is_ahead(extent: &Extent, made: &Range<u64>) -> bool {
    made.start <= extent.offset && extent.end() <= made.end && !matches!(extent.source, Source::Base { .. })
}

/// Writes the extents that are wanted.
fn write(
    disk: &DiskReader,
    pending: &Pending,
    progress: &dyn Progress,
    is_wanted: impl Fn(&Extent) -> bool,
) -> Result<(), WriteError> {
    let id = pending.path().display().to_string();
    progress.begin(&id, "writing raw image", Some(disk.size()));
    pending.set_size(disk.size())?;
    let writer = Writer { disk, pending, progress, id: &id };
    let mut done = 0;
    for extent in &disk.disk().extents {
        let is_wanted = is_wanted(extent);
        let skipped = if is_wanted { extent.offset } else { extent.end() };
        progress.advance(&id, skipped - done);
        if is_wanted {
            writer.write(extent)?;
        }
        done = extent.end();
    }
    progress.advance(&id, disk.size() - done);
    progress.end(&id, "");
    Ok(())
}

struct Writer<'a> {
    disk: &'a DiskReader,
    pending: &'a Pending,
    progress: &'a dyn Progress,
    id: &'a str,
}

impl Writer<'_> {
    fn write(&self, extent: &Extent) -> Result<(), WriteError> {
        match &extent.source {
            Source::Bytes { bytes, start } => {
                self.pending.write_at(&bytes[*start..start + extent.len as usize], extent.offset)?;
                self.progress.advance(self.id, extent.len);
            }
            Source::Blob { digest, offset } => {
                let file = self.disk.sources().blob(digest).map_err(self.reading())?;
                for (skip, len) in steps(extent.len) {
                    self.pending.copy_from(&file, offset + skip, len, extent.offset + skip)?;
                    self.pending.begin_sync(extent.offset + skip, len);
                    self.progress.advance(self.id, len);
                }
            }
            Source::Base { offset } => self.write_base(extent, *offset)?,
        }
        Ok(())
    }

    /// Copies the data of an extent of the base, hole by hole.
    fn write_base(&self, extent: &Extent, offset: u64) -> Result<(), WriteError> {
        let base = self.disk.sources().base().map_err(self.reading())?;
        let (mut at, end) = (offset, offset + extent.len);
        while let Some(data) = base.next_data(at).map_err(self.reading())?.filter(|data| data.start < end) {
            self.progress.advance(self.id, data.start - at);
            let len = data.end.min(end) - data.start;
            self.copy(base, data.start, extent.offset + (data.start - offset), len)?;
            at = data.start + len;
        }
        self.progress.advance(self.id, end - at);
        Ok(())
    }

    fn copy(&self, base: &dyn Image, from: u64, to: u64, len: u64) -> Result<(), WriteError> {
        let mut buffer = Vec::new();
        for (skip, len) in steps(len) {
            match base.file() {
                Some(file) => self.pending.copy_from(file, from + skip, len, to + skip)?,
                None => self.copy_through(&mut buffer, base, from + skip, to + skip, len)?,
            }
            self.pending.begin_sync(to + skip, len);
            self.progress.advance(self.id, len);
        }
        Ok(())
    }

    /// Copies what is no plain file, such as a qcow2 base.
    fn copy_through(
        &self,
        buffer: &mut Vec<u8>,
        base: &dyn Image,
        from: u64,
        to: u64,
        len: u64,
    ) -> Result<(), WriteError> {
        const PIECE: u64 = 1 << 20;
        for skip in (0..len).step_by(PIECE as usize) {
            buffer.resize(PIECE.min(len - skip) as usize, 0);
            base.read_at(buffer, from + skip).map_err(self.reading())?;
            self.pending.write_at(buffer, to + skip)?;
        }
        Ok(())
    }

    fn reading(&self) -> impl Fn(io::Error) -> WriteError + '_ {
        WriteError::reading(self.pending)
    }
}

/// Cuts a length into steps; returns where each begins and its length.
fn steps(len: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..len).step_by(STEP as usize).map(move |skip| (skip, STEP.min(len - skip)))
}
