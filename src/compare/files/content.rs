// SPDX-License-Identifier: Apache-2.0
//! Where the bytes of two files begin to differ.

use std::io::{self, Read};

use crate::read::{Fault, FileSystem};
use crate::tree::TreePath;

/// Bytes that are compared at once.
const PIECE_BYTES: usize = 256 << 10;

/// Returns the offset of the first byte in which the files at `path` differ, or where the shorter one ends; none: they are
/// the same.
pub(super) fn first_difference(
    first: &dyn FileSystem,
    second: &dyn FileSystem,
    path: &TreePath,
) -> Result<Option<u64>, Fault> {
    let (mut first, mut second) = (first.open(path)?, second.open(path)?);
    let (mut one, mut other) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
    let mut offset = 0;
    loop {
        let (ones, others) = (fill(&mut *first, &mut one)?, fill(&mut *second, &mut other)?);
        let (ones, others) = (&one[..ones], &other[..others]);
        if ones != others {
            let same = ones.iter().zip(others).take_while(|(a, b)| a == b).count();
            return Ok(Some(offset + same as u64));
        }
        if ones.len() < PIECE_BYTES {
            return Ok(None);
        }
        offset += PIECE_BYTES as u64;
    }
}

/// Fills `buffer` as far as there are bytes.
fn fill(from: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_reads_fill_a_piece() {
        let mut from = (&b"abc"[..]).chain(&b"defg"[..]);
        let mut buffer = [0; 5];
        assert_eq!(fill(&mut from, &mut buffer).unwrap(), 5);
        assert_eq!(&buffer, b"abcde");
        assert_eq!(fill(&mut from, &mut buffer).unwrap(), 2);
    }
}
