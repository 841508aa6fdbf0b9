// SPDX-License-Identifier: Apache-2.0
//! Which blocks have been sent: sets of numbers that come in long runs.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A set of numbers as ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds a range; what it meets grows together.
    pub fn add(&mut self, range: RangeInclusive<u64>) {
        let (mut first, mut last) = range.into_inner();
        while let Some((start, end)) = self.0.range(..=last.saturating_add(1)).next_back() {
            let (start, end) = (*start, *end);
            if end.saturating_add(1) < first {
                break;
            }
            self.0.remove(&start);
            (first, last) = (first.min(start), last.max(end));
        }
        self.0.insert(first, last);
    }

    /// Returns whether a number is among them.
    pub fn contains(&self, number: u64) -> bool {
        self.0.range(..=number).next_back().is_some_and(|(_, last)| number <= *last)
    }

    /// Returns the ranges, first and last number of each.
    pub fn pairs(&self) -> Vec<(u64, u64)> {
        self.0.iter().map(|(first, last)| (*first, *last)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_are_the_set_of_their_numbers(added in proptest::collection::vec((0_u64..60, 0_u64..5), 0..40)) {
            let (mut ranges, mut set) = (Ranges::default(), std::collections::BTreeSet::new());
            for (first, len) in added {
                ranges.add(first..=first + len);
                set.extend(first..=first + len);
            }
            let contained: std::collections::BTreeSet<u64> = (0..70).filter(|n| ranges.contains(*n)).collect();
            prop_assert_eq!(contained, set);
            let pairs = ranges.pairs();
            prop_assert!(pairs.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
        }
    }
}
