// SPDX-License-Identifier: Apache-2.0
//! A blob whose content arrives in order: written and hashed in one go.

use std::io;

use super::{Blob, Cache, CacheError};
use crate::digest::Hasher;
use crate::host::files::{FileError, Pending};

/// A blob in the making; dropped before [`Writer::finish`] it leaves nothing.
#[derive(Debug)]
pub struct Writer<'a> {
    cache: &'a Cache,
    pending: Pending,
    hasher: Hasher,
    size: u64,
}

impl<'a> Writer<'a> {
    pub(super) fn new(cache: &'a Cache, pending: Pending) -> Self {
        Self { cache, pending, hasher: Hasher::new(), size: 0 }
    }

    /// Appends `bytes`. Pieces of nothing but zeros become holes.
    ///
    /// # Errors
    /// As the system says, such as a full disk.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        if bytes.iter().any(|byte| *byte != 0) {
            self.pending.write_at(bytes, self.size)?;
        }
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Puts the blob in its place.
    ///
    /// # Errors
    /// As the system says.
    pub fn finish(self) -> Result<Blob, CacheError> {
        self.pending.set_size(self.size)?;
        let digest = self.hasher.finish();
        self.cache.put(self.pending, &digest)
    }
}

impl io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes).map_err(|error| error.source)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
