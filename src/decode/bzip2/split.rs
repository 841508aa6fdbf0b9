// SPDX-License-Identifier: Apache-2.0
//! Cutting a bzip2 file at everything that looks like a magic. Judges nothing: false magics are cut at as well.

use super::{BLOCK_MAGIC, END_MAGIC, Fault, Kind, MAGIC_BITS, Segment, corrupt};

/// Bytes that a magic at any bit offset touches.
const SPAN_BYTES: usize = 7;

/// Longest block: 900,001 symbols of at most 20 bits, 18,002 selectors of at most 6 bits and the code tables, which
/// is 2.27 MB. Without a magic for longer than that, it is no bzip2.
const SEGMENT_MAX_BYTES: usize = 2_400_000;

/// Cuts a file, given piece by piece, into [`Segment`]s.
#[derive(Debug)]
pub struct Splitter {
    buffer: Vec<u8>,
    /// Place of the buffer's first byte in the file.
    origin: u64,
    /// Where in the buffer the search goes on.
    scanned: usize,
    /// The segment that is still growing.
    open: (Kind, u64),
    /// Pairs of bytes that can be inside a magic.
    pairs: Vec<bool>,
}

impl Default for Splitter {
    fn default() -> Self {
        Self { buffer: Vec::new(), origin: 0, scanned: 0, open: (Kind::Head, 0), pairs: pairs() }
    }
}

impl Splitter {
    /// Takes the next bytes of the file and returns the segments that they complete.
    ///
    /// # Errors
    /// If no block can be as long as what lies between two magics.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Segment>, Fault> {
        self.buffer.extend_from_slice(bytes);
        let mut segments = Vec::new();
        // Every fourth pair: each magic holds four whole pairs, one of which begins there.
        while self.scanned + 2 + SPAN_BYTES <= self.buffer.len() {
            let at = self.scanned;
            if self.pairs[usize::from(self.buffer[at]) << 8 | usize::from(self.buffer[at + 1])] {
                self.cut_around(at, &mut segments);
            }
            self.scanned += 4;
        }
        self.forget();
        if self.buffer.len() > SEGMENT_MAX_BYTES + bytes.len() {
            return Err(corrupt("no block begins for longer than a block can be"));
        }
        Ok(segments)
    }

    /// The file ends: returns the last segment.
    pub fn finish(mut self) -> Vec<Segment> {
        let mut segments = Vec::new();
        // So that the search reaches the last bytes; a magic that needs the added zeros would be cut off anyway.
        let len = self.buffer.len();
        self.buffer.resize(len + 2 * SPAN_BYTES, 0);
        for at in self.scanned..len {
            self.cut_around(at, &mut segments);
        }
        let end_bit = (self.origin + len as u64) * 8;
        segments.push(self.close(end_bit, None));
        segments
    }

    /// Cuts at the magics of which the pair at `at` is the second, third, fourth or fifth.
    fn cut_around(&mut self, at: usize, segments: &mut Vec<Segment>) {
        for base in at.saturating_sub(4)..at {
            let Some(span) = self.buffer.get(base..base + SPAN_BYTES) else { continue };
            let bits = span.iter().fold(0, |bits: u64, byte| bits << 8 | u64::from(*byte));
            for shift in 0..8 {
                let start_bit = (self.origin + base as u64) * 8 + shift;
                if let Some(kind) = magic_of(bits >> (8 - shift)).filter(|_| start_bit > self.open.1) {
                    let segment = self.close(start_bit, Some(kind));
                    segments.push(segment);
                    self.open = (kind, start_bit);
                }
            }
        }
    }

    fn close(&self, end_bit: u64, next: Option<Kind>) -> Segment {
        let (kind, start_bit) = self.open;
        let first = (start_bit / 8 - self.origin) as usize;
        let last = (end_bit.div_ceil(8) - self.origin) as usize;
        let bytes = self.buffer[first..last].to_vec();
        Segment { kind, next, start_bit, len_bits: end_bit - start_bit, bytes }
    }

    /// Drops the bytes before the open segment.
    fn forget(&mut self) {
        let done = (self.open.1 / 8 - self.origin) as usize;
        // The search looks back four bytes; they lie in the open segment or were part of its magic.
        let done = done.min(self.scanned.saturating_sub(4));
        self.buffer.drain(..done);
        self.origin += done as u64;
        self.scanned -= done;
    }
}

fn magic_of(bits: u64) -> Option<Kind> {
    match bits & ((1 << MAGIC_BITS) - 1) {
        BLOCK_MAGIC => Some(Kind::Block),
        END_MAGIC => Some(Kind::End),
        _ => None,
    }
}

/// Marks the pairs of neighbouring bytes that lie wholly inside a magic at one of the eight bit offsets.
fn pairs() -> Vec<bool> {
    let mut pairs = vec![false; 1 << 16];
    for magic in [BLOCK_MAGIC, END_MAGIC] {
        for shift in 0..8 {
            let span = (magic << (16 - shift)).to_be_bytes();
            // The first and the last byte of a shifted magic are shared with its neighbours.
            for pair in span[1..6].windows(2) {
                pairs[usize::from(pair[0]) << 8 | usize::from(pair[1])] = true;
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_magic_is_found_wherever_it_lies(
            gaps in proptest::collection::vec((0_u64..200, any::<bool>()), 1..20),
            piece in 1_usize..64,
        ) {
            let (bits, expected) = drawn(&gaps);
            let mut splitter = Splitter::default();
            let mut found = Vec::new();
            for part in bits.chunks(piece) {
                found.extend(splitter.push(part).unwrap());
            }
            found.extend(splitter.finish());
            let cuts: Vec<(Kind, u64)> = found[1..].iter().map(|s| (s.kind, s.start_bit)).collect();
            prop_assert_eq!(cuts, expected);
            let whole: u64 = found.iter().map(|segment| segment.len_bits).sum();
            prop_assert_eq!(whole, bits.len() as u64 * 8);
        }
    }

    /// Returns bytes with a magic after each gap of ones, and where the magics are.
    fn drawn(gaps: &[(u64, bool)]) -> (Vec<u8>, Vec<(Kind, u64)>) {
        let mut bits: Vec<bool> = vec![true];
        let mut expected = Vec::new();
        for (gap, block) in gaps {
            bits.extend((0..*gap).map(|_| true));
            let (kind, magic) = if *block { (Kind::Block, BLOCK_MAGIC) } else { (Kind::End, END_MAGIC) };
            expected.push((kind, bits.len() as u64));
            bits.extend((0..MAGIC_BITS).rev().map(|number| magic >> number & 1 == 1));
        }
        bits.resize(bits.len().next_multiple_of(8), true);
        let byte = |eight: &[bool]| eight.iter().fold(0, |byte: u8, bit| byte << 1 | u8::from(*bit));
        (bits.chunks(8).map(byte).collect(), expected)
    }

    #[test]
    fn a_file_without_a_magic_is_refused_soon() {
        let mut splitter = Splitter::default();
        let error = (0..100).find_map(|_| splitter.push(&[7; 1 << 20]).err());
        assert!(error.is_some() && splitter.buffer.len() < 5 << 20);
    }
}
