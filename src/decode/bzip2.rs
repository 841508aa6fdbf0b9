// SPDX-License-Identifier: Apache-2.0
//! bzip2 on several cores: a file is cut at everything that looks like a block's magic, and each piece can be decoded
//! alone.
//!
//! A magic is 48 bits at any bit offset, and the same bits may turn up inside a block. So a cut is only a guess:
//! [`Block`] tells whether its block ends exactly at the cut, and one that does not is fed the following pieces until
//! it does. It decodes no Huffman code itself; that is libbz2's work. Format: bzip2 1.0.8 `decompress.c`.

mod block;
mod chain;
mod split;

pub use block::{Block, Fed};
pub use chain::Chain;
pub use split::Splitter;

use super::Fault;

/// Starts a block: BCD of pi.
const BLOCK_MAGIC: u64 = 0x3141_5926_5359;
/// Starts the end of a stream: BCD of the square root of pi.
const END_MAGIC: u64 = 0x1772_4538_5090;
const MAGIC_BITS: u64 = 48;
/// Bits of "BZh" and the level.
const HEAD_BITS: u64 = 32;
const CRC_BITS: u64 = 32;

/// What a [`Segment`] starts with, which tells what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The start of the file: the first stream's header.
    Head,
    /// A block's magic.
    Block,
    /// The magic of a stream's end; the next stream's header may follow.
    End,
}

/// The bits from one magic to the next, in whole bytes.
#[derive(Debug)]
pub struct Segment {
    kind: Kind,
    /// What the following segment is; none: the file ends.
    next: Option<Kind>,
    /// Place of the first bit in the file.
    start_bit: u64,
    len_bits: u64,
    /// From the byte that holds the first bit to the one that holds the last.
    bytes: Vec<u8>,
}

impl Segment {
    /// Returns what it starts with.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the place in the file of the byte that holds the first bit.
    pub fn offset(&self) -> u64 {
        self.start_bit / 8
    }

    /// Returns the place in the file of the byte after the last whole one.
    pub fn end_offset(&self) -> u64 {
        (self.start_bit + self.len_bits) / 8
    }

    /// Returns `count` (up to 32) bits, the first of which has the number `from`; bits beyond the end are 0.
    fn bits(&self, from: u64, count: u64) -> u32 {
        let bit = |number: u64| {
            let place = self.start_bit % 8 + number;
            let byte = self.bytes.get((place / 8) as usize).copied().unwrap_or(0);
            u32::from(number < self.len_bits && byte >> (7 - place % 8) & 1 == 1)
        };
        (from..from + count).fold(0, |value, number| value << 1 | bit(number))
    }

    /// Returns the bits from number `from` on, moved to the start of a byte, with the next segment's magic behind them.
    fn aligned(&self, from: u64) -> Vec<u8> {
        let first = self.start_bit % 8 + from;
        let (skip, shift) = ((first / 8) as usize, first % 8);
        let len_bits = self.len_bits.saturating_sub(from);
        let source = self.bytes.get(skip..).unwrap_or(&[]);
        let mut bytes = Vec::with_capacity(source.len() + 8);
        bytes.extend(
            source.windows(2).map(|pair| pair[0] << shift | (u16::from(pair[1]) << shift >> 8) as u8),
        );
        bytes.extend(source.last().map(|last| last << shift));
        bytes.resize(len_bits.div_ceil(8) as usize, 0);
        append_magic(&mut bytes, len_bits, self.next);
        bytes
    }
}

/// Puts the magic of `next` behind the first `len_bits` of `bytes`, which has just as many bytes as they need.
fn append_magic(bytes: &mut Vec<u8>, len_bits: u64, next: Option<Kind>) {
    let magic = match next {
        Some(Kind::Block) => BLOCK_MAGIC,
        Some(Kind::End) => END_MAGIC,
        Some(Kind::Head) | None => return,
    };
    let used = len_bits % 8;
    let mut tail = (magic << (16 - used)).to_be_bytes().to_vec();
    if used > 0 {
        let last = bytes.pop().unwrap_or(0);
        tail[0] |= last & (0xff << (8 - used)) as u8;
    }
    // 48 bits and the used ones, up to the next whole byte.
    tail.truncate((used + MAGIC_BITS).div_ceil(8) as usize);
    bytes.extend(tail);
}

fn corrupt(why: &str) -> Fault {
    Fault::Corrupt("bzip2", why.to_owned())
}

const TRUNCATED: Fault = Fault::Truncated("bzip2");

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(start_bit: u64, len_bits: u64, next: Option<Kind>, bytes: &[u8]) -> Segment {
        Segment { kind: Kind::Block, next, start_bit, len_bits, bytes: bytes.to_vec() }
    }

    #[test]
    fn bits_are_moved_and_the_next_magic_follows() {
        let whole = segment(8, 16, Some(Kind::Block), &[0xab, 0xcd]);
        assert_eq!(whole.aligned(0), [0xab, 0xcd, 0x31, 0x41, 0x59, 0x26, 0x53, 0x59]);
        assert_eq!(whole.aligned(4), [0xbc, 0xd3, 0x14, 0x15, 0x92, 0x65, 0x35, 0x90]);
        let ragged = segment(4, 7, Some(Kind::End), &[0xfa, 0xbf]);
        assert_eq!(ragged.aligned(0), [0xaa, 0x2e, 0xe4, 0x8a, 0x70, 0xa1, 0x20]);
        assert_eq!(ragged.bits(0, 7), 0b101_0101);
        assert_eq!(segment(0, 8, None, &[1]).aligned(0), [1]);
    }

    #[test]
    fn two_magics_never_overlap_within_a_byte() {
        // Block relies on it: an end that lies up to seven bits beside a cut is no end.
        for (first, second) in [
            (BLOCK_MAGIC, BLOCK_MAGIC),
            (BLOCK_MAGIC, END_MAGIC),
            (END_MAGIC, BLOCK_MAGIC),
            (END_MAGIC, END_MAGIC),
        ] {
            for shift in 1..8 {
                let mask = (1_u64 << (MAGIC_BITS - shift)) - 1;
                assert_ne!(first & mask, second >> shift, "{first:x} {second:x} {shift}");
            }
        }
    }
}
