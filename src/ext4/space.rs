// SPDX-License-Identifier: Apache-2.0
//! Which blocks are free, and the choice of the next ones.
//!
//! Blocks are handed out in the order of asking, each piece contiguous where any free run can hold it. Running out is
//! counted instead of reported, so that one error can say how much is missing in all.

use std::ops::Range;

/// The free blocks of a filesystem.
#[derive(Debug)]
pub(super) struct Space {
    /// Sorted, disjoint, not empty and not touching.
    free: Vec<Range<u64>>,
    /// Where the next search starts.
    cursor: u64,
    missing: u64,
}

impl Space {
    /// Returns the space of `blocks` blocks without those `used`, which are sorted and disjoint.
    pub fn new(blocks: u64, used: impl IntoIterator<Item = Range<u64>>) -> Self {
        let mut free = Vec::new();
        let mut start = 0;
        for run in used {
            free.push(start..run.start);
            start = run.end;
        }
        free.push(start..blocks);
        free.retain(|run| !run.is_empty());
        Self { free, cursor: 0, missing: 0 }
    }

    /// Continues the search at `block`.
    pub fn seek(&mut self, block: u64) {
        self.cursor = block;
    }

    /// Takes `count` blocks: one run if possible, the first after the last one taken, else the first of all; else pieces.
    ///
    /// Returns fewer, and notes how many are missing, when there are no more.
    pub fn take(&mut self, count: u64) -> Vec<Range<u64>> {
        if count == 0 {
            return Vec::new();
        }
        match self.find(self.cursor, count).or_else(|| self.find(0, count)) {
            Some(start) => vec![self.claim(start..start + count)],
            None => self.pieces(count),
        }
    }

    /// Takes one block and returns its number; 0, which is never free, when there is none.
    pub fn take_one(&mut self) -> u64 {
        self.take(1).first().map_or(0, |run| run.start)
    }

    /// Returns the start of the first free run of `count` blocks at or after `from`.
    fn find(&self, from: u64, count: u64) -> Option<u64> {
        let first = self.free.partition_point(|run| run.end <= from);
        let starts = self.free[first..].iter().map(|run| run.start.max(from)..run.end);
        starts.into_iter().find(|run| run.end - run.start >= count).map(|run| run.start)
    }

    fn pieces(&mut self, count: u64) -> Vec<Range<u64>> {
        let mut pieces = Vec::new();
        let mut left = count;
        while left > 0 {
            let Some(start) = self.find(self.cursor, 1).or_else(|| self.find(0, 1)) else {
                self.missing += left;
                break;
            };
            let index = self.free.partition_point(|run| run.end <= start);
            let end = self.free[index].end.min(start + left);
            pieces.push(self.claim(start..end));
            left -= end - start;
        }
        pieces
    }

    /// Removes `run`, which lies in one free range, and moves the cursor behind it if that is forward.
    fn claim(&mut self, run: Range<u64>) -> Range<u64> {
        let index = self.free.partition_point(|free| free.end <= run.start);
        let hole = self.free[index].clone();
        let rest = [hole.start..run.start, run.end..hole.end];
        self.free.splice(index..=index, rest.into_iter().filter(|part| !part.is_empty()));
        self.cursor = self.cursor.max(run.end);
        run
    }

    /// Returns how many blocks were asked for in vain.
    pub fn missing_blocks(&self) -> u64 {
        self.missing
    }

    /// Returns how many blocks are free.
    pub fn free_blocks(&self) -> u64 {
        self.free.iter().map(|run| run.end - run.start).sum()
    }

    /// Returns the free runs inside `range`.
    pub fn free_in(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let first = self.free.partition_point(|run| run.end <= range.start);
        let inside = self.free[first..].iter().take_while(move |run| run.start < range.end);
        inside.map(move |run| run.start.max(range.start)..run.end.min(range.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_contiguous_where_a_run_can_hold_it() {
        let mut space = Space::new(100, [0..10, 20..30]);
        assert_eq!(space.take(15), [30..45]);
        assert_eq!(space.take(5), [45..50], "the order of asking is kept");
        assert_eq!(space.take(55), [50..100, 10..15], "no run holds it");
        assert_eq!(space.free_blocks(), 5);
    }

    #[test]
    fn gaps_are_used_when_nothing_else_is_left() {
        let mut space = Space::new(100, [0..10, 20..30]);
        assert_eq!(space.take(70), [30..100]);
        assert_eq!(space.take(4), [10..14]);
        assert_eq!(space.take(6), [14..20]);
        assert_eq!(space.missing_blocks(), 0);
        assert!(space.take(3).is_empty());
        assert_eq!(space.missing_blocks(), 3);
    }

    #[test]
    fn free_runs_are_cut_to_a_range() {
        let space = Space::new(100, [0..10, 20..30]);
        assert_eq!(space.free_in(15..40).collect::<Vec<_>>(), [15..20, 30..40]);
        assert_eq!(space.free_in(20..30).count(), 0);
    }
}
