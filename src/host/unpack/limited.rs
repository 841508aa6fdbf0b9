// SPDX-License-Identifier: Apache-2.0
//! A reader that ends what would never end.

use std::io::{self, Read};

/// More than any release unpacks to (Kubernetes' server archive, the largest, to 1.5 GB).
pub(super) const BYTES_MAX: u64 = 8 << 30;

/// Says that a [`Limited`] reader has given all that it may.
#[derive(Debug, thiserror::Error)]
#[error("more than {BYTES_MAX} bytes")]
pub(super) struct Exceeded;

/// A reader that fails when it has given too much: a few kilobytes can unpack to terabytes.
pub(super) struct Limited {
    inner: Box<dyn Read>,
    left: u64,
}

impl Limited {
    pub(super) fn new(inner: Box<dyn Read>) -> Self {
        Self { inner, left: BYTES_MAX }
    }
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other(Exceeded)),
        }
        Ok(count)
    }
}
