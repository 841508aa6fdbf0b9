// SPDX-License-Identifier: Apache-2.0
//! What a file consists of: which of its blocks hold data, and which bytes go where once they have places.

use std::ops::Range;
use std::sync::Arc;

use super::error::Error;
use super::extents::Run;
use super::geometry::BLOCK_BYTES;
use crate::disk::{Extent, Source};
use crate::tree::{Content, TreePath};

/// Block numbers within a file have 32 bits, and the last is not used.
const MOST_BYTES: u64 = u32::MAX as u64 * BLOCK_BYTES;

/// Returns the byte ranges of `content` that are not holes.
pub(super) fn data_bytes(content: &Content, path: &TreePath) -> Result<Vec<Range<u64>>, Error> {
    let size = content.size();
    if size > MOST_BYTES {
        return Err(Error::FileSize { path: path.to_string(), size_bytes: size, most_bytes: MOST_BYTES });
    }
    let Content::Blob { data, .. } = content else {
        let all = Some(0..size).filter(|all| !all.is_empty());
        return Ok(all.into_iter().collect());
    };
    let mut end = 0;
    for range in data {
        if range.is_empty() || range.start < end || range.end > size {
            return Err(Error::Ranges { path: path.to_string() });
        }
        end = range.end;
    }
    Ok(data.clone())
}

/// Returns the blocks that the byte ranges `data` touch, neighbours joined.
pub(super) fn data_blocks(data: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut blocks: Vec<Range<u64>> = Vec::new();
    for range in data {
        let (start, end) = (range.start / BLOCK_BYTES, range.end.div_ceil(BLOCK_BYTES));
        match blocks.last_mut() {
            Some(last) if start <= last.end => last.end = end,
            _ => blocks.push(start..end),
        }
    }
    blocks
}

/// Returns the extents of `content`, whose bytes `data` lie in the blocks `runs`.
pub(super) fn extents(content: &Content, data: &[Range<u64>], runs: &[Run]) -> Vec<Extent> {
    runs.iter().flat_map(|run| extents_of_run(content, data, run)).collect()
}

fn extents_of_run(content: &Content, data: &[Range<u64>], run: &Run) -> impl Iterator<Item = Extent> {
    let bytes = run.logical * BLOCK_BYTES..(run.logical + run.blocks) * BLOCK_BYTES;
    let place = run.physical * BLOCK_BYTES;
    let first = data.partition_point(|range| range.end <= bytes.start);
    let inside = data[first..].iter().take_while({
        let end = bytes.end;
        move |range| range.start < end
    });
    inside.map(move |range| {
        let part = range.start.max(bytes.start)..range.end.min(bytes.end);
        Extent {
            offset: place + (part.start - bytes.start),
            len: part.end - part.start,
            source: source(content, part.start),
        }
    })
}

fn source(content: &Content, offset: u64) -> Source {
    match content {
        Content::Inline(bytes) => Source::Bytes { bytes: Arc::clone(bytes), start: offset as usize },
        Content::Blob { digest, .. } => Source::Blob { digest: *digest, offset },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn blob(size: u64, data: &[Range<u64>]) -> Content {
        Content::Blob { digest: Digest::of(b""), size, data: data.to_vec() }
    }

    #[test]
    fn ranges_out_of_order_or_beyond_the_end_are_refused() {
        let path = TreePath::parse("/f").unwrap();
        for data in [vec![5..5], vec![5..9, 8..10], vec![8..10, 0..2], vec![0..11]] {
            let wrong = data_bytes(&blob(10, &data), &path).unwrap_err();
            assert_eq!(
                wrong.to_string(),
                "the data ranges of '/f' are not sorted, disjoint and inside the file"
            );
        }
        assert!(matches!(data_bytes(&blob(1 << 44, &[]), &path), Err(Error::FileSize { .. })));
    }

    #[test]
    fn bytes_keep_their_place_in_their_blocks() {
        let data = [100..200, 5000..9000];
        let blocks = data_blocks(&data);
        assert_eq!(blocks, [0..3]);
        let runs = [Run { logical: 0, physical: 10, blocks: 2 }, Run { logical: 2, physical: 50, blocks: 1 }];
        let content = blob(9000, &data);
        let found: Vec<(u64, u64)> =
            extents(&content, &data, &runs).iter().map(|extent| (extent.offset, extent.len)).collect();
        assert_eq!(found, [(40960 + 100, 100), (40960 + 5000, 8192 - 5000), (50 * 4096, 9000 - 8192)]);
    }
}
