// SPDX-License-Identifier: Apache-2.0
//! A decoded disk in a file: hashed on its way, and on its way to the disk, before the last byte is decoded.

use crate::blocks::{BlockList, Lister};
use crate::decode::{Sink, SinkError};
use crate::host::files::Pending;

/// Bytes after which the disk is set to work on them.
const STEP_BYTES: u64 = 32 << 20;

/// A file that takes a decoded disk, and a second one that takes the same: writing bytes twice while they are at hand
/// costs less than reading them again.
#[derive(Debug)]
pub struct Kept {
    pending: Pending,
    twin: Option<Pending>,
    lister: Lister,
    /// Where the next step begins.
    step: u64,
    size: u64,
}

impl Kept {
    /// Takes empty files.
    pub fn new(pending: Pending, twin: Option<Pending>) -> Self {
        Self { pending, twin, lister: Lister::default(), step: 0, size: 0 }
    }

    /// Returns the files and the list of their blocks.
    pub fn into_parts(self) -> (Pending, Option<Pending>, BlockList) {
        (self.pending, self.twin, self.lister.finish(self.size))
    }

    fn files(&self) -> impl Iterator<Item = &Pending> {
        std::iter::once(&self.pending).chain(&self.twin)
    }
}

impl Sink for Kept {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> Result<(), SinkError> {
        self.files().try_for_each(|file| file.write_at(bytes, offset))?;
        self.lister.push(bytes, offset);
        let end = offset + bytes.len() as u64;
        if end - self.step >= STEP_BYTES {
            self.files().for_each(|file| file.begin_sync(self.step, end - self.step));
            self.step = end;
        }
        Ok(())
    }

    fn finish(&mut self, size: u64) -> Result<(), SinkError> {
        self.size = size;
        Ok(self.files().try_for_each(|file| file.set_size(size))?)
    }
}
