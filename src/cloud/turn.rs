// SPDX-License-Identifier: Apache-2.0
//! Turns: calls about blocks, which come by the thousand, at the pace that the service allows.

use std::future::Future;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::access::Region;
use super::error::CloudError;
use super::kind::CloudErrorKind;
use super::pace::Pace;
use super::retry::{About, Answered, Failure};

impl Region {
    /// Makes a call about a block when its turn has come; throttling slows down all that come after it.
    pub(super) async fn paced<T, E: Failure, F: Future<Output = Answered<T, E>>>(
        &self,
        call: &'static str,
        about: About,
        request: impl Fn() -> F,
        hear: impl Fn(&CloudErrorKind),
    ) -> Result<T, CloudError> {
        let in_turn = || async {
            self.wait_for_turn().await;
            request().await
        };
        let hear_all = |kind: &CloudErrorKind| {
            if let CloudErrorKind::Throttled { .. } = kind {
                self.pace(|pace, now| pace.throttled(now));
            }
            hear(kind);
        };
        let answer = self.call_hearing(call, about, in_turn, hear_all).await?;
        self.pace(|pace, _| pace.served());
        Ok(answer)
    }

    async fn wait_for_turn(&self) {
        let pause = self.pace(Pace::take);
        if pause > Duration::ZERO {
            sleep(pause).await;
        }
    }

    /// Returns how many blocks a second the service allows now.
    pub fn blocks_per_s(&self) -> f64 {
        self.pace(|pace, _| pace.per_s())
    }

    fn pace<T>(&self, work: impl FnOnce(&mut Pace, Duration) -> T) -> T {
        // Whoever panicked, a pace is two numbers.
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut pace, Instant::now() - self.opened)
    }
}
