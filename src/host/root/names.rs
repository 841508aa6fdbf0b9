// SPDX-License-Identifier: Apache-2.0
//! Folders in which names were given or taken that a power cut may still undo.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::sync_if_there;
use crate::host::files::FileError;

/// Folders that wait for their sync; clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    given: BTreeSet<PathBuf>,
    taken: BTreeSet<PathBuf>,
}

impl Names {
    /// A name was given to something in this folder.
    pub(super) fn gave(&self, folder: &Path) {
        self.waits().given.insert(folder.to_owned());
    }

    /// Something in this folder lost its name.
    pub(super) fn took(&self, folder: &Path) {
        self.waits().taken.insert(folder.to_owned());
    }

    /// Syncs all folders, those above before those below.
    pub(super) fn settle(&self) -> Result<(), FileError> {
        let mut waits = self.waits();
        while let Some(folder) = waits.given.first().or(waits.taken.first()).cloned() {
            sync_if_there(&folder)?;
            // One sync is for both.
            waits.given.remove(&folder);
            waits.taken.remove(&folder);
        }
        Ok(())
    }

    /// Syncs all folders if a name was given in any: nothing is to be taken away before what takes its place is safe.
    pub(super) fn settle_given(&self) -> Result<(), FileError> {
        let is_safe = self.waits().given.is_empty();
        if is_safe { Ok(()) } else { self.settle() }
    }

    fn waits(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> Vec<PathBuf> {
        let waits = self.waits();
        waits.given.union(&waits.taken).cloned().collect()
    }
}
