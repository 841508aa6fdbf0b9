// SPDX-License-Identifier: Apache-2.0
//! A call that failed: which one, where, and what kind of failure it was.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::kind::CloudErrorKind;
use crate::cause;

/// How the SDK begins when credentials do not come.
const LATE: &str = "identity resolver timed out";

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call} in {region}: {kind}")]
pub struct CloudError {
    /// What went wrong; its words are part of this error's.
    pub kind: CloudErrorKind,
    /// The call as policies name it: `ec2:RegisterImage`.
    pub call: &'static str,
    /// The region.
    pub region: String,
}

impl CloudError {
    /// Returns whether the same call may succeed later, without anything being changed.
    pub fn may_pass(&self) -> bool {
        self.kind.may_pass()
    }

    /// Returns whether what was asked about is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self.kind, CloudErrorKind::NotFound { .. })
    }

    /// Returns whether the service refused with this code.
    pub fn is_refused_as(&self, wanted: &str) -> bool {
        matches!(&self.kind, CloudErrorKind::Refused { code, .. } if code == wanted)
    }
}

/// Sorts an error of the SDK.
pub(super) fn kind_of<E>(error: &SdkError<E, HttpResponse>) -> CloudErrorKind
where
    E: ProvideErrorMetadata + Error + 'static,
{
    if let Some(found) = cause::find::<CredentialsError>(error) {
        return CloudErrorKind::Credentials(cause::root_of(found));
    }
    match error {
        SdkError::ServiceError(refused) => {
            let status = refused.raw().status().as_u16();
            let (code, message) = (refused.err().code().unwrap_or("unknown"), refused.err().message());
            let reason = reason(refused.raw());
            CloudErrorKind::of_answer(status, code, message.unwrap_or_default(), reason.as_deref())
        }
        SdkError::TimeoutError(_) => CloudErrorKind::TimedOut,
        SdkError::ResponseError(_) => CloudErrorKind::Broken(cause::root_of(error)),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => CloudErrorKind::TimedOut,
        // The SDK has no type of its own for it.
        SdkError::DispatchFailure(_) if cause::root_of(error).starts_with(LATE) => {
            CloudErrorKind::LateCredentials(cause::root_of(error))
        }
        // A connection that ends before the answer is "other" to the SDK.
        SdkError::DispatchFailure(failure) if !failure.is_user() => {
            CloudErrorKind::Unreachable(cause::root_of(error))
        }
        _ => CloudErrorKind::Refused { code: "not sent".to_owned(), message: cause::root_of(error) },
    }
}

/// Returns the reason of a throttled call, which the EBS direct APIs give in the body.
fn reason(answer: &HttpResponse) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(answer.body().bytes()?).ok()?;
    body.get("Reason").or(body.get("reason"))?.as_str().map(str::to_owned)
}
