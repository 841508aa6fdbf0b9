// SPDX-License-Identifier: Apache-2.0
//! The cache as a whole, with no other kiln at it: list, verify, remove.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use serde::Serialize;

use super::entry::{Entry, EntryKind};
use super::pieces::{self, Piece};
use super::{Cache, CacheError, folders, lock, named, open_or_create, sound};
use crate::blocks::Lister;
use crate::digest::Digest;
use crate::host::clock;
use crate::host::files::{self, FileError, Stamp};
use crate::host::removal::remove_folder;
use crate::progress::Progress;

/// The cache while nobody else uses it.
#[derive(Debug)]
pub struct Alone {
    root: PathBuf,
    _in_use: Flock<File>,
}

/// What a look at all blobs and derived files found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// How many files were read.
    pub files: u64,
    /// How many bytes they take on the disk.
    pub bytes: u64,
    /// Files that did not hold any more what their name or record says; they have been removed.
    pub bad: Vec<PathBuf>,
}

impl Cache {
    /// Lists everything in the cache, sorted by kind and name.
    ///
    /// # Errors
    /// As the system says.
    pub fn list(&self) -> Result<Vec<Entry>, CacheError> {
        list(self.root())
    }
}

impl Alone {
    /// Opens the cache in `root` when no other kiln uses it, waiting at most `limit`.
    ///
    /// # Errors
    /// If it is used for longer than `limit`.
    pub fn open(root: &Path, limit: Duration) -> Result<Self, CacheError> {
        drop(Cache::open(root, limit)?);
        let path = root.join("in-use");
        let file = open_or_create(&path).map_err(FileError::at("open", &path))?;
        let what = format!("the cache {}", root.display());
        let in_use = lock::wait(file, FlockArg::LockExclusiveNonblock, &path, &what, limit)?;
        Ok(Self { root: root.to_owned(), _in_use: in_use })
    }

    /// Lists everything in the cache, sorted by kind and name.
    ///
    /// # Errors
    /// As the system says.
    pub fn list(&self) -> Result<Vec<Entry>, CacheError> {
        list(&self.root)
    }

    /// Reads all blobs and derived files and removes those whose content does not fit their name or their record. Their
    /// next user fetches or makes them again.
    ///
    /// # Errors
    /// As the system says.
    pub fn verify(&self, progress: &dyn Progress) -> Result<Verified, CacheError> {
        let entries = self.list()?;
        let is_large =
            |entry: &&Entry| matches!(entry.kind, EntryKind::Blob { .. } | EntryKind::Derived { .. });
        let large: Vec<&Entry> = entries.iter().filter(is_large).collect();
        // What is read, zeros that take no space included: those of a blob are hashed like all else.
        let total = large.iter().filter_map(|entry| Some(Stamp::of(&entry.path).ok()?.size)).sum();
        progress.begin(ID, "verifying the cache", Some(total));
        let mut verified = Verified::default();
        for entry in large {
            verified.files += 1;
            verified.bytes += entry.disk_bytes;
            if !self.is_good(entry, progress)? {
                files::remove(&entry.path)?;
                verified.bad.push(entry.path.clone());
            }
        }
        progress.end(ID, &format!("{} files, {} bad", verified.files, verified.bad.len()));
        Ok(verified)
    }

    /// Hashes what has a digest; what is good is believed from now on.
    fn is_good(&self, entry: &Entry, progress: &dyn Progress) -> Result<bool, CacheError> {
        let (kind, key) = match &entry.kind {
            EntryKind::Blob { digest } => (sound::BLOBS, *digest),
            EntryKind::Derived { kind, key } => match key.parse() {
                Ok(key) => (kind.as_str(), key),
                Err(_) => return Ok(false),
            },
            EntryKind::Record { .. } | EntryKind::Folder { .. } | EntryKind::Leftover => return Ok(true),
        };
        let before = Stamp::of(&entry.path)?;
        let is_right = match &entry.kind {
            EntryKind::Blob { .. } => {
                sound::sha256(&entry.path, &mut |len| progress.advance(ID, len))? == key
            }
            _ => self.is_as_made(&entry.path, kind, &key, progress)?,
        };
        if !is_right || Stamp::of(&entry.path)? != before {
            sound::forget(&self.root, kind, &key);
            return Ok(is_right);
        }
        // One that was not read by the bake that needs it is not synced; see `Cache::derived_prove`.
        if before.is_settled(clock::now_s()) && !entry.path.starts_with(self.root.join(named::UNPROVEN)) {
            sound::note(&self.root, kind, &key, &before)?;
        }
        Ok(true)
    }

