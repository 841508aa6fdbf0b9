// SPDX-License-Identifier: Apache-2.0
//! One at a time: two programs that record what they do on one machine would overwrite each other's records, and one Node
//! would have two claims.

use std::fs::File;
use std::time::Duration;

use kiln::host::files::FileError;
use kiln::host::root::Root;

use crate::words::{Phase, Word};

/// The lock's file. It is never removed, and the lock ends with the process that holds it.
const LOCK: &str = "/var/lib/kiln/lock";
/// A birth takes seconds where nothing is waited for; whoever finds one that waits comes back.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether this program has the machine to itself.
pub enum Alone {
    /// It has, as long as the file is open; or it needs not, for it records nothing that others rest on.
    Is { _lock: Option<File> },
    /// Another one is at work.
    Not,
}

/// Waits for whoever else is at work, a while. Nothing is touched for a word that records nothing.
pub fn alone(root: &Root, word: Word) -> Result<Alone, FileError> {
    let records = match word {
        // What kiln records may lie on the volume, and so may the lock; the volume's unit is before all others.
        Word::Run { phase: Some(Phase::Volume), .. } => false,
        // Addons may take long, and a repair must not wait for them; they have no record but their own.
        Word::Run { dry_run, phase } => !dry_run && phase != Some(Phase::Addons),
        Word::Repair => true,
        Word::Verify { .. } | Word::Share | Word::Images | Word::Explain | Word::Status { .. } => false,
    };
    if !records {
        return Ok(Alone::Is { _lock: None });
    }
    Ok(root.lock(LOCK, PATIENCE)?.map_or(Alone::Not, |lock| Alone::Is { _lock: Some(lock) }))
}
