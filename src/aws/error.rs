// SPDX-License-Identifier: Apache-2.0
//! A call that failed: which one, and what kind of failure, by EC2's own codes ("Error codes for the Amazon EC2 API").

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {kind}")]
pub struct AwsError {
    /// EC2's action, "CreateRoute", or the path of the metadata that was asked for.
    pub call: String,
    /// What went wrong; its words are part of this error's.
    pub kind: AwsErrorKind,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AwsErrorKind {
    /// Nothing was sent.
    #[error("can't reach {endpoint}: {why}")]
    Unreachable {
        /// Where it should have gone.
        endpoint: String,
        /// Why it did not.
        why: String,
    },
    /// Something may have been sent.
    #[error("no answer: {0}")]
    Unanswered(String),
    /// The server fails (5xx).
    #[error("the server failed with status {0}")]
    Server(u16),
    /// Too many calls, and by which of EC2's limits.
    #[error("throttled ({0})")]
    Throttled(String),
    /// The role lacks a right.
    #[error("not allowed: {0}")]
    Denied(String),
    /// A quota is reached.
    #[error("a quota is reached: {0}")]
    Quota(String),
    /// What should be made is there.
    #[error("it exists already")]
    Exists,
    /// What should be changed or read is not there.
    #[error("{0}")]
    NotFound(String),
    /// The instance has no role, so that nothing can be signed.
    #[error("the instance has no role")]
    NoRole,
    /// The credentials are not taken.
    #[error("the credentials of the instance's role are refused: {0}")]
    Credentials(String),
    /// The time of the request is too far from the server's.
    #[error("the time is refused: {0}")]
    Clock(String),
    /// The metadata service is switched off for this instance.
    #[error("it is switched off for this instance (HttpEndpoint)")]
    Off,
    /// Refused for another reason.
    #[error("refused: {0}")]
    Refused(String),
    /// The answer is none that is known.
    #[error("the answer can't be understood: {0}")]
    Malformed(String),
}

impl AwsErrorKind {
    /// Returns what a code of EC2 means; `message` is EC2's own, cleaned.
    pub(super) fn of(status: u16, code: &str, message: &str) -> Self {
        let said = || format!("{code}: {message}");
        match code {
            "RequestLimitExceeded"
            | "Throttling"
            | "ThrottlingException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "EC2ThrottledException"
            | "SlowDown" => Self::Throttled(code.to_owned()),
            "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" | "OptInRequired" => {
                Self::Denied(message.to_owned())
            }
            "TooManyUpdates" => Self::Throttled(code.to_owned()),
            "RouteLimitExceeded" => Self::Quota(said()),
            "RouteAlreadyExists" => Self::Exists,
            "RequestExpired" => Self::Clock(said()),
            "AuthFailure" | "SignatureDoesNotMatch" if message.contains("not yet current") => {
                Self::Clock(said())
            }
            "AuthFailure"
            | "SignatureDoesNotMatch"
            | "InvalidClientTokenId"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "UnrecognizedClientException" => Self::Credentials(said()),
            // What ReplaceRoute really says of a route that is not there (getmoto/moto#6425).
            "InvalidParameterValue" if message.contains("no route defined") => Self::NotFound(said()),
            code if code.ends_with(".NotFound") => Self::NotFound(said()),
            "" if status == 429 => Self::Throttled(format!("status {status}")),
            _ if status >= 500 => Self::Server(status),
            "" => Self::Refused(format!("status {status}")),
            _ => Self::Refused(said()),
        }
    }

    /// Returns whether asking again, without changing anything, makes sense.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Unanswered(_) | Self::Server(_) | Self::Throttled(_))
    }
}

#[cfg(test)]
mod tests {
    use super::AwsErrorKind as Kind;

    #[test]
    fn codes_are_sorted_by_what_helps() {
        let kind = |status, code| Kind::of(status, code, "m");
        for code in ["RequestLimitExceeded", "Throttling", "ThrottlingException"] {
            assert_eq!(kind(503, code), Kind::Throttled(code.to_owned()));
            assert!(kind(400, code).may_pass());
        }
        assert_eq!(kind(403, "UnauthorizedOperation"), Kind::Denied("m".to_owned()));
        assert_eq!(kind(400, "RouteLimitExceeded"), Kind::Quota("RouteLimitExceeded: m".to_owned()));
        assert_eq!(kind(400, "RouteAlreadyExists"), Kind::Exists);
        assert!(matches!(kind(400, "InvalidRouteTableID.NotFound"), Kind::NotFound(_)));
        assert!(matches!(kind(400, "RequestExpired"), Kind::Clock(_)));
        assert!(matches!(Kind::of(401, "AuthFailure", "Signature not yet current"), Kind::Clock(_)));
        assert!(matches!(kind(401, "AuthFailure"), Kind::Credentials(_)));
        assert!(matches!(kind(500, "InternalError"), Kind::Server(500)));
        assert!(matches!(kind(400, "InvalidParameterValue"), Kind::Refused(_)));
        assert!(!kind(400, "InvalidParameterValue").may_pass() && kind(503, "Unavailable").may_pass());
    }
}
