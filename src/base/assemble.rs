// SPDX-License-Identifier: Apache-2.0
//! The disk as extents: ROOT and table made new, everything else taken from the base at its own place.

use std::ops::Range;

use crate::base::ROOT_NUMBER;
use crate::disk::{Disk, Extent, Source};
use crate::gpt::Table;

/// Puts a disk together; see [`super::Base::assemble`].
pub(super) fn assemble(base: &Table, grown: &Table, root: Vec<Extent>) -> Disk {
    let place = grown.partition(ROOT_NUMBER).expect("every layout has ROOT");
    let mut made: Vec<Extent> = root.into_iter().map(|extent| shift(extent, place.start_bytes())).collect();
    assert!(made.iter().all(|extent| extent.end() <= place.end_bytes()), "ROOT fits into its partition");
    // The old backup is no content either: where it stood, the grown disk has ROOT or nothing.
    let mut tables = Vec::new();
    if grown != base {
        tables.extend(base.render().iter().chain(&grown.render()).map(range));
        made.extend(grown.render());
    }
    let taken = tables.into_iter().chain(std::iter::once(place.start_bytes()..place.end_bytes())).collect();
    made.extend(rest(taken, base.size_bytes()).map(from_base));
    made.sort_by_key(|extent| extent.offset);
    Disk { size: grown.size_bytes(), extents: made }
}

fn shift(extent: Extent, by: u64) -> Extent {
    Extent { offset: extent.offset + by, ..extent }
}

fn range(extent: &Extent) -> Range<u64> {
    extent.offset..extent.end()
}

fn from_base(range: Range<u64>) -> Extent {
    Extent { offset: range.start, len: range.end - range.start, source: Source::Base { offset: range.start } }
}

/// Returns what of `0..size` is in none of the `taken` ranges, in order.
fn rest(mut taken: Vec<Range<u64>>, size: u64) -> impl Iterator<Item = Range<u64>> {
    taken.sort_by_key(|range| range.start);
    taken.push(size..size);
    let mut from = 0;
    let free = taken.into_iter().map(move |range| {
        let free = from..range.start.min(size);
        from = from.max(range.end);
        free
    });
    free.filter(|range| range.start < range.end)
}
