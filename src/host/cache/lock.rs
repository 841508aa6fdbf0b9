// SPDX-License-Identifier: Apache-2.0
//! Who works on what: one lock file for each key, held by flock(2), which the kernel lets go when its holder dies.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::{CacheError, open_or_create};
use crate::digest::Digest;
use crate::host::files::FileError;

/// The right to work on one key, until it is dropped.
#[derive(Debug)]
pub struct KeyLock {
    _file: Flock<File>,
}

/// How long to sleep between two looks at a lock: short beside a download, long beside the look.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) fn lock(
    folder: &Path,
    key: &str,
    limit: Duration,
    waiting: &dyn Fn(&str),
) -> Result<KeyLock, CacheError> {
    let path = folder.join(Digest::of(key.as_bytes()).to_string());
    let end = Instant::now() + limit;
    let mut is_told = false;
    loop {
        let file = open_or_create(&path).map_err(FileError::at("open", &path))?;
        if let Some(mut file) = attempt(file, FlockArg::LockExclusiveNonblock, &path)? {
            if is_same(&file, &path) {
                // For the person who wonders what the file is; nobody reads it.
                let _ = file.set_len(0).and_then(|()| writeln!(file, "{} {key}", std::process::id()));
                return Ok(KeyLock { _file: file });
            }
            continue;
        }
        if !is_told {
            waiting(&format!("waiting for another kiln that works on {key}"));
            is_told = true;
        }
        pause(end, key, limit)?;
    }
}

/// Waits for a lock on `file` itself.
pub(super) fn wait(
    mut file: File,
    how: FlockArg,
    path: &Path,
    what: &str,
    limit: Duration,
) -> Result<Flock<File>, CacheError> {
    let end = Instant::now() + limit;
    loop {
        match Flock::lock(file, how) {
            Ok(locked) => return Ok(locked),
            Err((back, Errno::EWOULDBLOCK | Errno::EINTR)) => file = back,
            Err((_, errno)) => return Err(FileError::at("lock", path)(errno.into()).into()),
        }
        pause(end, what, limit)?;
    }
}

/// Tries to lock `file`; none if somebody else holds it.
pub(super) fn attempt(file: File, how: FlockArg, path: &Path) -> Result<Option<Flock<File>>, FileError> {
    match Flock::lock(file, how) {
        Ok(file) => Ok(Some(file)),
        Err((_, Errno::EWOULDBLOCK | Errno::EINTR)) => Ok(None),
        Err((_, errno)) => Err(FileError::at("lock", path)(errno.into())),
    }
}

/// Whether `path` still names the file that was locked: its last holder may have moved or removed it.
pub(super) fn is_same(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.metadata()) {
        (Ok(held), Ok(named)) => (held.dev(), held.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

fn pause(end: Instant, what: &str, limit: Duration) -> Result<(), CacheError> {
    if Instant::now() >= end {
        return Err(CacheError::Busy { what: what.to_owned(), limit_s: limit.as_secs() });
    }
    std::thread::sleep(PAUSE);
    Ok(())
}
