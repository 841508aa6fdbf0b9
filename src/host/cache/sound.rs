// SPDX-License-Identifier: Apache-2.0
//! Which files of the cache are believed: those that are, by their inode, what was hashed when they were put, verified or
//! doubted last. Whatever was written to since, by whatever, is hashed again before it is used.
//!
//! The record of a file's stamp is also what tells when the file was used last: a mark on the file itself would be a change
//! of it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::pieces::{self, Piece};
use super::{Blob, Cache, CacheError, MODE};
use crate::digest::{Digest, Hasher};
use crate::host::clock;
use crate::host::files::{self, FileError, Stamp};

/// The kind of the stamps of blobs; that of derived files is theirs.
pub(super) const BLOBS: &str = "blob";

/// What the cache has of a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The file.
    Sound(Blob),
    /// A file that holds something else by now; whatever is put in its place replaces it.
    Damaged(PathBuf),
    /// Nothing.
    Nothing,
}

/// What this process knows of the files itself.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Whether it believes only what it has hashed itself.
    is_doubting: bool,
    stamps: Mutex<HashMap<PathBuf, Stamp>>,
}

impl Known {
    pub(super) fn doubting() -> Self {
        Self { is_doubting: true, ..Self::default() }
    }

    fn has(&self, path: &Path, stamp: &Stamp) -> bool {
        self.stamps.lock().unwrap_or_else(PoisonError::into_inner).get(path) == Some(stamp)
    }

    fn learn(&self, path: &Path, stamp: Stamp) {
        self.stamps.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), stamp);
    }
}

impl Cache {
    /// Returns the same cache for one who believes no stamp of an earlier run: each file is hashed at its first use.
    #[must_use]
    pub fn doubting(&self) -> Self {
        Self { known: Known::doubting().into(), ..self.clone() }
    }

    /// Returns the same cache for one who believes stamps.
    #[must_use]
    pub fn believing(&self) -> Self {
        Self { known: Known::default().into(), ..self.clone() }
    }

    /// Tells whether this is [`Cache::doubting`].
    pub fn is_doubting(&self) -> bool {
        self.known.is_doubting
    }

    /// Looks for the blob of `digest`, and marks it as used now.
    pub fn look(&self, digest: &Digest) -> Found {
        let path = self.blob_path(digest);
        let Some(stamp) = Stamp::of(&path).ok().filter(|_| path.is_file()) else { return Found::Nothing };
        let blob = Blob { digest: *digest, path, size: stamp.size };
        if self.is_as_hashed(BLOBS, digest, &blob.path, &stamp) {
            return Found::Sound(blob);
        }
        let is_right = sha256(&blob.path, &mut |_| ()).is_ok_and(|found| found == *digest);
        if !is_right || Stamp::of(&blob.path).ok() != Some(stamp) {
            forget(self.root(), BLOBS, digest);
            return Found::Damaged(blob.path);
        }
        self.known.learn(&blob.path, stamp);
        if stamp.is_settled(clock::now_s()) {
            // A cache that can't be written is hashed again by the next kiln.
            let _ = note(self.root(), BLOBS, digest, &stamp);
        }
        Found::Sound(blob)
    }

    /// Has nobody believe the blob of `digest` before it is hashed again.
    pub fn distrust(&self, digest: &Digest) {
        forget(self.root(), BLOBS, digest);
    }

    /// Tells whether the file of `kind` and `key` is what was hashed last.
    pub(super) fn is_as_hashed(&self, kind: &str, key: &Digest, path: &Path, now: &Stamp) -> bool {
        if self.known.has(path, now) {
            return true;
        }
        let noted = self.record_get(&stamps(kind), &key.to_string()).ok().flatten();
        let noted = noted.and_then(|json| serde_json::from_slice::<Stamp>(&json).ok());
        let is_as_noted = !self.known.is_doubting && noted.as_ref() == Some(now);
        if is_as_noted {
            self.known.learn(path, *now);
        }
        is_as_noted
    }

    /// Notes that the file at `path` is what was hashed just now.
    pub(super) fn hashed(&self, kind: &str, key: &Digest, path: &Path) -> Result<Stamp, CacheError> {
        let stamp = Stamp::of(path)?;
        self.known.learn(path, stamp);
        note(self.root(), kind, key, &stamp)?;
        Ok(stamp)
    }
}

/// Kind of the records of stamps of files of `kind`.
pub(super) fn stamps(kind: &str) -> String {
    format!("stamp-{kind}")
}

/// Records the stamp of what was hashed.
pub(super) fn note(root: &Path, kind: &str, key: &Digest, stamp: &Stamp) -> Result<(), CacheError> {
    let path = record(root, kind, key);
    files::make_folder(path.parent().unwrap_or(root))?;
    let json = serde_json::to_vec(stamp).expect("numbers are always JSON");
    Ok(files::replace_unsynced(&path, &json, MODE)?)
}

/// Has nobody believe the file any more.
pub(super) fn forget(root: &Path, kind: &str, key: &Digest) {
    // Where it can't be removed, the file can't have been changed by one who could change the record.
    let _ = files::remove(&record(root, kind, key));
}

/// Returns when the record of `kind` and `key` was used last, seconds since 1970; 0: there is none.
pub(super) fn used_s(root: &Path, kind: &str, key: &str) -> u64 {
    let path = root.join("records").join(kind).join(key);
    path.metadata().map_or(0, |about| std::os::unix::fs::MetadataExt::mtime(&about).max(0) as u64)
}

fn record(root: &Path, kind: &str, key: &Digest) -> PathBuf {
    root.join("records").join(stamps(kind)).join(key.to_string())
}

/// Hashes a file, telling how many bytes each step took.
pub(super) fn sha256(path: &Path, step: &mut dyn FnMut(u64)) -> Result<Digest, FileError> {
    let (mut hasher, zeros) = (Hasher::new(), [0; 64 << 10]);
    pieces::read(path, &mut |piece, _| {
        match piece {
            Piece::Data(bytes) => hasher.update(bytes),
            Piece::Hole(mut left) => {
                while left > 0 {
                    let len = left.min(zeros.len() as u64);
                    hasher.update(&zeros[..len as usize]);
                    left -= len;
                }
            }
        }
        step(piece.len());
    })?;
    Ok(hasher.finish())
}
