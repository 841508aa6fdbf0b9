// SPDX-License-Identifier: Apache-2.0
//! When to try again: pauses that double, with jitter, and what the server asks for.

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use super::Limits;
use super::error::DownloadErrorKind;

/// Why one attempt failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: DownloadErrorKind,
    /// `Retry-After`, in seconds.
    pub(super) wait_s: Option<u64>,
}

impl From<DownloadErrorKind> for Failure {
    fn from(kind: DownloadErrorKind) -> Self {
        Self { kind, wait_s: None }
    }
}

/// Returns how long to pause after the `failures`th failure in a row; none: give up. `chance` is from 0 to 1.
pub(super) fn pause(limits: &Limits, failures: u32, failure: &Failure, chance: f64) -> Option<Duration> {
    // `Wait` says that the server wants more patience than there is.
    let is_final = !failure.kind.may_pass() || matches!(failure.kind, DownloadErrorKind::Wait { .. });
    if is_final || failures >= limits.attempts {
        return None;
    }
    let asked = Duration::from_secs(failure.wait_s.unwrap_or(0));
    let doubled = limits.pause_first.saturating_mul(1 << (failures - 1).min(16));
    // From half of the pause to all of it, so that many machines that failed at once don't come back at once.
    let own = doubled.min(limits.pause_max).mul_f64(0.5 + chance / 2.0);
    Some(own.max(asked))
}

/// Returns a number from 0 to 1 that nobody can foresee.
pub(super) fn chance() -> f64 {
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    random as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pause_ms(failures: u32, kind: DownloadErrorKind, wait_s: Option<u64>) -> Option<u128> {
        pause(&Limits::default(), failures, &Failure { kind, wait_s }, 1.0).map(|pause| pause.as_millis())
    }

    #[test]
    fn pauses_double_and_honour_the_server() {
        use DownloadErrorKind::{NotFound, Status, Wait};
        assert_eq!(pause_ms(1, Status(500), None), Some(500));
        assert_eq!(pause_ms(3, Status(503), None), Some(2000));
        assert_eq!(pause_ms(1, Status(429), Some(7)), Some(7000));
        assert_eq!(pause_ms(5, Status(500), None), None, "five attempts are enough");
        assert_eq!(pause_ms(1, NotFound(404), None), None);
        assert_eq!(pause_ms(1, Status(403), None), None);
        assert_eq!(pause_ms(1, Wait { status: 503, wait_s: 3600 }, Some(3600)), None);
        assert!((0.0..=1.0).contains(&chance()));
    }
}
