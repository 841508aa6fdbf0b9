// SPDX-License-Identifier: Apache-2.0
//! One bzip2 block, decoded alone. Knows nothing of streams and their combined checksums.

use std::fmt;

use bzip2::Decompress;

use super::{Fault, Segment, TRUNCATED, corrupt};

/// Output comes in pieces of this size: small enough for a core's own cache.
const PIECE_BYTES: usize = 256 << 10;

const NO_MAGIC: &str = "a block is followed by neither a block nor an end";

/// A block that is being decoded.
pub struct Block {
    decompress: Decompress,
    /// Bytes that have been given to it.
    fed: u64,
    /// Bits of the next segment that have been fed already.
    ahead: u64,
    /// The block's first bytes: its magic and its checksum, between which a false magic may have been cut at.
    head: Vec<u8>,
}

const HEAD_BYTES: usize = 10;

/// How far a segment brought a [`Block`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fed {
    /// The block ended exactly at the segment's end, and its checksum, which this is, is right.
    Whole(u32),
    /// The block goes on: the magic at the segment's end was none.
    Open,
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("ahead", &self.ahead).finish_non_exhaustive()
    }
}

impl Default for Block {
    fn default() -> Self {
        // Level 9, whatever the stream says, so that a block needs no stream: it is a limit of memory (3.6 MB).
        let mut block = Self { decompress: Decompress::new(false), fed: 0, ahead: 0, head: Vec::new() };
        block.run(b"BZh9", &mut [0]).expect("a header is no data yet");
        block
    }
}

impl Block {
    /// Decodes on with `segment`; output goes to `emit`, but none before the block's last bit is known to lie at the
    /// segment's end.
    ///
    /// # Errors
    /// If the block is corrupt, or ends elsewhere than at a magic.
    pub fn feed(&mut self, segment: &Segment, emit: &mut dyn FnMut(&[u8])) -> Result<Fed, Fault> {
        let bytes = segment.aligned(self.ahead);
        let len_bits = segment.len_bits.saturating_sub(self.ahead);
        let end = len_bits.div_ceil(8) as usize;
        let head_missing = (HEAD_BYTES - self.head.len()).min(end);
        self.head.extend_from_slice(&bytes[..head_missing]);
        let mut output = vec![0; PIECE_BYTES];
        // A block gives no byte before its last bit is read: a byte too early means that it ends before the cut.
        let (early, last) = bytes[..end].split_at((len_bits / 8).saturating_sub(1) as usize);
        let produced = self.run(early, &mut output)?;
        if produced > 0 {
            let at_end = segment.next.is_none();
            return Err(if at_end { TRUNCATED } else { corrupt(NO_MAGIC) });
        }
        if segment.next.is_none() {
            // The last byte is filled up with bits that the file does not have.
            return Err(TRUNCATED);
        }
        let produced = self.run(last, &mut output)?;
        if self.decompress.total_in() != self.fed {
            return Err(corrupt(NO_MAGIC));
        }
        if produced == 0 {
            self.ahead = (end as u64 * 8).saturating_sub(len_bits);
            return Ok(Fed::Open);
        }
        emit(&output[..produced]);
        self.drain(&bytes[end..], &mut output, emit)?;
        Ok(Fed::Whole(self.crc()))
    }

    fn crc(&self) -> u32 {
        self.head.iter().skip(6).fold(0, |crc, byte| crc << 8 | u32::from(*byte))
    }

    /// Writes out the block and reads the magic behind it, which fails unless it begins at the very bit.
    fn drain(&mut self, magic: &[u8], output: &mut [u8], emit: &mut dyn FnMut(&[u8])) -> Result<(), Fault> {
        loop {
            let produced = self.run(&[], output)?;
            if produced == 0 {
                break;
            }
            emit(&output[..produced]);
        }
        match self.run(magic, output)? {
            0 => Ok(()),
            _ => Err(corrupt("a block goes on after its end")),
        }
    }

    /// Feeds `input`, of which nothing is left unless the block ended before; returns how many bytes came out.
    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize, Fault> {
        let before = self.decompress.total_out();
        self.fed += input.len() as u64;
        match self.decompress.decompress(input, output) {
            Ok(_) => Ok((self.decompress.total_out() - before) as usize),
            Err(bzip2::Error::DataMagic) => Err(corrupt("a magic number is wrong")),
            Err(_) => Err(corrupt("a block can't be decoded or its checksum is wrong")),
        }
    }
}
