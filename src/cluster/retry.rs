// SPDX-License-Identifier: Apache-2.0
//! When to try again: decorrelated jitter, what the server asks for, a limit on the whole. A create that may have
//! happened is never repeated here: what that means, only the caller knows.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Client;
use super::error::ApiError;

/// Pauses with decorrelated jitter: each is drawn between `base` and three times the last one, and is `cap` at most.
///
/// Many machines that fail at once thus come back spread out, and the same seed gives the same pauses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    last: Duration,
    state: u64,
}

impl Backoff {
    /// Returns pauses from `base` to `cap`, drawn from a seed that should differ between machines.
    pub fn new(base: Duration, cap: Duration, seed: u64) -> Self {
        Self { base, cap: cap.max(base), last: base, state: seed }
    }

    /// Returns the next pause; where the server asks for one, that and up to `base` more, so that not all machines it told
    /// so come at once.
    pub fn pause(&mut self, asked: Option<Duration>) -> Duration {
        if let Some(asked) = asked {
            return asked.saturating_add(self.drawn(self.base));
        }
        let most = self.last.saturating_mul(3).min(self.cap);
        self.last = self.base + self.drawn(most.saturating_sub(self.base));
        self.last
    }

    fn drawn(&mut self, below: Duration) -> Duration {
        below.mul_f64(self.chance())
    }

    /// The next number from 0 to 1: SplitMix64, small and good enough for jitter.
    fn chance(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) as f64 / u64::MAX as f64
    }
}

/// Returns how long to pause before the same request is made again; none: give the error to the caller.
///
/// `left` is what is left of the time for all attempts: a pause that would not fit is not begun.
pub fn pause_after(error: &ApiError, backoff: &mut Backoff, left: Duration) -> Option<Duration> {
    if !error.may_pass() || (error.may_have_happened() && !error.request.is_idempotent()) {
        return None;
    }
    let pause = backoff.pause(error.retry_after());
    (pause < left).then_some(pause)
}

/// A server that is overloaded, being replaced or not there is asked again for so long.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(3));

impl Client {
    /// As [`Client::retrying`], as long as a person waits for the answer: the same for every verb.
    ///
    /// # Errors
    /// The last attempt's.
    pub async fn patiently<T>(
        &self,
        request: impl AsyncFnMut() -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let seed = RandomState::new().hash_one(());
        self.retrying(Backoff::new(PAUSES.0, PAUSES.1, seed), PATIENCE, request).await
    }

    /// Makes a request until it succeeds, fails for good or `total` is over, and returns the last answer.
    ///
    /// An attempt that has begun is bounded by the client's own limit, so the whole may take that much longer.
    ///
    /// # Errors
    /// The last attempt's.
    pub async fn retrying<T>(
        &self,
        mut backoff: Backoff,
        total: Duration,
        mut request: impl AsyncFnMut() -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let start = Instant::now();
        let mut is_told = false;
        loop {
            let error = match request().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let left = total.saturating_sub(start.elapsed());
            let Some(pause) = pause_after(&error, &mut backoff, left) else { return Err(error) };
            if !std::mem::replace(&mut is_told, true) {
                self.teller.tell(&format!("{error}; trying again for {} s", total.as_secs()));
            }
            self.count_retry();
            sleep(pause).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::RequestLine;
    use super::super::kind::{ApiErrorKind as Kind, TlsClock};
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn backoff() -> Backoff {
        Backoff::new(Duration::from_millis(100), Duration::from_secs(5), 7)
    }

    fn error(method: &'static str, kind: Kind) -> ApiError {
        ApiError { kind, request: RequestLine { method, path: "/api".to_owned(), is_dry_run: false } }
    }

    #[test]
    fn pauses_stay_between_base_and_cap_and_differ_by_seed() {
        let pauses = |seed| {
            let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5), seed);
            (0..50).map(|_| backoff.pause(None)).collect::<Vec<_>>()
        };
        let one = pauses(1);
        assert!(one.iter().all(|pause| (100..=5000).contains(&pause.as_millis())), "{one:?}");
        assert!(one.iter().any(|pause| pause.as_millis() > 2000), "they grow: {one:?}");
        assert_eq!(one, pauses(1));
        assert_ne!(one, pauses(2));
    }

    #[test]
    fn a_base_above_the_cap_and_huge_waits_do_no_harm() {
        let mut backoff = Backoff::new(LONG, Duration::from_secs(1), 1);
        assert_eq!(backoff.pause(None), LONG);
        assert!(backoff.pause(Some(Duration::MAX)) == Duration::MAX);
    }

    #[test]
    fn what_is_tried_again_is_a_table() {
        let text = || "x".to_owned();
        let server = |status| Kind::Server { status, message: text(), retry_after: None };
        let cut = Kind::Broken(text());
        // kind, GET or PATCH again?, POST again?
        for (kind, again, post_again) in [
            (Kind::Unreachable(text()), true, true),
            (Kind::TimedOut { sent: false }, true, true),
            (Kind::TimedOut { sent: true }, true, false),
            (cut, true, false),
            (server(500), true, false),
            (server(503), true, false),
            (server(501), false, false),
            (Kind::TlsClock(TlsClock::Before1970), true, true),
            (Kind::TooManyRequests { message: text(), retry_after: None }, true, true),
            (Kind::Forbidden { message: text() }, false, false),
            (Kind::Forbidden { message: "x: not yet ready to handle request".to_owned() }, true, true),
            (Kind::TlsUntrusted(text()), false, false),
            (Kind::Tls(text()), false, false),
            (Kind::Unauthorized, false, false),
            (Kind::NotFound { resource: text(), name: text() }, false, false),
            (Kind::AlreadyExists { message: text() }, false, false),
            (Kind::Conflict { message: text(), causes: Vec::new() }, false, false),
            (Kind::Invalid { message: text(), causes: Vec::new() }, false, false),
            (Kind::Gone { message: text() }, false, false),
            (Kind::Status { status: 400, message: text() }, false, false),
            (Kind::Malformed(text()), false, false),
            (Kind::Unsendable(text()), false, false),
        ] {
            for (method, expected) in
                [("GET", again), ("PATCH", again), ("DELETE", again), ("POST", post_again)]
            {
                let error = error(method, kind.clone());
                let is_again = pause_after(&error, &mut backoff(), LONG).is_some();
                assert_eq!(is_again, expected, "{method} {kind:?}");
            }
        }
    }

    #[test]
    fn a_dry_run_has_never_happened() {
        let mut error = error("POST", Kind::TimedOut { sent: true });
        assert!(error.may_have_happened());
        error.request.is_dry_run = true;
        assert!(!error.may_have_happened() && pause_after(&error, &mut backoff(), LONG).is_some());
    }

    #[test]
    fn the_server_is_never_asked_earlier_than_it_said_nor_later_than_the_limit() {
        let busy = |wait_s| {
            let retry_after = Some(Duration::from_secs(wait_s));
            error("POST", Kind::TooManyRequests { message: String::new(), retry_after })
        };
        let mut backoff = backoff();
        for _ in 0..20 {
            let pause = pause_after(&busy(7), &mut backoff, LONG).unwrap().as_millis();
            assert!((7000..=7100).contains(&pause), "{pause}");
        }
        assert_eq!(pause_after(&busy(7), &mut backoff, Duration::from_secs(7)), None);
    }
}
