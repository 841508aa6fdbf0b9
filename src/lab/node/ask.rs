// SPDX-License-Identifier: Apache-2.0
//! What a node is asked: any program in it, its systemd, its journal, its console.

use std::time::Duration;

use super::Node;
use crate::host::command::Program;
use crate::host::files;
use crate::lab::error::LabError;

/// Longest answer to a question that systemd answers at once.
const LIMIT: Duration = Duration::from_secs(20);
/// The same, for whoever looks at many.
const NOW: Duration = Duration::from_secs(3);

impl Node {
    /// Returns a program that runs `words` inside the node.
    ///
    /// # Errors
    /// If the node does not run.
    pub fn inside(
        &self,
        words: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>,
        limit: Duration,
    ) -> Result<Program, LabError> {
        let words = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
        self.ways().inside(words, limit)?.ok_or_else(|| self.not_running())
    }

    /// Runs a program inside the node and returns what it printed.
    ///
    /// # Errors
    /// If the node does not run, or the program can't be started, fails or takes longer than `limit`.
    pub fn exec<W: AsRef<std::ffi::OsStr>>(
        &self,
        words: impl IntoIterator<Item = W>,
        limit: Duration,
    ) -> Result<String, LabError> {
        let output = self.inside(words, limit)?.run(&|_| ())?;
        Ok(String::from_utf8_lossy(&output).into_owned())
    }

    /// Returns what systemd says of the whole system: "starting", "running", "degraded" ...
    ///
    /// # Errors
    /// As [`Node::exec`].
    pub fn system(&self) -> Result<String, LabError> {
        self.property(None, "SystemState")
    }

    /// Returns the same, if it is told at once: a machine that boots does not answer yet.
    pub fn system_now(&self) -> Option<String> {
        let words = ["systemctl", "show", "--value", "--property=SystemState"];
        Some(self.exec(words, NOW).ok()?.trim_end().to_owned())
    }

    /// Returns a property of a unit, or of the manager (systemctl(1), show).
    ///
    /// # Errors
    /// As [`Node::exec`].
    pub fn property(&self, unit: Option<&str>, name: &str) -> Result<String, LabError> {
        let property = format!("--property={name}");
        let words = ["systemctl", "show", "--value", &property].into_iter().chain(unit);
        Ok(self.exec(words, LIMIT)?.trim_end().to_owned())
    }

    /// Returns the journal of this boot, or of one unit in it.
    ///
    /// # Errors
    /// As [`Node::exec`].
    pub fn journal(&self, unit: Option<&str>) -> Result<String, LabError> {
        let unit = unit.map(|unit| format!("--unit={unit}"));
        let words = ["journalctl", "--boot", "--no-pager", "--quiet"].map(str::to_owned);
        self.exec(words.into_iter().chain(unit), LIMIT)
    }

    /// Returns what a unit said last in this boot.
    ///
    /// # Errors
    /// As [`Node::exec`].
    pub fn said(&self, unit: &str) -> Result<String, LabError> {
        let words =
            ["journalctl", "--boot", "--no-pager", "--quiet", "--output=cat", "--lines=10", "--unit", unit];
        Ok(self.exec(words, LIMIT)?.trim_end().to_owned())
    }

    /// Returns what the console said in all boots.
    ///
    /// # Errors
    /// As the system says.
    pub fn console(&self) -> Result<String, LabError> {
        let bytes = files::read(&self.record.console, u64::MAX >> 1)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