    /// Tells whether a derived file holds what its record says.
    fn is_as_made(
        &self,
        path: &Path,
        kind: &str,
        key: &Digest,
        progress: &dyn Progress,
    ) -> Result<bool, FileError> {
        let sum = self.root.join("records").join(named::sums(kind)).join(key.to_string());
        let sum = files::read(&sum, SUM_MAX_BYTES).ok().and_then(|text| String::from_utf8(text).ok());
        let mut lister = Lister::default();
        let size = pieces::read(path, &mut |piece, offset| {
            if let Piece::Data(bytes) = piece {
                lister.push(bytes, offset);
            }
            progress.advance(ID, piece.len());
        })?;
        Ok(sum.and_then(|sum| sum.parse().ok()) == Some(lister.finish(size).digest()))
    }

    /// Removes `entries`.
    ///
    /// # Errors
    /// As the system says; what was removed before stays removed.
    pub fn remove(&self, entries: &[Entry]) -> Result<(), CacheError> {
        let remove = |entry: &Entry| match entry.kind {
            EntryKind::Folder { .. } => remove_folder(&entry.path),
            _ => files::remove(&entry.path),
        };
        Ok(entries.iter().try_for_each(remove)?)
    }
}

/// A digest in hex takes 64.
const SUM_MAX_BYTES: u64 = 128;

/// Names the work for [`Progress`].
const ID: &str = "verify";

fn list(root: &Path) -> Result<Vec<Entry>, CacheError> {
    let mut entries = Vec::new();
    in_folders(&root.join("blobs/sha256"), &mut entries, |_, name| {
        name.parse().ok().map(|digest| EntryKind::Blob { digest })
    })?;
    for area in ["derived", named::UNPROVEN] {
        in_folders(&root.join(area), &mut entries, |kind, key| {
            Some(EntryKind::Derived { kind: kind.to_owned(), key: key.to_owned() })
        })?;
    }
    in_folders(&root.join("records"), &mut entries, |kind, key| {
        Some(EntryKind::Record { kind: kind.to_owned(), key: key.to_owned() })
    })?;
    for folder in ["partial", "locks"] {
        in_folder(&root.join(folder), &mut entries, |_| None)?;
    }
    folders::list(root, &mut entries)?;
    entries.iter_mut().for_each(|entry| entry.used_s = entry.used_s.max(noted_s(root, &entry.kind)));
    entries.sort_by(|a, b| (&a.kind, &a.path).cmp(&(&b.kind, &b.path)));
    Ok(entries)
}

/// Returns when records say that something was used last, seconds since 1970; 0: they don't.
fn noted_s(root: &Path, kind: &EntryKind) -> u64 {
    match kind {
        EntryKind::Blob { digest } => sound::used_s(root, &sound::stamps(sound::BLOBS), &digest.to_string()),
        EntryKind::Derived { kind, key } => sound::used_s(root, &named::sums(kind), key),
        EntryKind::Record { .. } | EntryKind::Folder { .. } | EntryKind::Leftover => 0,
    }
}

fn in_folders(
    area: &Path,
    entries: &mut Vec<Entry>,
    kind_of: impl Fn(&str, &str) -> Option<EntryKind>,
) -> Result<(), FileError> {
    for folder in files::list(area)?.into_iter().filter_map(named::visible) {
        in_folder(&area.join(&folder), entries, |name| kind_of(&folder, name))?;
    }
    Ok(())
}

fn in_folder(
    folder: &Path,
    entries: &mut Vec<Entry>,
    kind_of: impl Fn(&str) -> Option<EntryKind>,
) -> Result<(), FileError> {
    for name in files::list(folder)? {
        let path = folder.join(&name);
        // Another kiln may have moved it since the listing.
        let Ok(metadata) = path.symlink_metadata() else { continue };
        let kind = named::visible(name).and_then(|name| kind_of(&name)).unwrap_or(EntryKind::Leftover);
        // st_blocks counts 512-byte units (stat(2)).
        let disk_bytes = metadata.blocks() * 512;
        entries.push(Entry { kind, path, disk_bytes, used_s: metadata.mtime().max(0) as u64 });
    }
    Ok(())
}
