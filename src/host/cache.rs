// SPDX-License-Identifier: Apache-2.0
//! The cache: everything that was fetched, built or decoded, by content, shared by all kilns of one user.
//!
//! A blob gets its name only when it is whole and synced, so that `kill -9` at any moment leaves the cache intact; it is
//! believed as long as its inode says that nobody has touched it since (see `sound`). The cache refuses to decide what may go ([`crate::lock::unused`] does) and to fetch anything.
//!
//! Under the folder (`$XDG_CACHE_HOME/kiln`; the program reads the environment): `blobs/sha256/ab/DIGEST`;
//! `derived/KIND/KEY`, files named by what they were made from; `unproven/KIND/KEY`, those that have yet to be read once;
//! `records/KIND/KEY`, small JSON texts;
//! `partial/`, downloads that can go on; `locks/`, what is being made by whom; `in-use`, locked by every kiln; `go/`, what
//! Go keeps.

mod alone;
mod entry;
mod folders;
mod lock;
mod named;
mod partial;
mod pieces;
mod sound;
mod writer;

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::{AT_FDCWD, Flock, FlockArg};
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;

use super::files::{self, Existing, FileError, Pending};
use crate::digest::Digest;

pub use alone::{Alone, Verified};
pub use entry::{Entry, EntryKind};
pub use lock::KeyLock;
pub use partial::{Partial, PartialState};
pub use sound::Found;
pub use writer::Writer;

/// The user's cache, open. Clones share it.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    known: Arc<sound::Known>,
    /// Held shared as long as any clone lives, so that nothing is swept away under a running kiln.
    _in_use: Arc<Flock<File>>,
}

/// A whole file in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// SHA-256 of its content.
    pub digest: Digest,
    /// Where it lies.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
}

/// What went wrong in the cache.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another kiln held something for too long.
    #[error("another kiln has been holding {what} for {limit_s} s; wait for it, or end it, and run again")]
    Busy {
        /// What is held.
        what: String,
        /// How long was waited, in seconds.
        limit_s: u64,
    },
    /// A kind or key that can't be a file name.
    #[error("'{0}' can't be a name in the cache (a-z, A-Z, 0-9, '-', '_' and '.' inside, at most 128)")]
    Name(String),
}

/// Nothing in the cache is secret, and nothing in it is run from there.
const MODE: u32 = 0o644;

impl Cache {
    /// Opens the cache in `root`, which is made where missing. Waits at most `limit` for a kiln that cleans it up.
    ///
    /// # Errors
    /// If it can't be made or is being cleaned up for longer than `limit`.
    pub fn open(root: &Path, limit: Duration) -> Result<Self, CacheError> {
        for folder in ["blobs/sha256", "derived", named::UNPROVEN, "records", "partial", "locks"] {
            files::make_folder(&root.join(folder))?;
        }
        let path = root.join("in-use");
        let failed = |error| FileError::at("open", &path)(error);
        let file = open_or_create(&path).map_err(failed)?;
        let what = format!("the cache {}", root.display());
        let in_use = lock::wait(file, FlockArg::LockSharedNonblock, &path, &what, limit)?;
        Ok(Self { root: root.to_owned(), known: Arc::default(), _in_use: Arc::new(in_use) })
    }

    /// Returns the folder that the cache lies in.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the blob of `digest`, if it is there and sound, and marks it as used now. It is hashed only if it may have
    /// been touched since that was done last.
    pub fn get(&self, digest: &Digest) -> Option<Blob> {
        match self.look(digest) {
            Found::Sound(blob) => Some(blob),
            Found::Damaged(_) | Found::Nothing => None,
        }
    }

    /// Makes a file that will become a blob, nameless until [`Cache::put`].
    ///
    /// # Errors
    /// As the system says.
    pub fn pending(&self) -> Result<Pending, CacheError> {
        Ok(Pending::new(&self.root.join("partial/incoming"), MODE)?)
    }

    /// Makes a file whose content arrives in order and is hashed on its way.
    ///
    /// # Errors
    /// As the system says.
    pub fn writer(&self) -> Result<Writer<'_>, CacheError> {
        Ok(Writer::new(self, self.pending()?))
    }

    /// Puts a file made by [`Cache::pending`] in its place, also of a damaged one; a sound one that is there stays. The caller
    /// has computed `digest` over what it wrote.
    ///
    /// # Errors
    /// As the system says.
    pub fn put(&self, pending: Pending, digest: &Digest) -> Result<Blob, CacheError> {
        if let Some(blob) = self.get(digest) {
            return Ok(blob);
        }
        let path = self.blob_path(digest);
        files::make_folder(path.parent().unwrap_or(&self.root))?;
        pending.renamed(&path).commit(Existing::Replace)?;
        self.is_put(path, digest)
    }

    /// Returns the blob that was put at `path` just now.
    fn is_put(&self, path: PathBuf, digest: &Digest) -> Result<Blob, CacheError> {
        let stamp = self.hashed(sound::BLOBS, digest, &path)?;
        Ok(Blob { digest: *digest, path, size: stamp.size })
    }

    /// Puts `bytes` into the cache.
    ///
    /// # Errors
    /// As the system says.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<Blob, CacheError> {
        let digest = Digest::of(bytes);
        if let Some(blob) = self.get(&digest) {
            return Ok(blob);
        }
        let pending = self.pending()?;
        pending.write_at(bytes, 0)?;
        self.put(pending, &digest)
    }

    /// Copies the file `path` into the cache, hashing what is copied, so that a later change to it does no harm.
    ///
    /// # Errors
    /// As the system says.
    pub fn put_file(&self, path: &Path) -> Result<Blob, CacheError> {
        let mut from = files::open(path)?;
        let mut writer = self.writer()?;
        // Holes are kept in pieces of this size.
        let mut buffer = vec![0; 128 << 10];
        loop {
            let count = std::io::Read::read(&mut from, &mut buffer).map_err(FileError::at("read", path))?;
            if count == 0 {
                return writer.finish();
            }
            writer.push(&buffer[..count])?;
        }
    }

    /// Waits until nobody else works on `key` (a URL, an input's description), telling `waiting` once if it must, and
    /// holds it until the result is dropped.
    ///
    /// # Errors
    /// If it is held for longer than `limit`.
    pub fn lock(&self, key: &str, limit: Duration, waiting: &dyn Fn(&str)) -> Result<KeyLock, CacheError> {
        lock::lock(&self.root.join("locks"), key, limit, waiting)
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.to_string();
        self.root.join("blobs/sha256").join(&hex[..2]).join(hex)
    }
}

/// Returns the size of a file and marks it as used now; none if there is no such file.
fn used_now(path: &Path) -> Option<u64> {
    let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    // Only the order in which things go later depends on it; a read-only cache serves as well.
    let (now, flags) = (TimeSpec::UTIME_NOW, UtimensatFlags::FollowSymlink);
    let _ = utimensat(AT_FDCWD, path, &now, &now, flags);
    Some(metadata.len())
}

fn size_of(path: &Path) -> Result<u64, FileError> {
    Ok(path.metadata().map_err(FileError::at("look at", path))?.len())
}

#[expect(clippy::disallowed_methods, reason = "this is the port")]
fn open_or_create(path: &Path) -> std::io::Result<File> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(MODE).open(path)
}

#[cfg(test)]
mod tests;
