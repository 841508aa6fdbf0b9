// SPDX-License-Identifier: Apache-2.0
//! Facts about blobs that cost a read of the whole blob, kept in the cache under its digest.

use std::io::{self, Read};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::check;
use super::check::facts::{BlobFacts, FACTS_VERSION};
use super::check::scan::scan_blob;
use super::desk::Desk;
use super::error::BakeError;
use super::plan::Looked;
use crate::digest::Digest;
use crate::host::files::{self, FileError};
use crate::tree::Tree;

/// What a blob's bytes tell.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Facts {
    /// Which parts are more than zeros. Found in the bytes and not in the holes of the cache's file, because the image
    /// must not depend on the filesystem that the cache lies on.
    pub data: Vec<Range<u64>>,
    /// What the checks want to know.
    pub checked: BlobFacts,
}

/// Returns the facts about everything that the trees hold.
pub(super) fn look(trees: &[&Tree], desk: &Desk<'_>) -> Result<Looked, BakeError> {
    let mut looked = Looked::default();
    for digest in check::blobs(trees) {
        looked.blobs.insert(digest, of_blob(&digest, desk)?.checked);
    }
    for digest in check::unit_blobs(trees) {
        let path = desk.cache.get(&digest).ok_or_else(|| lost(&digest, desk))?.path;
        looked.units.insert(digest, files::read(&path, UNIT_MAX_BYTES)?);
    }
    Ok(looked)
}

/// More than a unit may have.
const UNIT_MAX_BYTES: u64 = 16 << 20;

fn lost(digest: &Digest, desk: &Desk<'_>) -> BakeError {
    BakeError::lost(desk.cache, digest, &format!("blob {digest}"))
}

/// Returns the facts about one blob, reading it only if nobody has before.
pub(super) fn of_blob(digest: &Digest, desk: &Desk<'_>) -> Result<Facts, BakeError> {
    let (kind, key) = (format!("facts-{FACTS_VERSION}"), digest.to_string());
    let kept = desk.cache.record_get(&kind, &key)?;
    if let Some(kept) = kept.and_then(|json| serde_json::from_slice(&json).ok()) {
        return Ok(kept);
    }
    let path = desk.cache.get(digest).ok_or_else(|| lost(digest, desk))?.path;
    let mut reader = Grains::new(files::open(&path)?);
    let checked = scan_blob(&mut reader).map_err(FileError::at("read", &path))?;
    let facts = Facts { data: reader.into_data(), checked };
    let json = serde_json::to_vec(&facts).expect("numbers and strings are always JSON");
    desk.cache.record_put(&kind, &key, &json)?;
    Ok(facts)
}

/// Zeros are left out in whole, aligned grains of 64 KiB: finer holes would cost more extents than they save blocks.
const GRAIN: u64 = 64 << 10;

/// A reader that notes which grains of what passes hold more than zeros.
struct Grains<R> {
    inner: R,
    offset: u64,
    data: Vec<Range<u64>>,
}

impl<R: Read> Grains<R> {
    fn new(inner: R) -> Self {
        Self { inner, offset: 0, data: Vec::new() }
    }

    fn note(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let end = (self.offset / GRAIN + 1) * GRAIN;
            let (piece, after) = rest.split_at(rest.len().min((end - self.offset) as usize));
            if piece.iter().any(|byte| *byte != 0) {
                self.keep(end - GRAIN..end);
            }
            (self.offset, rest) = (self.offset + piece.len() as u64, after);
        }
    }

    fn keep(&mut self, grain: Range<u64>) {
        match self.data.last_mut() {
            Some(last) if last.end >= grain.start => last.end = grain.end,
            _ => self.data.push(grain),
        }
    }

    /// Returns the ranges; the last ends where the content does.
    fn into_data(mut self) -> Vec<Range<u64>> {
        if let Some(last) = self.data.last_mut() {
            last.end = last.end.min(self.offset);
        }
        self.data
    }
}

impl<R: Read> Read for Grains<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.note(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(bytes: &[u8], step: usize) -> Vec<Range<u64>> {
        let mut grains = Grains::new(io::empty());
        bytes.chunks(step).for_each(|piece| grains.note(piece));
        grains.into_data()
    }

    #[test]
    fn whole_grains_of_zeros_are_left_out_however_they_arrive() {
        let grain = GRAIN as usize;
        let mut bytes = vec![0; 4 * grain + 10];
        bytes[grain + 5] = 1;
        bytes[4 * grain + 9] = 1;
        for step in [1000, grain, 3 * grain + 1, bytes.len()] {
            assert_eq!(data(&bytes, step), [GRAIN..2 * GRAIN, 4 * GRAIN..4 * GRAIN + 10]);
        }
        assert!(data(&[0; 10], 3).is_empty());
        assert_eq!(data(&vec![1; 2 * grain + 1], 7), [0..2 * GRAIN + 1]);
    }
}
