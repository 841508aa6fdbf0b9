// SPDX-License-Identifier: Apache-2.0
//! Pace: how fast blocks are sent to a region, or fetched from there. Additive increase, multiplicative decrease, with time
//! as an argument.
//!
//! PutSnapshotBlock may be called 1,000 times a second and account, and as often for one snapshot; GetSnapshotBlock 1,000
//! times a second and account (EBS service quotas). An account that others use has less: the pace halves when the service
//! throttles and creeps up again while it does not.

use std::time::Duration;

/// Quota of PutSnapshotBlock and of GetSnapshotBlock calls a second.
const QUOTA_PER_S: f64 = 1000.0;
/// Slower makes no sense: a snapshot would meet its timeout first.
const LEAST_PER_S: f64 = 4.0;
/// What every block adds to the pace: from half to whole in some seconds.
const GAIN: f64 = 0.1;
/// Calls that were under way when the service began to throttle say nothing new.
const ONE_EVENT: Duration = Duration::from_millis(500);

/// The pace of one region.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    per_s: f64,
    /// When the next call may be made.
    next: Duration,
    slowed: Option<Duration>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { per_s: QUOTA_PER_S, next: Duration::ZERO, slowed: None }
    }
}

impl Pace {
    /// Takes the next place in the row; returns how long to wait for it. Times count from any fixed moment.
    pub fn take(&mut self, now: Duration) -> Duration {
        let at = self.next.max(now);
        self.next = at + Duration::from_secs_f64(1.0 / self.per_s);
        at - now
    }

    /// A call was throttled: half the pace, once for all calls that were under way.
    pub fn throttled(&mut self, now: Duration) {
        if self.slowed.is_none_or(|slowed| now >= slowed + ONE_EVENT) {
            self.per_s = (self.per_s / 2.0).max(LEAST_PER_S);
            self.slowed = Some(now);
        }
    }

    /// A call was served.
    pub fn served(&mut self) {
        self.per_s = (self.per_s + GAIN).min(QUOTA_PER_S);
    }

    /// Returns the calls a second that it allows.
    pub fn per_s(&self) -> f64 {
        self.per_s
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn calls_are_spread_over_the_second() {
        let mut pace = Pace::default();
        let waits: Vec<Duration> = (0..3).map(|_| pace.take(ms(10))).collect();
        assert_eq!(waits, [ms(0), ms(1), ms(2)]);
        assert_eq!(pace.take(ms(100)), ms(0));
    }

    #[test]
    fn throttling_halves_once_for_what_was_under_way_and_has_a_floor() {
        let mut pace = Pace::default();
        (0..50).for_each(|_| pace.throttled(ms(10)));
        assert_eq!(pace.per_s(), 500.0);
        pace.throttled(ms(510));
        assert_eq!(pace.per_s(), 250.0);
        (1..100).for_each(|n| pace.throttled(ms(n * 1000)));
        assert_eq!(pace.per_s(), LEAST_PER_S);
    }

    #[test]
    fn it_creeps_up_to_the_quota_and_no_further() {
        let mut pace = Pace::default();
        pace.throttled(ms(0));
        (0..100).for_each(|_| pace.served());
        assert!((509.0..511.0).contains(&pace.per_s()), "{}", pace.per_s());
        (0..100_000).for_each(|_| pace.served());
        assert_eq!(pace.per_s(), QUOTA_PER_S);
    }
}
