// SPDX-License-Identifier: Apache-2.0
//! A decoded disk in a file: hashed on its way, and what is in front of ROOT put into a second file in the same go.

use crate::blocks::{BlockList, Lister};
use crate::decode::{Sink, SinkError};
use crate::host::files::Pending;

/// Bytes after which the disk is set to work on the second file.
const STEP_BYTES: u64 = 32 << 20;

/// A partition table begins with 34 sectors; where they are there, so is all that shows how the disk is laid out.
const TABLE_BYTES: u64 = 34 * 512;

/// Is called once, with the file, when the first sectors of the disk are in it, and says up to which byte a second file is
/// to take the same.
pub type Look<'a> = &'a mut (dyn FnMut(&Pending) -> u64 + Send);

/// A file that takes a decoded disk, and a second one that takes its beginning: writing bytes twice while they are at hand
/// costs less than reading them again.
pub struct Kept<'a> {
    pending: Pending,
    twin: Option<&'a Pending>,
    look: Option<Look<'a>>,
    /// Where the twin ends: at first nobody knows.
    twin_end: u64,
    lister: Lister,
    /// Where the next step begins.
    step: u64,
    size: u64,
}

impl<'a> Kept<'a> {
    /// Takes empty files.
    pub fn new(pending: Pending, twin: Option<&'a Pending>, look: Look<'a>) -> Self {
        let (lister, look) = (Lister::default(), Some(look));
        Self { pending, twin, look, twin_end: u64::MAX, lister, step: 0, size: 0 }
    }

    /// Returns the file and the list of its blocks.
    pub fn into_parts(self) -> (Pending, BlockList) {
        (self.pending, self.lister.finish(self.size))
    }

    fn write_twin(&mut self, twin: &Pending, bytes: &[u8], offset: u64) -> Result<(), SinkError> {
        let len = self.twin_end.saturating_sub(offset).min(bytes.len() as u64);
        twin.write_at(&bytes[..len as usize], offset)?;
        // Only this one is waited for in the end.
        let end = offset + len;
        if end.saturating_sub(self.step) >= STEP_BYTES {
            twin.begin_sync(self.step, end - self.step);
            self.step = end;
        }
        Ok(())
    }
}

impl Sink for Kept<'_> {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> Result<(), SinkError> {
        self.pending.write_at(bytes, offset)?;
        if let Some(look) = self.look.take_if(|_| offset + bytes.len() as u64 >= TABLE_BYTES) {
            self.twin_end = look(&self.pending);
        }
        if let Some(twin) = self.twin.filter(|_| offset < self.twin_end) {
            self.write_twin(twin, bytes, offset)?;
        }
        self.lister.push(bytes, offset);
        Ok(())
    }

    fn finish(&mut self, size: u64) -> Result<(), SinkError> {
        self.size = size;
        Ok(self.pending.set_size(size)?)
    }
}

impl std::fmt::Debug for Kept<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("pending", &self.pending).finish_non_exhaustive()
    }
}
