// SPDX-License-Identifier: Apache-2.0
//! A node's power: on, off as its own systemd does it, off as a power cut does, and off and on again.

use std::path::Path;
use std::time::{Duration, Instant};

use super::Node;
use crate::host::command::{Program, SYSTEM_PATH, Streams};
use crate::host::files;
use crate::lab::error::LabError;
use crate::lab::plan::NodeRecord;

/// How often its end is looked for.
const PAUSE: Duration = Duration::from_millis(50);
/// Longest answer of systemd to the order to end.
const ORDER_LIMIT: Duration = Duration::from_secs(20);

impl Node {
    /// Starts the node again, on its own disk, after it has ended.
    ///
    /// # Errors
    /// If it runs, or as the machine says.
    pub fn power_on(&self, kiln: &Path) -> Result<(), LabError> {
        self.ways().prepare()?;
        let alive = files::lock(&NodeRecord::alive(&self.folder), Duration::ZERO)?;
        let alive = alive.ok_or_else(|| LabError::Busy(self.lab.clone()))?;
        let streams = Streams {
            // The lock goes on with the keeper, who holds it as its input.
            input: Some(alive),
            error: Some(files::append(&self.record.keeper_log())?),
            ..Streams::default()
        };
        let keeper = Program::new(kiln, Duration::MAX).env("PATH", SYSTEM_PATH).args(["lab", "keep"]);
        keeper.args([&self.folder]).spawn(streams)?.let_go();
        Ok(())
    }

    /// Powers the node off as its own systemd does; one that takes longer than `limit` is killed.
    ///
    /// # Errors
    /// As the system says.
    pub fn stop(&self, limit: Duration) -> Result<(), LabError> {
        // The answer may be cut off by what was asked for.
        let _ = self.exec(["systemctl", "poweroff"], ORDER_LIMIT);
        let until = Instant::now() + self.pace().limit(limit);
        while self.is_kept()? && Instant::now() < until {
            std::thread::sleep(PAUSE);
        }
        self.kill()
    }

    /// Ends the node as a power cut does: every process at once.
    ///
    /// # Errors
    /// As the system says.
    pub fn kill(&self) -> Result<(), LabError> {
        self.ways().cut()
    }

    /// Reboots the node and waits until its systemd answers again.
    ///
    /// # Errors
    /// If it does not run or does not come back within `limit`.
    pub fn reboot(&self, limit: Duration) -> Result<(), LabError> {
        let before = self.boot()?.ok_or_else(|| self.not_running())?;
        let _ = self.exec(["systemctl", "reboot"], ORDER_LIMIT);
        self.wait("rebooted", limit, || {
            let is_other = self.boot()?.is_some_and(|boot| boot != before);
            Ok((is_other && self.system().is_ok()).then_some(()))
        })
    }
}
