// SPDX-License-Identifier: Apache-2.0
//! The kinds of failure of a call, told apart by code, status and, for throttling, by the reason that the service gives.
//!
//! Codes are those of "Error codes for the Amazon EC2 API", of the EBS direct APIs' common errors and of Systems Manager's.

/// What went wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloudErrorKind {
    /// Asked too often.
    #[error("throttled by {reason}: {message}")]
    Throttled {
        /// By which limit.
        reason: Throttle,
        /// The service's words.
        message: String,
    },
    /// No connection.
    #[error("can't reach it: {0}")]
    Unreachable(String),
    /// No answer in time; the call may have happened.
    #[error("no answer in time")]
    TimedOut,
    /// The answer broke off; the call may have happened.
    #[error("the answer broke off: {0}")]
    Broken(String),
    /// The service failed; the call may have happened.
    #[error("the service failed ({status} {code}): {message}")]
    Server {
        /// HTTP status.
        status: u16,
        /// The service's code.
        code: String,
        /// The service's words.
        message: String,
    },
    /// There are no credentials, or they are no longer good.
    #[error("no good credentials: {0}; renew them (aws sso login, AWS_PROFILE, ...) and run again")]
    Credentials(String),
    /// Whoever has the credentials (`credential_process`, SSO, an instance's role) does not answer.
    #[error(
        "credentials do not come: {0}; does the profile's credential_process end, or its SSO or role answer?"
    )]
    LateCredentials(String),
    /// A right is missing.
    #[error("not allowed ({code}): {message}; `kiln policy` prints the rights that are needed")]
    Denied {
        /// The service's code.
        code: String,
        /// The service's words, which name the action.
        message: String,
    },
    /// What was asked about is not there, or not yet.
    #[error("{code}: {message}")]
    NotFound {
        /// The service's code.
        code: String,
        /// The service's words.
        message: String,
    },
    /// Refused for another reason.
    #[error("{code}: {message}")]
    Refused {
        /// The service's code.
        code: String,
        /// The service's words.
        message: String,
    },
}

/// The limit that a throttled call has met (EBS direct APIs, RequestThrottledException, `Reason`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Throttle {
    /// The account's calls in the region: ACCOUNT_THROTTLED; what EC2 and Systems Manager throttle by.
    Account,
    /// One snapshot's own limit: RESOURCE_LEVEL_THROTTLE.
    Snapshot,
    /// A service behind it, such as KMS: DEPENDENCY_REQUEST_THROTTLED.
    Dependency,
}

impl std::fmt::Display for Throttle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Account => "the account's limit",
            Self::Snapshot => "the snapshot's own limit",
            Self::Dependency => "a service behind it (KMS)",
        })
    }
}

/// Codes of calls that came too often.
const THROTTLED: [&str; 8] = [
    "RequestThrottledException",
    "RequestThrottled",
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TooManyUpdates",
    "ConcurrentLimitExceededException",
];

/// Codes of credentials that are none.
const CREDENTIALS: [&str; 9] = [
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "RequestExpired",
    "UnrecognizedClientException",
];

/// Codes of rights that are missing.
const DENIED: [&str; 3] = ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"];

impl CloudErrorKind {
    /// Sorts what a service answered; `reason` is that of a throttled call.
    pub(super) fn of_answer(status: u16, code: &str, message: &str, reason: Option<&str>) -> Self {
        let (owned, message) = (code.to_owned(), message.to_owned());
        match code {
            _ if THROTTLED.contains(&code) => Self::Throttled { reason: throttle(reason), message },
            _ if CREDENTIALS.contains(&code) => Self::Credentials(format!("{code}: {message}")),
            _ if DENIED.contains(&code) => Self::Denied { code: owned, message },
            _ if code.contains("NotFound") || code == "InvalidAMIID.Unavailable" => {
                Self::NotFound { code: owned, message }
            }
            _ if status >= 500 => Self::Server { status, code: owned, message },
            _ => Self::Refused { code: owned, message },
        }
    }

    /// Returns whether the same call may succeed later, without anything being changed.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Throttled { .. }
            | Self::Unreachable(_)
            | Self::TimedOut
            | Self::LateCredentials(_)
            | Self::Broken(_)
            | Self::Server { .. } => true,
            Self::Credentials(_) | Self::Denied { .. } | Self::NotFound { .. } | Self::Refused { .. } => {
                false
            }
        }
    }
}

fn throttle(reason: Option<&str>) -> Throttle {
    match reason {
        Some("RESOURCE_LEVEL_THROTTLE") => Throttle::Snapshot,
        Some("DEPENDENCY_REQUEST_THROTTLED") => Throttle::Dependency,
        _ => Throttle::Account,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_sorted_by_code_status_and_reason() {
        let kind = |status, code, reason| CloudErrorKind::of_answer(status, code, "no", reason);
        let throttled = |reason| CloudErrorKind::Throttled { reason, message: "no".to_owned() };
        let resource = Some("RESOURCE_LEVEL_THROTTLE");
        assert_eq!(kind(400, "RequestThrottledException", resource), throttled(Throttle::Snapshot));
        let kms = Some("DEPENDENCY_REQUEST_THROTTLED");
        assert_eq!(kind(400, "RequestThrottledException", kms), throttled(Throttle::Dependency));
        let account = Some("ACCOUNT_THROTTLED");
        assert_eq!(kind(400, "RequestThrottledException", account), throttled(Throttle::Account));
        assert_eq!(kind(503, "RequestLimitExceeded", None), throttled(Throttle::Account));
        assert!(matches!(kind(400, "ExpiredTokenException", None), CloudErrorKind::Credentials(_)));
        assert!(matches!(kind(403, "UnauthorizedOperation", None), CloudErrorKind::Denied { .. }));
        assert!(matches!(kind(400, "InvalidSnapshot.NotFound", None), CloudErrorKind::NotFound { .. }));
        assert!(matches!(kind(404, "ResourceNotFoundException", None), CloudErrorKind::NotFound { .. }));
        assert!(matches!(kind(500, "InternalError", None), CloudErrorKind::Server { .. }));
        assert!(matches!(kind(400, "InvalidAMIName.Duplicate", None), CloudErrorKind::Refused { .. }));
    }
}
