// SPDX-License-Identifier: Apache-2.0
//! The decoded disk as it grows: counts, stops at the limit, and hands on what is not zero.

use super::Cause;
use crate::decode::sparse::data_runs;
use crate::decode::{Fault, Sink};

/// Puts decoded bytes behind one another into a sink.
pub(super) struct Output<'a> {
    sink: &'a mut dyn Sink,
    size: u64,
    size_max: u64,
}

impl<'a> Output<'a> {
    pub(super) fn new(sink: &'a mut dyn Sink, size_max: u64) -> Self {
        Self { sink, size: 0, size_max }
    }

    /// Adds bytes, which may be zero.
    pub(super) fn data(&mut self, bytes: &[u8]) -> Result<(), Cause> {
        let start = self.size;
        self.zeros(bytes.len() as u64)?;
        for run in data_runs(bytes, start) {
            let offset = start + run.start as u64;
            self.sink.write_at(&bytes[run], offset).map_err(Cause::Sink)?;
        }
        Ok(())
    }

    /// Adds zeros.
    pub(super) fn zeros(&mut self, len: u64) -> Result<(), Cause> {
        if len > self.size_max - self.size {
            return Err(Fault::TooLarge(self.size_max).into());
        }
        self.size += len;
        Ok(())
    }

    /// Tells the sink that all is there and returns the size.
    pub(super) fn finish(self) -> Result<u64, Cause> {
        self.sink.finish(self.size).map_err(Cause::Sink)?;
        Ok(self.size)
    }
}
