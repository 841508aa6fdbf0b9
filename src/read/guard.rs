// SPDX-License-Identifier: Apache-2.0
//! The last resort against hostile images: a library that panics makes an error of itself, not an end of kiln.
//!
//! Nothing is known to panic; bounds are checked where that is possible. The panic's message still goes to stderr, since
//! the hook belongs to the program.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::filesystem::{ENTRIES_MAX, LINK_MAX_BYTES};
use super::{Entry, FILE_MAX_BYTES, Fault, FileKind, FileSystem, Stat};
use crate::tree::TreePath;

const PANICKED: &str = "its library gave up on it";

/// Runs `work`; a panic in it is a damaged `kind` filesystem.
pub(super) fn guarded<T>(kind: &'static str, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(Fault::Corrupt(kind, PANICKED.to_owned())))
}

/// Puts the guard, and what all filesystems have in common, around `inner`.
pub(super) fn wrap(kind: &'static str, inner: Box<dyn FileSystem>) -> Box<dyn FileSystem> {
    Box::new(Guarded { kind, inner })
}

struct Guarded {
    kind: &'static str,
    inner: Box<dyn FileSystem>,
}

impl FileSystem for Guarded {
    fn list(&self, folder: &TreePath) -> Result<Vec<Entry>, Fault> {
        let mut entries = guarded(self.kind, || self.inner.list(folder))?;
        if entries.len() > ENTRIES_MAX {
            return Err(Fault::Corrupt(self.kind, format!("a folder has more than {ENTRIES_MAX} entries")));
        }
        entries.retain(|entry| entry.name != b"." && entry.name != b"..");
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    fn stat(&self, path: &TreePath) -> Result<Stat, Fault> {
        guarded(self.kind, || self.inner.stat(path))
    }

    fn read_link(&self, path: &TreePath) -> Result<Vec<u8>, Fault> {
        let size = self.stat(path)?.size;
        if size > LINK_MAX_BYTES {
            return Err(Fault::Corrupt(self.kind, format!("a symbolic link has {size} bytes")));
        }
        guarded(self.kind, || self.inner.read_link(path))
    }

    fn open(&self, path: &TreePath) -> Result<Box<dyn Read + '_>, Fault> {
        let stat = self.stat(path)?;
        if stat.kind != FileKind::File {
            return Err(Fault::NotAFile(stat.kind.name()));
        }
        if stat.size > FILE_MAX_BYTES {
            return Err(Fault::TooLarge(stat.size));
        }
        let inner = guarded(self.kind, || self.inner.open(path))?;
        Ok(Box::new(Whole { inner, left: stat.size, kind: self.kind }))
    }

    fn xattrs(&self, path: &TreePath) -> Result<Option<BTreeMap<String, Vec<u8>>>, Fault> {
        guarded(self.kind, || self.inner.xattrs(path))
    }
}

/// A file that gives exactly as many bytes as it promised.
struct Whole<'a> {
    inner: Box<dyn Read + 'a>,
    left: u64,
    kind: &'static str,
}

impl Read for Whole<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if len == 0 {
            return Ok(0);
        }
        let damaged =
            |why: &str| io::Error::new(io::ErrorKind::InvalidData, Fault::Corrupt(self.kind, why.to_owned()));
        let count = catch_unwind(AssertUnwindSafe(|| self.inner.read(&mut buffer[..len])))
            .unwrap_or_else(|_| Err(damaged(PANICKED)))?;
        if count == 0 {
            return Err(damaged("a file ends before its size"));
        }
        self.left -= count as u64;
        Ok(count)
    }
}
