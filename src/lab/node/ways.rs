// SPDX-License-Identifier: Apache-2.0
//! What is done with a node in another way for each kind of body.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;

use crate::host::command::Program;
use crate::lab::error::LabError;

/// The ways of one body.
pub(super) trait Ways {
    /// Makes what its processes are known by.
    fn prepare(&self) -> Result<(), LabError>;

    /// Returns a program of this machine that runs `words` inside the node, with its own streams as theirs and their exit
    /// code as its own; nothing: the node does not run. `Duration::MAX` says that a person waits.
    fn inside(&self, words: Vec<OsString>, limit: Duration) -> Result<Option<Program>, LabError>;

    /// Returns what tells this boot from all others; nothing: no systemd answers.
    fn boot(&self) -> Result<Option<String>, LabError>;

    /// Returns the processes of this machine that it consists of.
    fn processes(&self) -> Result<BTreeSet<i32>, LabError>;

    /// Ends all of them at once.
    fn cut(&self) -> Result<(), LabError>;
}
