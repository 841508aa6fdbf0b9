// SPDX-License-Identifier: Apache-2.0
//! Flow: the control plane's files, one after the other, on a real root.

use super::control::{self, Chance, Next, Step, Trouble};
use super::identity::Identity;
use super::look_control::look;
use crate::host::entropy::{self, EntropyError};
use crate::host::files::FileError;
use crate::host::root::Root;
use crate::settings::Settings;

/// There are about forty files.
const TURNS_MAX: usize = 100;

/// Why the files are not there.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// No key could be drawn.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// What a person has to mend.
    #[error("{}", .0.iter().map(Trouble::to_string).collect::<Vec<_>>().join("\n"))]
    Stuck(Vec<Trouble>),
    /// Somebody else changes the files at the same time.
    #[error("the control plane's files were not complete after {TURNS_MAX} steps")]
    Turns,
}

/// Makes what is missing in the tree; returns how many files that were.
///
/// # Errors
/// As [`ControlError`] says. What was made stays, and the next run goes on from there.
pub fn settle(
    root: &Root,
    settings: &Settings,
    identity: &Identity,
    now_s: u64,
) -> Result<usize, ControlError> {
    for turn in 0..TURNS_MAX {
        match control::next(settings, identity, &look(root)?, now_s, &draw()?) {
            Next::Do(step) => apply(root, &step)?,
            Next::Done => return Ok(turn),
            Next::Stuck(troubles) => return Err(ControlError::Stuck(troubles)),
        }
    }
    Err(ControlError::Turns)
}

/// Draws what one step may need.
///
/// # Errors
/// As the system says.
pub fn draw() -> Result<Chance, EntropyError> {
    Ok(Chance { key_pem: entropy::key_pem()?, bytes: entropy::bytes()? })
}

/// Does one step, durably.
///
/// # Errors
/// As the system says.
pub fn apply(root: &Root, step: &Step) -> Result<(), FileError> {
    match step {
        Step::Write(file) => root.replace(&file.path, file.text.as_bytes(), file.mode),
        Step::Link { path, target } => root.replace_link(path, target),
    }
}
