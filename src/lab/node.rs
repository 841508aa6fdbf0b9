// SPDX-License-Identifier: Apache-2.0
//! One node, known by its record: what its keeper was told, whether it lives, and the process that is 1 in it. How a node
//! begins, is asked, waited for and ended lies below.

mod ask;
pub(super) mod begin;
mod power;
mod wait;

use std::path::PathBuf;
use std::time::Duration;

use super::error::LabError;
use super::plan::{Lab, Name, NodeRecord};
use super::records;
use crate::host::{cgroups, files, resources};

/// A node that has been begun.
#[derive(Debug, Clone)]
pub struct Node {
    /// What its keeper knows.
    pub record: NodeRecord,
    lab: Name,
    folder: PathBuf,
}

/// The longest text of a keeper.
const LOG_MAX: u64 = 1 << 20;

impl Node {
    /// Returns a node of a lab.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn of(lab: &Lab, name: &Name) -> Result<Self, LabError> {
        let folder = lab.node(name);
        if !NodeRecord::path(&folder).exists() {
            return Err(LabError::NoNode { lab: lab.name.clone(), node: name.clone() });
        }
        Ok(Self { record: records::node(&folder)?, lab: lab.name.clone(), folder })
    }

    /// Returns all nodes of a lab by name.
    ///
    /// # Errors
    /// If a record can't be read.
    pub fn all(lab: &Lab) -> Result<Vec<Self>, LabError> {
        let folder = lab.state().join("nodes");
        let names = if folder.exists() { files::list(&folder)? } else { Vec::new() };
        let names = names.into_iter().filter_map(|name| Name::try_from(name.into_string().ok()?).ok());
        // A folder without a record is that of a node that was not begun.
        let begun = names.filter(|name| NodeRecord::path(&lab.node(name)).exists());
        begun.map(|name| Self::of(lab, &name)).collect()
    }

    /// Returns whether its keeper lives.
    ///
    /// # Errors
    /// As the system says.
    pub fn is_kept(&self) -> Result<bool, LabError> {
        Ok(files::lock(&NodeRecord::alive(&self.folder), Duration::ZERO)?.is_none())
    }

    /// Returns the process that is 1 inside the node; nothing: it has not come so far, or has ended.
    ///
    /// # Errors
    /// As the system says.
    pub fn leader(&self) -> Result<Option<i32>, LabError> {
        let processes = cgroups::processes(&self.record.cgroup)?;
        // Pods have namespaces inside that of the node: three numbers.
        let is_leader = |process: &i32| matches!(resources::numbers(*process)[..], [_, 1]);
        Ok(processes.into_iter().find(is_leader))
    }

    pub(super) fn not_running(&self) -> LabError {
        let said = files::read(&self.record.keeper_log(), LOG_MAX).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).trim_end().to_owned();
        let said = if said.is_empty() { said } else { format!("; its keeper said:\n{said}") };
        LabError::NotRunning { node: self.record.name.clone(), console: self.record.console.clone(), said }
    }
}
