// SPDX-License-Identifier: Apache-2.0
//! Lays a new ROOT and a new partition table over a base: which bytes of the disk come from where. Opens nothing.

use std::ops::Range;

use crate::disk::{Disk, Extent, Source};

/// Returns the disk of `size` bytes that is the base of `base_size` bytes outside `root`, `root_extents` (counted from
/// the start of ROOT) inside, and `table` over both.
pub fn compose(size: u64, base_size: u64, root: &Range<u64>, root_extents: Vec<Extent>, table: Vec<Extent>) -> Disk {
    let kept = [0..root.start, root.end..base_size.max(root.end)];
    let kept = kept.into_iter().filter(|range| !range.is_empty());
    let mut below: Vec<Extent> = kept
        .map(|range| Extent { offset: range.start, len: range.end - range.start, source: Source::Base { offset: range.start } })
        .collect();
    below.extend(root_extents.into_iter().map(|extent| Extent { offset: root.start + extent.offset, ..extent }));
    // A disk that grew leaves the base's backup table behind, inside or before the new ROOT's end: it is not kept.
    below.retain(|extent| extent.offset < size);
    let mut extents = cut(below, &table);
    extents.extend(table);
    extents.sort_by_key(|extent| extent.offset);
    Disk { size, extents }
}

/// Removes from `below` what `above` covers.
fn cut(below: Vec<Extent>, above: &[Extent]) -> Vec<Extent> {
    let mut left = below;
    for cover in above {
        left = left.into_iter().flat_map(|extent| outside(extent, cover.offset..cover.end())).collect();
    }
    left
}

/// Returns the parts of `extent` before and after `hidden`.
fn outside(extent: Extent, hidden: Range<u64>) -> Vec<Extent> {
    if extent.end() <= hidden.start || hidden.end <= extent.offset {
        return vec![extent];
    }
    let before = extent.offset..hidden.start.max(extent.offset);
    let after = hidden.end.min(extent.end())..extent.end();
    [before, after].into_iter().filter(|range| !range.is_empty()).map(|range| part(&extent, &range)).collect()
}

fn part(extent: &Extent, range: &Range<u64>) -> Extent {
    let skip = range.start - extent.offset;
    let source = match &extent.source {
        Source::Bytes { bytes, start } => Source::Bytes { bytes: bytes.clone(), start: start + skip as usize },
        Source::Blob { digest, offset } => Source::Blob { digest: *digest, offset: offset + skip },
        Source::Base { offset } => Source::Base { offset: offset + skip },
    };
    Extent { offset: range.start, len: range.end - range.start, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(range: Range<u64>) -> Extent {
        Extent { offset: range.start, len: range.end - range.start, source: Source::Base { offset: range.start } }
    }

    #[test]
    fn the_table_covers_the_base_and_root_replaces_its_place() {
        let table = vec![Extent::of_bytes(0, vec![1; 10]), Extent::of_bytes(190, vec![2; 10])];
        let root = vec![Extent::of_bytes(5, vec![3; 5])];
        let disk = compose(200, 160, &(100..180), root, table);
        let places: Vec<(u64, u64)> = disk.extents.iter().map(|extent| (extent.offset, extent.len)).collect();
        assert_eq!(places, [(0, 10), (10, 90), (105, 5), (190, 10)]);
        assert_eq!(disk.extents[1], base(10..100));
    }

    #[test]
    fn without_growth_the_base_is_kept_on_both_sides() {
        let disk = compose(200, 200, &(100..180), Vec::new(), Vec::new());
        assert_eq!(disk.extents, [base(0..100), base(180..200)]);
    }
}
