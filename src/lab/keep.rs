// SPDX-License-Identifier: Apache-2.0
//! The keeper of one node: a process of its own that makes the node's disk, starts it, and ends when it is off.

mod container;
mod machine;

use std::path::Path;

use super::body::Body;
use super::error::LabError;
use super::records;
use crate::host::resources;

/// How a node ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was powered off.
    Off,
    /// What ran it failed with this code.
    Failed {
        /// "systemd-nspawn".
        program: &'static str,
        /// Its exit code.
        code: i32,
    },
}

/// The longest credential (systemd: 1 MiB).
const CREDENTIAL_MAX: u64 = 1 << 20;

/// Keeps the node whose record lies in `folder` until it is powered off.
///
/// # Errors
/// As the machine says; the node does not run then.
pub fn keep(folder: &Path) -> Result<Ended, LabError> {
    let node = records::node(folder)?;
    resources::new_session();
    match &node.body {
        Body::Container(body) => container::keep(&node, body),
        Body::Virtual(body) => machine::keep(&node, body, folder),
    }
}
