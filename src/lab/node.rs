// SPDX-License-Identifier: Apache-2.0
//! One node, known by its record: what its keeper was told and whether it lives. How a node begins, is asked, waited for
//! and ended lies below, and beside each other what is different for a container and a virtual machine.

mod ask;
pub(super) mod begin;
mod container;
pub(super) mod orders;
mod power;
mod virtual_machine;
mod wait;
mod ways;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::body::Body;
use super::error::LabError;
use super::pace::Pace;
use super::plan::{Lab, Name, NodeRecord};
use super::records;
use crate::host::files;
use container::InContainer;
use virtual_machine::InMachine;
use ways::Ways;

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

    /// Returns the processes of this machine that it consists of.
    ///
    /// # Errors
    /// As the system says.
    pub fn processes(&self) -> Result<BTreeSet<i32>, LabError> {
        self.ways().processes()
    }

    /// Returns what tells this boot from all others; nothing: its systemd has not come so far, or has ended.
    ///
    /// # Errors
    /// As the system says.
    pub fn boot(&self) -> Result<Option<String>, LabError> {
        self.ways().boot()
    }

    /// Returns how patient one has to be with it.
    pub fn pace(&self) -> Pace {
        self.record.body.pace()
    }

    fn ways(&self) -> Box<dyn Ways + '_> {
        match &self.record.body {
            Body::Container(body) => Box::new(InContainer(body)),
            Body::Virtual(body) => Box::new(InMachine { body, folder: &self.folder }),
        }
    }

    pub(super) fn not_running(&self) -> LabError {
        let said = files::read(&self.record.keeper_log(), LOG_MAX).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).trim_end().to_owned();
        let said = if said.is_empty() { said } else { format!("; its keeper said:\n{said}") };
        LabError::NotRunning { node: self.record.name.clone(), console: self.record.console.clone(), said }
    }
}
