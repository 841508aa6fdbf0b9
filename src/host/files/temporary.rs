// SPDX-License-Identifier: Apache-2.0
//! Names of files that have no final one yet: temporary ones, and none at all.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::{AT_FDCWD, AtFlags, Flock, FlockArg, RenameFlags};

use super::{FileError, folder_of, list, open_plain, remove};

fn temporary_prefix(path: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    // A name may have 255 bytes; the prefix and suffix need about 40 of them.
    let name = path.file_name().unwrap_or(OsStr::new("file")).as_encoded_bytes();
    prefix.push(String::from_utf8_lossy(&name[..name.len().min(120)]).as_ref());
    prefix.push(".kiln-");
    prefix
}

pub(super) fn temporary_name(path: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let mut name = temporary_prefix(path);
    name.push(format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    folder_of(path).join(name)
}

/// Removes temporary files of `path` that nobody holds a lock on: their maker was killed.
pub(super) fn sweep(path: &Path) -> Result<(), FileError> {
    let prefix = temporary_prefix(path);
    for name in list(folder_of(path))? {
        if !name.as_encoded_bytes().starts_with(prefix.as_encoded_bytes()) {
            continue;
        }
        let stale = folder_of(path).join(name);
        let Ok(file) = open_plain(&stale) else { continue };
        if Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok() {
            remove(&stale)?;
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "this is the port")]
pub(super) fn open_nameless(folder: &Path, mode: u32) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).mode(mode).custom_flags(nix::libc::O_TMPFILE);
    options.open(folder)
}

#[expect(clippy::disallowed_methods, reason = "this is the port")]
pub(super) fn open_new(path: &Path, mode: u32) -> io::Result<File> {
    fs::OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path)
}

pub(super) fn name_nameless(file: &File, name: &Path) -> io::Result<()> {
    // open(2), O_TMPFILE: the link of /proc/self/fd is how an unprivileged process names such a file.
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    nix::unistd::linkat(AT_FDCWD, link.as_str(), AT_FDCWD, name, AtFlags::AT_SYMLINK_FOLLOW)?;
    Ok(())
}

pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    nix::fcntl::renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE)?;
    Ok(())
}
