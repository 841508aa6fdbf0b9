// SPDX-License-Identifier: Apache-2.0
//! A file from its start to its end, of which holes are not read.

use std::path::Path;

use crate::disk::ReadAt;
use crate::host::disk::RawFile;
use crate::host::files::{self, FileError};

/// A part of a file.
pub(super) enum Piece<'a> {
    /// Its bytes.
    Data(&'a [u8]),
    /// So many zeros that take no space.
    Hole(u64),
}

/// Feeds a file piece by piece, each with its offset, and returns its size.
pub(super) fn read(path: &Path, feed: &mut dyn FnMut(Piece<'_>, u64)) -> Result<u64, FileError> {
    let failed = || FileError::at("read", path);
    let file = RawFile::new(files::open(path)?).map_err(failed())?;
    let (mut buffer, mut at) = (vec![0; 1 << 20], 0);
    while let Some(data) = file.next_data(at).map_err(failed())? {
        if data.start > at {
            feed(Piece::Hole(data.start - at), at);
        }
        at = data.start.max(at);
        while at < data.end {
            let piece = &mut buffer[..(data.end - at).min(1 << 20) as usize];
            file.read_at(piece, at).map_err(failed())?;
            feed(Piece::Data(piece), at);
            at += piece.len() as u64;
        }
    }
    if at < file.size() {
        feed(Piece::Hole(file.size() - at), at);
    }
    Ok(file.size())
}

impl Piece<'_> {
    /// Returns its length in bytes.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Data(bytes) => bytes.len() as u64,
            Self::Hole(len) => *len,
        }
    }
}
