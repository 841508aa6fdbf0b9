// SPDX-License-Identifier: Apache-2.0
//! Files of the cache that are named by something other than their content: derived files and records.
//!
//! A derived file is large and was made from something (a decoded base, from its download); its name is the digest of
//! what it was made from. A record is a small JSON text. What kinds there are is the business of those who keep them.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Cache, CacheError, MODE, used_now};
use crate::digest::Digest;
use crate::host::files::{self, Existing, FileError, Pending, Stamp};

/// Larger than any record: the block digests of a 64 GiB disk, 64 hex digits for each 512 KiB, take 9 MB.
pub const RECORD_MAX_BYTES: u64 = 64 << 20;

/// Where derived files lie that nobody has read yet.
pub(super) const UNPROVEN: &str = "unproven";

impl Cache {
    /// Makes a file that gets its name with [`Cache::derived_put`].
    ///
    /// # Errors
    /// As the system says, and if `kind` can't be a name.
    pub fn derived_pending(&self, kind: &str, key: &Digest) -> Result<Pending, CacheError> {
        let path = self.path_of(UNPROVEN, kind, &key.to_string())?;
        files::make_folder(path.parent().unwrap_or(self.root()))?;
        Ok(Pending::new(&path, MODE)?)
    }

    /// Puts a file made by [`Cache::derived_pending`] in its place, unless another kiln was faster. `blocks` is the digest
    /// of its [`crate::blocks::BlockList`], by which its next user and [`super::Alone::verify`] judge it.
    ///
    /// It is not synced: it is large, and whoever made it has no time to wait for the disk. Until somebody has read it
    /// whole, it is unproven.
    ///
    /// # Errors
    /// As the system says.
    pub fn derived_put(&self, pending: Pending, blocks: &Digest) -> Result<(), CacheError> {
        let path = pending.path().to_owned();
        // Before the file has its name, so that none is ever without.
        let (kind, key) = (name_of(path.parent().unwrap_or(self.root())), name_of(&path));
        self.record_put(&sums(&kind), &key, blocks.to_string().as_bytes())?;
        Ok(named_by(pending.name_unsynced(Existing::Keep))?)
    }

    /// Returns the file of `kind` that was made from `key`, if it is there and nobody has touched it since it was proven, and
    /// marks it as used now.
    pub fn derived_get(&self, kind: &str, key: &Digest) -> Option<PathBuf> {
        let path = self.path_of("derived", kind, &key.to_string()).ok()?;
        // Both go together when the cache is cleaned.
        used_now(&self.path_of("records", &sums(kind), &key.to_string()).ok()?);
        let stamp = Stamp::of(&path).ok()?;
        self.is_as_hashed(kind, key, &path, &stamp).then_some(path)
    }

    /// Returns the unproven file of `kind` that was made from `key`, if it is there, and the digest of the blocks that it
    /// must have. One that was touched is as good as unproven.
    pub fn derived_unproven(&self, kind: &str, key: &Digest) -> Option<(PathBuf, Digest)> {
        let path = |area| self.path_of(area, kind, &key.to_string()).ok().filter(|path| path.is_file());
        let path = path(UNPROVEN).or_else(|| path("derived"))?;
        let sum = self.record_get(&sums(kind), &key.to_string()).ok()??;
        Some((path, std::str::from_utf8(&sum).ok()?.parse().ok()?))
    }

    /// Syncs an unproven file, whose blocks the caller has found to be right: [`Cache::derived_get`] has it from now on, until
    /// somebody touches it.
    ///
    /// # Errors
    /// As the system says. It is then unproven as before.
    pub fn derived_prove(&self, kind: &str, key: &Digest) -> Result<(), CacheError> {
        let path = |area| self.path_of(area, kind, &key.to_string());
        let (unproven, derived) = (path(UNPROVEN)?, path("derived")?);
        if unproven.is_file() {
            files::settle(&unproven, &derived)?;
        }
        self.hashed(kind, key, &derived).map(|_| ())
    }

    /// Keeps `json` under `kind` and `key`; an older record of that key is replaced in one step.
    ///
    /// # Errors
    /// As the system says, and if `kind` or `key` can't be a name.
    pub fn record_put(&self, kind: &str, key: &str, json: &[u8]) -> Result<(), CacheError> {
        let path = self.path_of("records", kind, key)?;
        files::make_folder(path.parent().unwrap_or(self.root()))?;
        Ok(files::replace(&path, json, MODE)?)
    }

    /// Returns the record of `kind` and `key`, if there is one, and marks it as used now.
    ///
    /// # Errors
    /// As the system says, if `kind` or `key` can't be a name, and if it is larger than [`RECORD_MAX_BYTES`].
    pub fn record_get(&self, kind: &str, key: &str) -> Result<Option<Vec<u8>>, CacheError> {
        let path = self.path_of("records", kind, key)?;
        if used_now(&path).is_none() {
            return Ok(None);
        }
        Ok(Some(files::read(&path, RECORD_MAX_BYTES)?))
    }

    /// Removes the record of `kind` and `key`; one that is not there is no error.
    ///
    /// # Errors
    /// As the system says, and if `kind` or `key` can't be a name.
    pub fn record_remove(&self, kind: &str, key: &str) -> Result<(), CacheError> {
        Ok(files::remove(&self.path_of("records", kind, key)?)?)
    }

    /// Lists the keys of the records of `kind`, sorted.
    ///
    /// # Errors
    /// As the system says, and if `kind` can't be a name.
    pub fn record_keys(&self, kind: &str) -> Result<Vec<String>, CacheError> {
        let folder = self.root().join("records").join(checked(kind)?);
        match files::list(&folder) {
            Ok(names) => Ok(names.into_iter().filter_map(visible).collect()),
            Err(error) if error.source.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    fn path_of(&self, area: &str, kind: &str, key: &str) -> Result<PathBuf, CacheError> {
        Ok(self.root().join(area).join(checked(kind)?).join(checked(key)?))
    }
}

/// Kind of the records of what derived files of `kind` must hold.
pub(super) fn sums(kind: &str) -> String {
    format!("derived-{kind}")
}

fn name_of(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

/// Takes it as success if somebody else has put the same there meanwhile.
fn named_by(result: Result<(), FileError>) -> Result<(), FileError> {
    match result {
        Err(error) if error.source.kind() == ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

/// Returns a name that is no temporary one's.
pub(super) fn visible(name: OsString) -> Option<String> {
    name.into_string().ok().filter(|name| !name.starts_with('.'))
}

fn checked(name: &str) -> Result<&str, CacheError> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    // 128: a record's temporary name adds some 40 bytes, and a file name has at most 255.
    if name.is_empty() || name.len() > 128 || name.starts_with('.') || !name.chars().all(is_fine) {
        return Err(CacheError::Name(name.chars().take(140).collect()));
    }
    Ok(name)
}
