// SPDX-License-Identifier: Apache-2.0
//! What a failed request means for a node: wait, come back later, or stop.

use std::time::Duration;

use super::super::reason::{Fault, Reason};
use crate::cluster::{ApiError, ApiErrorKind as Kind};

/// What admission says when a policy refuses, whatever the status (k8s.io/apiserver, plugin/policy/validating).
const POLICY: &str = "ValidatingAdmissionPolicy";
/// What an admission plugin says while its caches fill.
const NOT_YET_READY: &str = "not yet ready to handle request";

/// Returns what the failure means where the request itself gives it no other meaning.
pub(in crate::firstboot) fn reason(error: ApiError) -> Reason {
    let text = error.to_string();
    let seconds = |wait: Option<Duration>| wait.map(|wait| wait.as_secs());
    let fault = match error.kind {
        Kind::Unreachable(why) => Fault::Unreachable(why),
        Kind::TooManyRequests { retry_after, .. } => Fault::Busy { retry_after_s: seconds(retry_after) },
        Kind::Server { retry_after: Some(wait), .. } => Fault::Busy { retry_after_s: Some(wait.as_secs()) },
        Kind::TlsUntrusted(why) => Fault::Untrusted(why),
        Kind::TlsClock(clock) => Fault::Clock(clock.to_string()),
        Kind::Unauthorized => Fault::Unauthorized(error.request.to_string()),
        Kind::Forbidden { message } if message.contains(POLICY) => Fault::Refused(message),
        Kind::Forbidden { message } if message.contains(NOT_YET_READY) => Fault::Busy { retry_after_s: None },
        Kind::Forbidden { message } => Fault::Forbidden(message),
        Kind::Invalid { message, .. } => Fault::Refused(message),
        Kind::Unsendable(why) => Fault::Refused(why),
        Kind::Malformed(_) | Kind::Status { .. } | Kind::NotFound { .. } => Fault::Nonsense(text),
        // A TLS alert may come from a balancer whose servers are being replaced.
        Kind::TimedOut { .. }
        | Kind::Broken(_)
        | Kind::Tls(_)
        | Kind::Server { .. }
        | Kind::Gone { .. }
        | Kind::Conflict { .. }
        | Kind::AlreadyExists { .. } => Fault::Unanswered(text),
    };
    fault.into()
}
