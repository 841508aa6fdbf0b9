// SPDX-License-Identifier: Apache-2.0
//! A request that failed: which one, what kind of failure, whether it may have taken effect and whether to try again.

use std::fmt;
use std::time::Duration;

pub(super) use super::kind::ApiErrorKind;

/// A request that failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{request}: {kind}")]
pub struct ApiError {
    /// What went wrong; its words are part of this error's.
    pub kind: ApiErrorKind,
    /// The request; no header and no body, so no secret.
    pub request: RequestLine,
}

/// Method and path of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLine {
    /// "GET", "POST", "PATCH" or "DELETE".
    pub method: &'static str,
    /// The path without the query.
    pub path: String,
    /// Whether the server was asked to change nothing.
    pub is_dry_run: bool,
}

impl fmt::Display for RequestLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)?;
        if self.is_dry_run { f.write_str(" (dry run)") } else { Ok(()) }
    }
}

impl RequestLine {
    /// Returns whether the request changes something in the cluster.
    pub fn writes(&self) -> bool {
        self.method != "GET" && !self.is_dry_run
    }

    /// Returns whether it ends the same if it is made twice. A POST that is repeated meets its own object.
    pub fn is_idempotent(&self) -> bool {
        self.method != "POST" || self.is_dry_run
    }
}

impl ApiError {
    /// Returns whether the request may have taken effect although no good answer came.
    pub fn may_have_happened(&self) -> bool {
        self.request.writes() && self.kind.leaves_open()
    }

    /// Returns whether trying again, without changing anything, makes sense.
    pub fn may_pass(&self) -> bool {
        self.kind.may_pass()
    }

    /// Returns how long the server asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.kind {
            ApiErrorKind::TooManyRequests { retry_after, .. } | ApiErrorKind::Server { retry_after, .. } => {
                *retry_after
            }
            _ => None,
        }
    }
}
