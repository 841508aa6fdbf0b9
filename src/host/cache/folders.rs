// SPDX-License-Identifier: Apache-2.0
//! Folders of the cache that programs fill by themselves: Go's modules and objects. Each is listed and goes as a whole,
//! because what of it belongs together only that program knows.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;

use super::entry::{Entry, EntryKind};
use super::{Cache, CacheError};
use crate::host::files::{self, FileError};

/// The folders, as `go env` names them: GOMODCACHE and GOCACHE.
const FOLDERS: [&str; 2] = ["go/build", "go/mod"];

impl Cache {
    /// Returns the folder `name` of those that Go keeps in the cache: `build`, `mod`, or another that is not listed.
    pub fn go_folder(&self, name: &str) -> PathBuf {
        self.root().join("go").join(name)
    }

    /// Marks Go's folders as used now: Go changes nothing at what it only reads.
    pub fn go_used(&self) {
        for folder in FOLDERS {
            let (now, flags) = (TimeSpec::UTIME_NOW, UtimensatFlags::FollowSymlink);
            // One that is not there yet is made now.
            let _ = utimensat(AT_FDCWD, &self.root().join(folder), &now, &now, flags);
        }
    }
}

/// Lists the folders that are there.
pub(super) fn list(root: &Path, entries: &mut Vec<Entry>) -> Result<(), CacheError> {
    for name in FOLDERS {
        let path = root.join(name);
        let Ok(about) = path.metadata() else { continue };
        let disk_bytes = disk_bytes(&path)?;
        let used_s = about.mtime().max(0) as u64;
        entries.push(Entry { kind: EntryKind::Folder { name: name.to_owned() }, path, disk_bytes, used_s });
    }
    Ok(())
}

/// Returns what everything below `folder` takes on the disk.
fn disk_bytes(folder: &Path) -> Result<u64, FileError> {
    let (mut bytes, mut folders) = (0, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for name in files::list(&folder)? {
            let path = folder.join(name);
            // Another kiln may have moved it since the listing.
            let Ok(about) = path.symlink_metadata() else { continue };
            // st_blocks counts 512-byte units (stat(2)).
            bytes += about.blocks() * 512;
            folders.extend(about.is_dir().then_some(path));
        }
    }
    Ok(bytes)
}
