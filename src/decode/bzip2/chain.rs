// SPDX-License-Identifier: Apache-2.0
//! What holds the blocks together: stream headers, ends and the checksum over a stream's blocks.

use super::{CRC_BITS, Fault, HEAD_BITS, Kind, MAGIC_BITS, Segment, TRUNCATED, corrupt};

/// Follows a file's segments in order; each call is one that the segment's kind asks for.
#[derive(Debug, Default)]
pub struct Chain {
    /// Checksum over the blocks of the stream so far.
    crc: u32,
}

impl Chain {
    /// Checks the start of the file.
    ///
    /// # Errors
    /// If it is no stream header, or something else than a block or an end follows.
    pub fn head(&self, segment: &Segment) -> Result<(), Fault> {
        if !is_head(segment.bits(0, HEAD_BITS)) {
            return Err(corrupt("the header is not BZh and a level from 1 to 9"));
        }
        match segment.next {
            None => Err(TRUNCATED),
            Some(_) if segment.len_bits != HEAD_BITS => Err(corrupt("no block follows the header")),
            Some(_) => Ok(()),
        }
    }

    /// Adds a block that was found whole, by its own checksum.
    pub fn block(&mut self, crc: u32) {
        self.crc = self.crc.rotate_left(1) ^ crc;
    }

    /// Checks the end of a stream and the header of the next one, if any.
    ///
    /// # Errors
    /// If the stream's checksum is wrong, or something else follows.
    pub fn end(&mut self, segment: &Segment) -> Result<(), Fault> {
        let crc_end = MAGIC_BITS + CRC_BITS;
        if segment.len_bits < crc_end {
            return Err(TRUNCATED);
        }
        if segment.bits(MAGIC_BITS, CRC_BITS) != self.crc {
            return Err(corrupt("the checksum over all blocks is wrong"));
        }
        self.crc = 0;
        // Streams begin at whole bytes; what is skipped for that is not looked at, as in bzip2 itself.
        let used = (segment.start_bit % 8 + crc_end).next_multiple_of(8) - segment.start_bit % 8;
        match (segment.len_bits.saturating_sub(used), segment.next) {
            (0, None) => Ok(()),
            (HEAD_BITS, Some(Kind::Block | Kind::End)) if is_head(segment.bits(used, HEAD_BITS)) => Ok(()),
            (HEAD_BITS.., None) if is_head(segment.bits(used, HEAD_BITS)) => Err(TRUNCATED),
            _ => Err(Fault::Trailing("bzip2")),
        }
    }
}

fn is_head(bits: u32) -> bool {
    let [b, z, h, level] = bits.to_be_bytes();
    [b, z, h] == *b"BZh" && (b'1'..=b'9').contains(&level)
}
