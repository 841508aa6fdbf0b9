// SPDX-License-Identifier: Apache-2.0
//! Folders for work in progress: gone when dropped, when interrupted, or when the next kiln finds one of a killed kiln.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::{Flock, FlockArg};

use super::files::{self, FileError};
use super::interrupt::Doomed;
use super::removal::remove_folder;

/// A folder that goes away with this value.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    _lock: Flock<File>,
    _doomed: Doomed,
}

impl Scratch {
    /// Makes a new folder below `parent`, which is made too; removes those below it whose makers are dead.
    ///
    /// # Errors
    /// As the system says.
    pub fn new(parent: &Path) -> Result<Self, FileError> {
        files::make_folder(parent)?;
        sweep(parent)?;
        loop {
            // Another kiln may sweep the folder between its making and its locking: then there is nothing at the path.
            let made = Self::make(parent)?;
            if made.path.exists() {
                return Ok(made);
            }
        }
    }

    fn make(parent: &Path) -> Result<Self, FileError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = parent.join(name);
        files::make_folder(&path)?;
        let lock = Flock::lock(files::open(&path)?, FlockArg::LockExclusive);
        let lock = lock.map_err(|(_, errno)| FileError::at("lock", &path)(errno.into()))?;
        Ok(Self { _doomed: Doomed::new(&path), path, _lock: lock })
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What can't be removed now is removed by the next `sweep`.
        let _ = remove_folder(&self.path);
    }
}

fn sweep(parent: &Path) -> Result<(), FileError> {
    for name in files::list(parent)? {
        let stale = parent.join(name);
        let Ok(folder) = files::open(&stale) else { continue };
        if let Ok(_lock) = Flock::lock(folder, FlockArg::LockExclusiveNonblock) {
            // A program that was killed may have left mounts: then it stays until they are gone.
            let _ = remove_folder(&stale);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scratch_folder_goes_and_a_dead_one_is_swept() {
        let parent = tempfile::tempdir().unwrap();
        files::make_folder(&parent.path().join("99999-0/deep")).unwrap();
        let scratch = Scratch::new(parent.path()).unwrap();
        let other = Scratch::new(parent.path()).unwrap();
        assert_eq!(files::list(parent.path()).unwrap().len(), 2);
        drop((scratch, other));
        assert!(files::list(parent.path()).unwrap().is_empty());
    }
}
