// SPDX-License-Identifier: Apache-2.0
//! The one retry layer: the same call again, for reasons that pass, with jitter and within a limit.
//!
//! Every call that kiln repeats may be repeated: it only reads, it carries a token, or it ends the same when made twice.
//! The one exception, RegisterImage, has a name that can be taken once; who calls it looks whose the name is.

use std::error::Error;
use std::future::Future;
use std::sync::PoisonError;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use tokio::time::{Instant, sleep};

use super::access::Region;
use super::error::{CloudError, kind_of};
use super::kind::CloudErrorKind;
use crate::cluster::Backoff;

/// AWS's SDKs begin with up to a second; what waits here is a person.
const FIRST: Duration = Duration::from_millis(100);
/// Longer pauses only make the limit come sooner.
const LONGEST: Duration = Duration::from_secs(10);

/// Between two sentences about calls that take long.
const QUIET: Duration = Duration::from_secs(60);

/// Whether "not found" may mean "not yet".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// It has been there for some time.
    Known,
    /// It was made a moment ago and may not be known everywhere.
    Fresh,
}

/// An error of one of the SDK's operations.
pub(super) trait Failure: ProvideErrorMetadata + Error + 'static {}

impl<E: ProvideErrorMetadata + Error + 'static> Failure for E {}

/// What one attempt comes to.
pub(super) type Answered<T, E> = Result<T, SdkError<E, HttpResponse>>;

impl Region {
    /// Makes a call until it is answered for good.
    pub(super) async fn call<T, E: Failure, F: Future<Output = Answered<T, E>>>(
        &self,
        call: &'static str,
        about: About,
        request: impl Fn() -> F,
    ) -> Result<T, CloudError> {
        self.call_hearing(call, about, request, |_| ()).await
    }

    /// As [`Region::call`]; `hear` is told of every failure that is not the last.
    pub(super) async fn call_hearing<T, E: Failure, F: Future<Output = Answered<T, E>>>(
        &self,
        call: &'static str,
        about: About,
        request: impl Fn() -> F,
        hear: impl Fn(&CloudErrorKind),
    ) -> Result<T, CloudError> {
        let start = Instant::now();
        let mut backoff = Backoff::new(FIRST, LONGEST, chance());
        loop {
            let kind = match request().await {
                Ok(answer) => return Ok(answer),
                Err(error) => kind_of(&error),
            };
            let is_early = about == About::Fresh && matches!(kind, CloudErrorKind::NotFound { .. });
            let limit = if is_early { self.limits.fresh } else { self.limits.operation };
            let pause = backoff.pause(None);
            if !(is_early || kind.may_pass()) || start.elapsed() + pause >= limit {
                return Err(CloudError { kind, call, region: self.name.to_string() });
            }
            hear(&kind);
            let is_silent = matches!(
                kind,
                CloudErrorKind::Unreachable(_)
                    | CloudErrorKind::TimedOut
                    | CloudErrorKind::LateCredentials(_)
            );
            if !is_early && is_silent {
                self.tell(&format!(
                    "{call} in {}: {kind}; trying again for {} s",
                    self.name,
                    limit.as_secs()
                ));
            }
            sleep(pause).await;
        }
    }
}

impl Region {
    /// Tells why a call takes long, now and then.
    fn tell(&self, text: &str) {
        // Whoever panicked, this is a moment.
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|last| last.elapsed() >= QUIET) {
            *told = Some(Instant::now());
            self.teller.tell(text);
        }
    }

    /// An answer that is not what the API promises.
    pub(super) fn malformed(&self, call: &'static str, what: &str) -> CloudError {
        let kind = CloudErrorKind::Broken(what.to_owned());
        CloudError { kind, call, region: self.name.to_string() }
    }
}

/// Differs from call to call, so that many that fail at once come back spread out.
fn chance() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(())
}
