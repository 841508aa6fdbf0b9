// SPDX-License-Identifier: Apache-2.0
//! A decoded disk in a file: hashed on its way, and on its way to the disk, before the last byte is decoded.

use crate::blocks::{BlockList, Lister};
use crate::decode::{Sink, SinkError};
use crate::host::files::Pending;

/// Bytes after which the disk is set to work on them.
const STEP_BYTES: u64 = 32 << 20;

/// A file that takes a decoded disk.
#[derive(Debug)]
pub struct Kept {
    pending: Pending,
    lister: Lister,
    /// Where the next step begins.
    step: u64,
    size: u64,
}

impl Kept {
    /// Takes an empty file.
    pub fn new(pending: Pending) -> Self {
        Self { pending, lister: Lister::default(), step: 0, size: 0 }
    }

    /// Returns the file and the list of its blocks.
    pub fn into_parts(self) -> (Pending, BlockList) {
        (self.pending, self.lister.finish(self.size))
    }
}

impl Sink for Kept {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> Result<(), SinkError> {
        self.pending.write_at(bytes, offset)?;
        self.lister.push(bytes, offset);
        let end = offset + bytes.len() as u64;
        if end - self.step >= STEP_BYTES {
            self.pending.begin_sync(self.step, end - self.step);
            self.step = end;
        }
        Ok(())
    }

    fn finish(&mut self, size: u64) -> Result<(), SinkError> {
        self.size = size;
        Ok(self.pending.set_size(size)?)
    }
}
