// SPDX-License-Identifier: Apache-2.0
//! Locks by files: held as long as the file is open, whoever has it open.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{FileError, append};

/// Locks a file that is made where missing, waiting for whoever holds it for at most `limit`; nothing: it is still held.
/// The lock is held until the last copy of the file is closed, also one that another process has been given (flock(2)).
///
/// # Errors
/// As the system says.
pub fn lock(path: &Path, limit: Duration) -> Result<Option<File>, FileError> {
    let until = Instant::now() + limit;
    loop {
        let file = append(path)?;
        match file.try_lock() {
            // The file may have been removed by whoever held it: then this lock is one on nothing.
            Ok(()) if is_at(&file, path) => return Ok(Some(file)),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) if Instant::now() >= until => return Ok(None),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            Err(TryLockError::Error(error)) => return Err(FileError::at("lock", path)(error)),
        }
    }
}

/// Returns whether a file is the one that has this name now.
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |about: io::Result<fs::Metadata>| about.ok().map(|about| (about.dev(), about.ino()));
    id(file.metadata()).is_some_and(|found| id(path.metadata()) == Some(found))
}
