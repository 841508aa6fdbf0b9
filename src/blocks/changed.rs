// SPDX-License-Identifier: Apache-2.0
//! How one block of an image differs from the same block of another.

use std::ops::Range;

use super::BLOCK;
use crate::decode::sparse::is_zero;

/// Bytes that are looked at together: an inode of ext4, the smallest thing that is ever named.
const GRAIN: usize = 256;

/// A block in which two images differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its index: offset / 512 KiB.
    pub index: u64,
    /// Whether it is all zero in the second image.
    pub is_zero: bool,
    /// Where, in bytes of the disk: of each 256 bytes those from the first to the last that differ, neighbours joined.
    pub ranges: Vec<Range<u64>>,
}

impl Changed {
    /// Compares two images' bytes of block `index`, which both have [`BLOCK`] of them; none: they are the same.
    pub fn of(index: u64, first: &[u8], second: &[u8]) -> Option<Self> {
        if first == second {
            return None;
        }
        let mut ranges: Vec<Range<u64>> = Vec::new();
        let grains = first.chunks(GRAIN).zip(second.chunks(GRAIN));
        for (start, (one, other)) in (index * BLOCK..).step_by(GRAIN).zip(grains) {
            let Some(range) = differing(one, other) else { continue };
            let range = start + range.start..start + range.end;
            match ranges.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => ranges.push(range),
            }
        }
        Some(Self { index, is_zero: is_zero(second), ranges })
    }
}

/// Returns the bytes from the first to the last that differ.
fn differing(one: &[u8], other: &[u8]) -> Option<Range<u64>> {
    if one == other {
        return None;
    }
    let unlike = |(at, (a, b)): (usize, (&u8, &u8))| (a != b).then_some(at as u64);
    let first = one.iter().zip(other).enumerate().find_map(unlike)?;
    let last = one.iter().zip(other).enumerate().rev().find_map(unlike)?;
    Some(first..last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_exact_and_neighbours_are_joined() {
        let first = vec![1; BLOCK as usize];
        assert_eq!(Changed::of(3, &first, &first), None);
        let mut second = first.clone();
        second[7] = 0;
        second[1000..1100].fill(2);
        let changed = Changed::of(3, &first, &second).unwrap();
        let start = 3 * BLOCK;
        assert_eq!(changed.ranges, [start + 7..start + 8, start + 1000..start + 1100]);
        assert!(!changed.is_zero);
        let zero = vec![0; BLOCK as usize];
        let changed = Changed::of(0, &first, &zero).unwrap();
        assert_eq!((changed.is_zero, changed.ranges), (true, vec![0..BLOCK]));
    }
}
