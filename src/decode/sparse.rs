// SPDX-License-Identifier: Apache-2.0
//! Where the zeros lie: decoded bytes are cut at aligned 4 KiB grains, and grains of zeros stay holes.

use std::ops::Range;

/// The unit in which zeros are looked for: the block size of the filesystems that kiln's outputs lie on.
pub const GRAIN_BYTES: usize = 4096;

static ZEROS: [u8; GRAIN_BYTES] = [0; GRAIN_BYTES];

/// Tells whether all of `bytes` are zero.
pub fn is_zero(bytes: &[u8]) -> bool {
    // Comparing with a page of zeros is a call of memcmp, which knows the widest instructions.
    bytes.chunks(GRAIN_BYTES).all(|chunk| chunk == &ZEROS[..chunk.len()])
}

/// Returns the runs of `bytes` that hold something, cut at multiples of [`GRAIN_BYTES`] of the disk.
///
/// `offset` is the place of the first byte on the disk. Runs are as long as they can be.
pub fn data_runs(bytes: &[u8], offset: u64) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    while start < bytes.len() {
        let place = (offset + start as u64) % GRAIN_BYTES as u64;
        let end = (start + GRAIN_BYTES - place as usize).min(bytes.len());
        if !is_zero(&bytes[start..end]) {
            match runs.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => runs.push(start..end),
            }
        }
        start = end;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grains_are_aligned_to_the_disk() {
        let mut bytes = vec![0; 5 * GRAIN_BYTES];
        bytes[4096] = 1;
        bytes[8192] = 1;
        bytes[5 * 4096 - 1] = 1;
        assert_eq!(data_runs(&bytes, 0), [4096..12288, 16384..20480]);
        assert_eq!(data_runs(&bytes, 4095), [1..8193, 16385..20480]);
        assert_eq!(data_runs(&bytes[..4096], 7), []);
        assert_eq!(data_runs(&[], 7), []);
    }
}
