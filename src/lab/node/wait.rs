// SPDX-License-Identifier: Apache-2.0
//! What a node is waited for; one that ends meanwhile ends the wait.

use std::time::{Duration, Instant};

use super::Node;
use crate::lab::error::LabError;

/// How often what is waited for is looked at.
const PAUSE: Duration = Duration::from_millis(50);

impl Node {
    /// Waits until the node's systemd answers.
    ///
    /// # Errors
    /// If the node ends before, or `limit` is over.
    pub fn wait_started(&self, limit: Duration) -> Result<(), LabError> {
        self.wait("started its systemd", limit, || Ok(self.system().is_ok().then_some(())))
    }

    /// Waits until all units that belong to the boot have started or failed; returns what systemd says of the system.
    ///
    /// # Errors
    /// If the node ends before, or `limit` is over.
    pub fn wait_settled(&self, limit: Duration) -> Result<String, LabError> {
        self.wait("settled", limit, || {
            let is_settled = |system: &String| !["initializing", "starting"].contains(&&system[..]);
            Ok(self.system().ok().filter(is_settled))
        })
    }

    /// Waits for what `look` finds.
    ///
    /// # Errors
    /// If the node ends before, or `limit` is over.
    pub(in crate::lab) fn wait<T>(
        &self,
        what: &'static str,
        limit: Duration,
        look: impl Fn() -> Result<Option<T>, LabError>,
    ) -> Result<T, LabError> {
        let (pause, limit) = (self.pace().pause(PAUSE), self.pace().limit(limit));
        let until = Instant::now() + limit;
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            if !self.is_kept()? {
                return Err(self.not_running());
            }
            if Instant::now() > until {
                let (node, console) = (self.record.name.clone(), self.record.console.clone());
                return Err(LabError::Late { node, what, limit_s: limit.as_secs(), console });
            }
            std::thread::sleep(pause);
        }
    }
}
