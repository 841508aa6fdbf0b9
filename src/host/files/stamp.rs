// SPDX-License-Identifier: Apache-2.0
//! What tells that a file is as it was, without reading it: its inode says so, as for git's index.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::FileError;

/// A file changed less than this before it was hashed may have been changed again within the same tick of its clock.
const SETTLED_S: u64 = 3;

/// A file at one moment. Any write to it, and any other file under its name, gives another one: nobody can set ctime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    device: u64,
    inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// Seconds since 1970, and nanoseconds.
    mtime: (i64, i64),
    ctime: (i64, i64),
}

impl Stamp {
    /// Looks at the file `path`.
    ///
    /// # Errors
    /// As the system says.
    pub fn of(path: &Path) -> Result<Self, FileError> {
        let it = path.metadata().map_err(FileError::at("look at", path))?;
        let (mtime, ctime) = ((it.mtime(), it.mtime_nsec()), (it.ctime(), it.ctime_nsec()));
        Ok(Self { device: it.dev(), inode: it.ino(), size: it.size(), mtime, ctime })
    }

    /// Tells whether a later change would show at `now_s`, seconds since 1970.
    pub fn is_settled(&self, now_s: u64) -> bool {
        self.ctime.0.max(self.mtime.0).max(0) as u64 + SETTLED_S < now_s
    }
}
