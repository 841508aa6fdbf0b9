// SPDX-License-Identifier: Apache-2.0
//! What can go wrong with a request, in words, and what each kind means for the next step. Pure.

use std::time::Duration;

use super::clock::date;

/// What went wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiErrorKind {
    /// No connection: refused, no route, unknown name.
    #[error("can't reach the API server: {0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("no answer from the API server in time")]
    TimedOut {
        /// Whether the request may have reached the server.
        sent: bool,
    },
    /// The connection ended before the answer did.
    #[error("the connection to the API server broke: {0}")]
    Broken(String),
    /// The server is not who it says: another CA, another name, a bad signature.
    #[error("the API server's certificate is not trusted: {0}")]
    TlsUntrusted(String),
    /// The server's certificate is good but for its time: this machine's clock is wrong, or the certificate is stale.
    #[error("{0}")]
    TlsClock(TlsClock),
    /// TLS failed in another way, such as a client certificate that the server refuses at once.
    #[error("TLS with the API server failed: {0}")]
    Tls(String),
    /// 401: the server does not accept the credential, or it has expired.
    #[error("the API server does not accept the credential (401)")]
    Unauthorized,
    /// 403: the server knows who asks and refuses, by RBAC, the node authorizer or admission.
    #[error("forbidden: {message}")]
    Forbidden {
        /// The server's words.
        message: String,
    },
    /// 404 in the API's own words, so that it is the object which is missing and not a page of some proxy.
    #[error("not found: {resource} {name:?}")]
    NotFound {
        /// The plural of what is missing: "configmaps". It is "namespaces" where something was created in a missing one.
        resource: String,
        /// The missing object's name.
        name: String,
    },
    /// 409 AlreadyExists: a create met an object of this name.
    #[error("it exists already: {message}")]
    AlreadyExists {
        /// The server's words.
        message: String,
    },
    /// 409 of any other reason: somebody else changed the object, or owns a field that was to be applied.
    #[error("conflict: {message}")]
    Conflict {
        /// The server's words; for server-side apply they name all fields.
        message: String,
        /// One for each field that another manager owns.
        causes: Vec<Cause>,
    },
    /// 422: the object breaks a rule of its kind, or of a policy without a reason of its own.
    #[error("the API server refuses the object: {message}")]
    Invalid {
        /// The server's words.
        message: String,
        /// One for each rule.
        causes: Vec<Cause>,
    },
    /// 429: the server has too much to do; the request was not carried out.
    #[error("the API server is overloaded (429): {message}")]
    TooManyRequests {
        /// The server's words.
        message: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// 5xx.
    #[error("the API server failed ({status}): {message}")]
    Server {
        /// The status.
        status: u16,
        /// The server's words.
        message: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// 410: a list or watch went on from a version that the server no longer has.
    #[error("the API server no longer has the asked version: {message}")]
    Gone {
        /// The server's words.
        message: String,
    },
    /// Any other status, redirects included.
    #[error("the API server answers {status}: {message}")]
    Status {
        /// The status.
        status: u16,
        /// The server's words.
        message: String,
    },
    /// The answer is not what the API gives: no JSON, too long, or a value missing.
    #[error("the answer makes no sense: {0}")]
    Malformed(String),
    /// The request can't be made, such as one for a name with a slash.
    #[error("no such request can be made: {0}")]
    Unsendable(String),
}

/// A rule that was broken, or a field that another manager owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The API's word: "FieldValueInvalid", "FieldManagerConflict".
    pub reason: String,
    /// The field's path: ".spec.podCIDRs"; may be empty.
    pub field: String,
    /// The server's words, the other manager's name included.
    pub message: String,
}

/// A certificate that is good but for its time. No answer came, so the server's own time is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsClock {
    /// This machine's clock stands before the certificate's notBefore.
    NotYetValid {
        /// This machine's time, in seconds since 1970.
        now_s: u64,
        /// The certificate's notBefore, in seconds since 1970.
        not_before_s: u64,
    },
    /// This machine's clock stands after the certificate's notAfter.
    Expired {
        /// This machine's time, in seconds since 1970.
        now_s: u64,
        /// The certificate's notAfter, in seconds since 1970.
        not_after_s: u64,
    },
    /// This machine's clock stands before 1970.
    Before1970,
}

impl std::fmt::Display for TlsClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::NotYetValid { now_s, not_before_s } => write!(
                f,
                "the API server's certificate is valid from {} on, and this machine's clock says {}: the clock is \
                 behind by at least {} s, or the certificate is of the future",
                date(not_before_s),
                date(now_s),
                not_before_s.saturating_sub(now_s),
            ),
            Self::Expired { now_s, not_after_s } => write!(
                f,
                "the API server's certificate expired on {}, and this machine's clock says {}: the certificate is \
                 stale, or the clock is ahead by at least {} s",
                date(not_after_s),
                date(now_s),
                now_s.saturating_sub(not_after_s),
            ),
            Self::Before1970 => f.write_str("this machine's clock stands before 1970: set it"),
        }
    }
}

/// What an admission plugin says while its caches fill, after a start of the server (k8s.io/apiserver, `NewForbidden`).
const NOT_YET_READY: &str = "not yet ready to handle request";

impl ApiErrorKind {
    /// Returns whether a write may have been carried out although it failed so.
    pub fn leaves_open(&self) -> bool {
        match self {
            Self::TimedOut { sent } => *sent,
            // A 504 or 500 is said while etcd may still be at work; a broken answer may have been a good one.
            Self::Broken(_) | Self::Server { .. } | Self::Malformed(_) => true,
            Self::Unreachable(_)
            | Self::TlsUntrusted(_)
            | Self::TlsClock(_)
            | Self::Tls(_)
            | Self::Unauthorized
            | Self::Forbidden { .. }
            | Self::NotFound { .. }
            | Self::AlreadyExists { .. }
            | Self::Conflict { .. }
            | Self::Invalid { .. }
            | Self::TooManyRequests { .. }
            | Self::Gone { .. }
            | Self::Status { .. }
            | Self::Unsendable(_) => false,
        }
    }

    /// Returns whether the same request may succeed a little later, without anybody's doing.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_)
            | Self::TimedOut { .. }
            | Self::Broken(_)
            // NTP may be about to set the clock.
            | Self::TlsClock(_)
            | Self::TooManyRequests { .. } => true,
            Self::Server { status, .. } => !matches!(status, 501 | 505),
            Self::Status { status, .. } => *status == 408,
            Self::Forbidden { message } => message.contains(NOT_YET_READY),
            Self::TlsUntrusted(_)
            | Self::Tls(_)
            | Self::Unauthorized
            | Self::NotFound { .. }
            | Self::AlreadyExists { .. }
            | Self::Conflict { .. }
            | Self::Invalid { .. }
            | Self::Gone { .. }
            | Self::Malformed(_)
            | Self::Unsendable(_) => false,
        }
    }
}
