// SPDX-License-Identifier: Apache-2.0
//! A download that may be cut off and go on later: a named file under `partial/` and what is known of its origin.
//!
//! The file is locked while somebody works on it. What a power cut does to its end shows in the final digest; its
//! user then starts again from nothing.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use super::{Blob, Cache, CacheError, MODE, lock, open_or_create, size_of};
use crate::digest::Digest;
use crate::host::{
    fault,
    files::{self, FileError},
};

/// What a server said about the file that a partial one is the beginning of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialState {
    /// Where it comes from.
    pub url: String,
    /// A strong validator (RFC 9110 section 8.8): an ETag or a Last-Modified date, for `If-Range`.
    pub validator: Option<String>,
    /// The size that the server promised, in bytes.
    pub size: Option<u64>,
}

/// A download in the making. Dropped, it stays and can go on.
#[derive(Debug)]
pub struct Partial {
    file: Flock<File>,
    path: PathBuf,
    state: PathBuf,
}

impl Cache {
    /// Takes up the download of `url`, where it was left; none if somebody else is at it right now.
    ///
    /// # Errors
    /// As the system says.
    pub fn partial(&self, url: &str) -> Result<Option<Partial>, CacheError> {
        let path = self.root().join("partial").join(Digest::of(url.as_bytes()).to_string());
        let file = open_or_create(&path).map_err(FileError::at("open", &path))?;
        let Some(file) = lock::attempt(file, FlockArg::LockExclusiveNonblock, &path)? else {
            return Ok(None);
        };
        // Its last holder may have finished and moved it between our open and our lock.
        let partial = lock::is_same(&file, &path);
        Ok(partial.then(|| Partial { file, state: path.with_extension("json"), path }))
    }

    /// Makes a whole download a blob. The caller has computed `digest` over all of it.
    ///
    /// # Errors
    /// As the system says.
    #[expect(clippy::disallowed_methods, reason = "this is the port")]
    pub fn put_partial(&self, partial: Partial, digest: &Digest) -> Result<Blob, CacheError> {
        let path = self.blob_path(digest);
        let folder = path.parent().unwrap_or(self.root());
        files::make_folder(folder)?;
        let moved = fault::check_write()
            .and_then(|()| partial.file.sync_all())
            .and_then(|()| std::fs::rename(&partial.path, &path));
        moved.map_err(FileError::at("put in place", &path))?;
        files::sync_folder(folder)?;
        files::remove(&partial.state)?;
        self.is_put(path, digest)
    }
}

impl Partial {
    /// Returns how many bytes are there.
    ///
    /// # Errors
    /// As the system says.
    pub fn size(&self) -> Result<u64, FileError> {
        size_of(&self.path)
    }

    /// Returns what is known of the origin; none if that is lost, and the bytes with it.
    pub fn state(&self) -> Option<PartialState> {
        // An address has at most a few KiB; what doesn't parse is as good as absent.
        serde_json::from_slice(&files::read(&self.state, 64 << 10).ok()?).ok()
    }

    /// Forgets the bytes that are there and notes a new origin.
    ///
    /// # Errors
    /// As the system says.
    pub fn restart(&self, state: &PartialState) -> Result<(), FileError> {
        let emptied = fault::check_write().and_then(|()| self.file.set_len(0));
        emptied.map_err(FileError::at("empty", &self.path))?;
        let json = serde_json::to_vec(state).expect("strings and numbers are always JSON");
        files::replace(&self.state, &json, MODE)
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// As the system says, such as a full disk.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), FileError> {
        let written = fault::check_write().and_then(|()| self.file.write_all_at(bytes, offset));
        written.map_err(FileError::at("write", &self.path))
    }

    /// Returns where the file lies while it is partial.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the first `len` bytes to `feed`, in pieces, to hash them again.
    ///
    /// # Errors
    /// As the system says, and if the file is shorter.
    pub fn replay(&self, len: u64, feed: &mut dyn FnMut(&[u8])) -> Result<(), FileError> {
        let mut buffer = vec![0; 1 << 20];
        let mut offset = 0;
        while offset < len {
            let piece = &mut buffer[..(len - offset).min(1 << 20) as usize];
            self.file.read_exact_at(piece, offset).map_err(FileError::at("read", &self.path))?;
            feed(piece);
            offset += piece.len() as u64;
        }
        Ok(())
    }
}
