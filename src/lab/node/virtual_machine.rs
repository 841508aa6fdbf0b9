// SPDX-License-Identifier: Apache-2.0
//! The ways of a virtual machine: its processes hold a file of its folder, and programs are run by shells that wait on
//! terminals of it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::ways::Ways;
use crate::host::command::{Program, SYSTEM_PATH};
use crate::host::{files, holders};
use crate::lab::body::Virtual;
use crate::lab::error::LabError;
use crate::lab::plan::NodeRecord;

/// Longest end of the processes of a node that are killed.
const KILL_LIMIT: Duration = Duration::from_secs(30);
/// Longest answer to a question that needs no disk.
const LIMIT: Duration = Duration::from_secs(10);
/// The path of the kernel's name for a boot (random(4)).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

pub(super) struct InMachine<'a> {
    pub body: &'a Virtual,
    pub folder: &'a Path,
}

impl Ways for InMachine<'_> {
    fn prepare(&self) -> Result<(), LabError> {
        Ok(())
    }

    fn inside(&self, words: Vec<OsString>, limit: Duration) -> Result<Option<Program>, LabError> {
        if files::lock(&NodeRecord::alive(self.folder), Duration::ZERO)?.is_some() {
            return Ok(None);
        }
        let pace = self.body.common.pace();
        let mut program = Program::new(&self.body.common.kiln, pace.limit(limit).saturating_mul(2))
            .env("PATH", SYSTEM_PATH)
            .args(["lab", "order"])
            .args([self.folder]);
        if limit != Duration::MAX {
            program = program.args(["--limit", &pace.limit(limit).as_secs().to_string()]);
        }
        Ok(Some(program.args(["--"]).args(words)))
    }

    fn boot(&self) -> Result<Option<String>, LabError> {
        let words = ["cat", BOOT_ID].map(OsString::from).into();
        // A machine that does not answer has not booted.
        let answer = self.inside(words, LIMIT)?.and_then(|program| program.run(&|_| ()).ok());
        Ok(answer.map(|answer| String::from_utf8_lossy(&answer).trim().to_owned()))
    }

    fn processes(&self) -> Result<BTreeSet<i32>, LabError> {
        let alive = NodeRecord::alive(self.folder);
        Ok(holders::of(&|path| path == alive)?)
    }

    fn cut(&self) -> Result<(), LabError> {
        let alive = NodeRecord::alive(self.folder);
        match holders::end(&|path| path == alive, KILL_LIMIT)? {
            true => Ok(()),
            false => Err(LabError::Stuck(format!("that have {} open", alive.display()))),
        }
    }
}
