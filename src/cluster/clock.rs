// SPDX-License-Identifier: Apache-2.0
//! Times as HTTP says them: the server's `Date`, `Retry-After` in both its forms, and how far two clocks are apart. Pure.

use std::time::{Duration, UNIX_EPOCH};

/// The last second that HTTP can write: 31 December 9999.
const LAST_S: u64 = 253_402_300_799;

/// Returns a time for people, in HTTP's own format.
pub(super) fn date(seconds: u64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds.min(LAST_S)))
}

/// Reads an HTTP date as seconds since 1970.
pub(super) fn parse(text: &str) -> Option<u64> {
    let time = httpdate::parse_http_date(text).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// Returns how far the server's clock is ahead of ours, in seconds; it is behind where that is negative.
pub(super) fn skew_s(server_s: u64, local_s: u64) -> i64 {
    let between = i64::try_from(server_s.abs_diff(local_s)).unwrap_or(i64::MAX);
    if server_s >= local_s { between } else { -between }
}

/// Reads `Retry-After`: seconds, or a date that is compared with the server's own time rather than ours.
pub(super) fn retry_after(text: &str, server_s: u64) -> Option<Duration> {
    let seconds = text.trim().parse().ok().or_else(|| Some(parse(text.trim())?.saturating_sub(server_s)));
    seconds.map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_they_are_written() {
        assert_eq!(date(1_763_697_600), "Fri, 21 Nov 2025 04:00:00 GMT");
        assert_eq!(parse(&date(1_763_697_600)), Some(1_763_697_600));
        assert_eq!(parse(&date(u64::MAX)), Some(LAST_S));
        assert_eq!(parse("2025-11-21T04:00:00Z"), None);
    }

    #[test]
    fn both_forms_of_retry_after_are_understood() {
        let seconds = |text: &str| retry_after(text, 1_763_697_600).map(|wait| wait.as_secs());
        assert_eq!(seconds("7"), Some(7));
        assert_eq!(seconds(" 0 "), Some(0));
        assert_eq!(seconds("Fri, 21 Nov 2025 04:00:30 GMT"), Some(30));
        assert_eq!(seconds("Fri, 21 Nov 2025 03:00:00 GMT"), Some(0), "what has passed is now");
        for wrong in ["", "-1", "soon", "1.5", "99999999999999999999999"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn skew_has_a_sign() {
        assert_eq!((skew_s(100, 90), skew_s(90, 100), skew_s(5, 5)), (10, -10, 0));
        assert_eq!(skew_s(u64::MAX, 0), i64::MAX);
    }
}
