// SPDX-License-Identifier: Apache-2.0
//! One compressed cluster to its bytes. A cluster's length is known, so nothing hostile can make it longer.

use std::io::Read;

use super::header::{Compression, Error};

/// A frame may ask for a window of 2^this bytes: 16 MiB, where the largest cluster has 2.
const WINDOW_LOG_MAX: u32 = 24;

/// Unpacks one cluster of `len` bytes; what follows its data up to the end of the sector is no concern.
pub(super) fn unpack(packed: &[u8], compression: Compression, len: usize) -> Result<Vec<u8>, Error> {
    let mut cluster = vec![0; len];
    let filled = match compression {
        Compression::Zlib => inflate(packed, &mut cluster),
        Compression::Zstd => {
            let mut stream = zstd::Decoder::with_buffer(packed)?.single_frame();
            stream.window_log_max(WINDOW_LOG_MAX)?;
            fill(&mut stream, &mut cluster)
        }
    };
    if filled != len {
        return Err(Error::Damaged(format!("a compressed cluster unpacks to {filled} bytes, not {len}")));
    }
    Ok(cluster)
}

/// Unpacks raw deflate, without zlib's header; returns the bytes that came out.
fn inflate(packed: &[u8], cluster: &mut [u8]) -> usize {
    let mut inflate = flate2::Decompress::new(false);
    // An error is one of the bytes counted: too few have come out.
    let _ = inflate.decompress(packed, cluster, flate2::FlushDecompress::Finish);
    inflate.total_out() as usize
}

/// Reads until `buffer` is full or the stream ends or fails; returns the bytes read.
fn fill(stream: &mut impl Read, buffer: &mut [u8]) -> usize {
    let mut filled = 0;
    while filled < buffer.len() {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) | Err(_) => break,
            Ok(count) => filled += count,
        }
    }
    filled
}
