// SPDX-License-Identifier: Apache-2.0
//! The extents collected so far, by block.

use std::sync::Arc;

use super::geometry::BLOCK_BYTES;
use crate::disk::{Extent, Source};

/// Pieces of metadata up to this size are joined with their neighbours; larger ones are not worth the copy.
const SMALL_BYTES: u64 = 64 << 10;
/// A joined piece is not larger than this, so that joining needs little memory besides the pieces.
const JOINED_BYTES: u64 = 1 << 20;

/// The parts of a filesystem that are not zero.
#[derive(Debug, Default)]
pub(super) struct Image(Vec<Extent>);

impl Image {
    /// Adds metadata at the start of `block`.
    pub fn add(&mut self, block: u64, bytes: impl Into<Arc<[u8]>>) {
        self.add_extent(Extent::of_bytes(block * BLOCK_BYTES, bytes));
    }

    /// Adds an extent that does not overlap others.
    pub fn add_extent(&mut self, extent: Extent) {
        self.0.push(extent);
    }

    /// Returns all extents by offset, with small neighbours joined.
    pub fn finish(mut self) -> Vec<Extent> {
        self.0.sort_by_key(|extent| extent.offset);
        let mut extents = self.0.into_iter().peekable();
        let mut joined = Vec::new();
        while let Some(first) = extents.next() {
            let mut run = vec![first];
            while let Some(next) = extents.next_if(|next| joins(&run, next)) {
                run.push(next);
            }
            joined.push(join(run));
        }
        joined
    }
}

fn joins(run: &[Extent], next: &Extent) -> bool {
    let (first, last) = (&run[0], &run[run.len() - 1]);
    let is_small =
        |extent: &Extent| extent.len <= SMALL_BYTES && matches!(extent.source, Source::Bytes { .. });
    last.end() == next.offset && is_small(last) && is_small(next) && next.end() - first.offset <= JOINED_BYTES
}

fn join(mut run: Vec<Extent>) -> Extent {
    if run.len() == 1 {
        return run.remove(0);
    }
    let parts: Vec<&[u8]> = run.iter().map(small_bytes).collect();
    Extent::of_bytes(run[0].offset, parts.concat())
}

fn small_bytes(extent: &Extent) -> &[u8] {
    match &extent.source {
        Source::Bytes { bytes, start } => &bytes[*start..*start + extent.len as usize],
        Source::Blob { .. } | Source::Base { .. } => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_joined_and_sorted() {
        let mut image = Image::default();
        image.add(7, vec![7; 10]);
        image.add(2, vec![2; 4096]);
        image.add(1, vec![1; 4096]);
        let extents = image.finish();
        assert_eq!(extents.len(), 2);
        assert_eq!((extents[0].offset, extents[0].len), (4096, 8192));
        assert_eq!(small_bytes(&extents[0])[4095..4097], [1, 2]);
        assert_eq!((extents[1].offset, extents[1].len), (7 * 4096, 10));
    }
}
