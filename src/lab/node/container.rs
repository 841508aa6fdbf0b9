// SPDX-License-Identifier: Apache-2.0
//! The ways of a container: its processes are a control group, and a program enters its namespaces.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;

use super::ways::Ways;
use crate::host::command::{Program, SYSTEM_PATH};
use crate::host::{cgroups, resources};
use crate::lab::body::Container;
use crate::lab::error::LabError;

/// Longest end of the processes of a node that are killed.
const KILL_LIMIT: Duration = Duration::from_secs(30);

pub(super) struct InContainer<'a>(pub &'a Container);

impl InContainer<'_> {
    /// Returns the process that is 1 inside the node.
    fn leader(&self) -> Result<Option<i32>, LabError> {
        // Pods have namespaces inside that of the node: three numbers.
        let is_leader = |process: &i32| matches!(resources::numbers(*process)[..], [_, 1]);
        Ok(self.processes()?.into_iter().find(is_leader))
    }
}

impl Ways for InContainer<'_> {
    fn prepare(&self) -> Result<(), LabError> {
        Ok(cgroups::make(&self.0.cgroup)?)
    }

    fn inside(&self, words: Vec<OsString>, limit: Duration) -> Result<Option<Program>, LabError> {
        let Some(leader) = self.boot()? else { return Ok(None) };
        let program = Program::new("nsenter", limit)
            .env("PATH", format!("{SYSTEM_PATH}:/opt/bin"))
            .env("HOME", "/root")
            .env("LANG", "C.UTF-8")
            .args(["--target", &leader, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"])
            .args(words);
        Ok(Some(program))
    }

    fn boot(&self) -> Result<Option<String>, LabError> {
        Ok(self.leader()?.map(|leader| leader.to_string()))
    }

    fn processes(&self) -> Result<BTreeSet<i32>, LabError> {
        Ok(cgroups::processes(&self.0.cgroup)?)
    }

    fn cut(&self) -> Result<(), LabError> {
        match cgroups::end(&self.0.cgroup, KILL_LIMIT)? {
            true => Ok(()),
            false => Err(LabError::Stuck(format!("control group {}", self.0.cgroup))),
        }
    }
}
