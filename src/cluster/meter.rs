// SPDX-License-Identifier: Apache-2.0
//! What a client has cost so far, and how far the server's clock is from ours.

use std::ops::Add;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// What one client has cost so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Requests that were sent, or tried to.
    pub requests: u64,
    /// Those of them that repeated another.
    pub retries: u64,
    /// Bytes of requests' bodies.
    pub bytes_sent: u64,
    /// Bytes of answers' bodies.
    pub bytes_received: u64,
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let Self { requests, retries, bytes_sent, bytes_received } = other;
        Self {
            requests: self.requests + requests,
            retries: self.retries + retries,
            bytes_sent: self.bytes_sent + bytes_sent,
            bytes_received: self.bytes_received + bytes_received,
        }
    }
}

#[derive(Debug)]
pub(super) struct Meter {
    requests: AtomicU64,
    retries: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
    skew_s: AtomicI64,
}

/// No answer has said a time yet.
const UNKNOWN: i64 = i64::MIN;

impl Default for Meter {
    fn default() -> Self {
        let [requests, retries, bytes_sent, bytes_received] = std::array::from_fn(|_| AtomicU64::new(0));
        Self { requests, retries, bytes_sent, bytes_received, skew_s: AtomicI64::new(UNKNOWN) }
    }
}

impl Meter {
    pub(super) fn request(&self, bytes: usize) {
        self.requests.fetch_add(1, Relaxed);
        self.bytes_sent.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn retry(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub(super) fn received(&self, bytes: usize) {
        self.bytes_received.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn set_skew_s(&self, skew_s: i64) {
        self.skew_s.store(skew_s, Relaxed);
    }

    pub(super) fn skew_s(&self) -> Option<i64> {
        Some(self.skew_s.load(Relaxed)).filter(|skew_s| *skew_s != UNKNOWN)
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            requests: self.requests.load(Relaxed),
            retries: self.retries.load(Relaxed),
            bytes_sent: self.bytes_sent.load(Relaxed),
            bytes_received: self.bytes_received.load(Relaxed),
        }
    }
}
