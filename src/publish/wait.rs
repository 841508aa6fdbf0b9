// SPDX-License-Identifier: Apache-2.0
//! Waiting for the service, with a limit, and doing the same in every region at once.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::error::PublishError;
use crate::cloud::Region;

/// Looks again and again until `look` finds it.
///
/// # Errors
/// The look's; not ready, once `limit` is over.
pub(super) async fn until<T, F>(
    region: &Region,
    what: &str,
    limit: Duration,
    look: impl Fn() -> F,
) -> Result<T, PublishError>
where
    F: Future<Output = Result<Option<T>, PublishError>>,
{
    let start = Instant::now();
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if start.elapsed() >= limit {
            let (region, what) = (region.name().to_owned(), what.to_owned());
            return Err(PublishError::NotReady { region, what, limit_s: limit.as_secs() });
        }
        sleep(region.limits().poll).await;
    }
}

/// Runs everything at once and waits for all; results come in the order of the work.
///
/// # Errors
/// All that failed: one failure does not stop the others, whose work would be lost.
pub(super) async fn all<T: Send + 'static>(
    work: impl IntoIterator<Item = impl Future<Output = Result<T, PublishError>> + Send + 'static>,
) -> Result<Vec<T>, PublishError> {
    let mut running = JoinSet::new();
    for (index, one) in work.into_iter().enumerate() {
        running.spawn(async move { (index, one.await) });
    }
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    while let Some(joined) = running.join_next().await {
        match joined.expect("nothing here panics or is cancelled") {
            (index, Ok(value)) => done.push((index, value)),
            (_, Err(error)) => failed.push(error),
        }
    }
    PublishError::all(failed)?;
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, value)| value).collect())
}
