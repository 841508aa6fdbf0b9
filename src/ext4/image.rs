// SPDX-License-Identifier: Apache-2.0
//! The extents collected so far, by block.

use std::sync::Arc;

use super::geometry::BLOCK_BYTES;
use crate::disk::{Extent, Source};

/// Pieces of metadata up to this size are joined with their neighbours; larger ones are not worth the copy.
const JOINED_BYTES: u64 = 64 << 10;

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
    pub fn finish(self) -> Vec<Extent> {
        let mut extents = self.0;
        extents.sort_by_key(|extent| extent.offset);
        let joins = |one: &Extent, next: &Extent| one.end() == next.offset && is_small(one) && is_small(next);
        extents.chunk_by(joins).map(join).collect()
    }
}

fn is_small(extent: &Extent) -> bool {
    extent.len <= JOINED_BYTES && matches!(extent.source, Source::Bytes { .. })
}

fn join(run: &[Extent]) -> Extent {
    if let [one] = run {
        return one.clone();
    }
    let bytes: Vec<u8> = run.iter().flat_map(small_bytes).copied().collect();
    Extent::of_bytes(run[0].offset, bytes)
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
