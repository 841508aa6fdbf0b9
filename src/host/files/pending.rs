// SPDX-License-Identifier: Apache-2.0
//! Files that are being made.
//!
//! A [`Pending`] file has no name (or, where the filesystem can't do that, a temporary one) until [`Pending::commit`]
//! has synced it, so that a reader of the final name never sees half a file and a killed kiln leaves nothing behind.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use super::copy::copy_range;
use super::temporary::{name_nameless, open_nameless, open_new, rename_new, sweep, temporary_name};
use super::{FileError, folder_of, sync_folder};
use crate::host::fault;

/// What to do when the final name is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Put the new file in its place, in one step.
    Replace,
    /// Fail and leave it as it is.
    Keep,
}

/// A file that is being written and has not got its name yet.
#[derive(Debug)]
pub struct Pending {
    file: Flock<File>,
    path: PathBuf,
    temporary: Option<PathBuf>,
}

impl Pending {
    /// Makes a file in the folder of `path`, without a name where the filesystem can.
    ///
    /// Temporary names that a killed kiln left there for the same `path` are removed.
    ///
    /// # Errors
    /// As the system says.
    pub fn new(path: &Path, mode: u32) -> Result<Self, FileError> {
        sweep(path)?;
        let failed = |error| FileError::at("create", path)(error);
        fault::check_write().map_err(failed)?;
        let (file, temporary) = match open_nameless(folder_of(path), mode) {
            Ok(file) => (file, None),
            Err(_) => {
                let temporary = temporary_name(path);
                let failed = FileError::at("create", path);
                (open_new(&temporary, mode).map_err(failed)?, Some(temporary))
            }
        };
        let file = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, errno)| FileError::at("lock", path)(errno.into()))?;
        Ok(Self { file, path: path.to_owned(), temporary })
    }

    /// Makes a file without a name for `path`, whose folder may still be missing: it lies on the same filesystem.
    ///
    /// None where the filesystem can't do that. Nothing is left of it whatever happens, so it may be begun before it is
    /// certain that it will be wanted.
    pub fn nameless(path: &Path, mode: u32) -> Option<Self> {
        let folder = folder_of(path).ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
        if folder == folder_of(path) {
            sweep(path).ok()?;
        }
        let file = fault::check_write().and_then(|()| open_nameless(folder, mode)).ok()?;
        let file = Flock::lock(file, FlockArg::LockExclusiveNonblock).ok()?;
        Some(Self { file, path: path.to_owned(), temporary: None })
    }

    /// Returns the file, to read what has been written.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Returns the name that the file will get.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Changes the name that the file will get, within the same filesystem: for names that depend on the content.
    #[must_use]
    pub fn renamed(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// As the system says, such as a full disk.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), FileError> {
        let written = fault::check_write().and_then(|()| self.file.write_all_at(bytes, offset));
        written.map_err(FileError::at("write", &self.path))
    }

    /// Sets the size; what was never written reads as zeros and takes no space.
    ///
    /// # Errors
    /// As the system says.
    pub fn set_size(&self, size: u64) -> Result<(), FileError> {
        fault::check_write()
            .and_then(|()| self.file.set_len(size))
            .map_err(FileError::at("resize", &self.path))
    }

    /// Copies `len` bytes of `from` at `from_offset` to `offset`, inside the kernel where it can.
    ///
    /// # Errors
    /// As the system says, and if `from` ends early.
    pub fn copy_from(&self, from: &File, from_offset: u64, len: u64, offset: u64) -> Result<(), FileError> {
        copy_range(from, from_offset, &self.file, offset, len).map_err(FileError::at("write", &self.path))
    }

    /// Has the kernel begin to write a finished range to the disk, so that [`Pending::commit`] finds little left to wait
    /// for. Returns at once; a kernel that does not care is no error.
    pub fn begin_sync(&self, offset: u64, len: u64) {
        use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
        // posix_fadvise(2): of pages that are not needed, dirty ones are first written; those stay in memory meanwhile.
        let _ =
            posix_fadvise(&*self.file, offset as i64, len as i64, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
    }

    /// Syncs the file, gives it its name and syncs the folder.
    ///
    /// # Errors
    /// As the system says; with [`Existing::Keep`] also if the name is taken. The name is then as it was.
    pub fn commit(self, existing: Existing) -> Result<(), FileError> {
        let folder = folder_of(&self.path).to_owned();
        self.name(existing)?;
        sync_folder(&folder)
    }

    /// Syncs the file and gives it its name; a power cut may take the name again until the folder is synced.
    ///
    /// # Errors
    /// As [`Pending::commit`].
    pub fn name(self, existing: Existing) -> Result<(), FileError> {
        self.finish(|pending| {
            pending.file.sync_all()?;
            pending.put_in_place(existing)
        })
    }

    /// Gives the file its name and syncs nothing: after a loss of power it may hold anything. Only for what is of this boot
    /// alone, or checked before it is believed.
    ///
    /// # Errors
    /// As [`Pending::commit`].
    pub fn name_unsynced(self, existing: Existing) -> Result<(), FileError> {
        self.finish(|pending| pending.put_in_place(existing))
    }

    fn finish(mut self, put: impl FnOnce(&mut Self) -> io::Result<()>) -> Result<(), FileError> {
        let put = fault::check_write().and_then(|()| put(&mut self));
        if put.is_ok() {
            self.temporary = None;
        }
        put.map_err(FileError::at("put in place", &self.path))
    }

    #[expect(clippy::disallowed_methods, reason = "this is the port")]
    fn put_in_place(&mut self, existing: Existing) -> io::Result<()> {
        if self.temporary.is_none() {
            let name = match existing {
                Existing::Keep => self.path.clone(),
                Existing::Replace => temporary_name(&self.path),
            };
            name_nameless(&self.file, &name)?;
            if existing == Existing::Keep {
                return Ok(());
            }
            self.temporary = Some(name);
        }
        let Some(temporary) = &self.temporary else { return Ok(()) };
        match existing {
            Existing::Replace => fs::rename(temporary, &self.path),
            Existing::Keep => rename_new(temporary, &self.path),
        }
    }
}

impl Drop for Pending {
    #[expect(clippy::disallowed_methods, reason = "this is the port")]
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Nothing can be done about a failure here; the next `sweep` finds the file.
            let _ = fs::remove_file(temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::{list, read, replace};
    use super::*;

    #[test]
    fn a_file_appears_only_when_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("-né w");
        let pending = Pending::new(&path, 0o640).unwrap();
        pending.write_at(b"abc", 0).unwrap();
        assert!(!path.exists());
        pending.commit(Existing::Keep).unwrap();
        assert_eq!(read(&path, 10).unwrap(), b"abc");
        assert!(read(&path, 2).unwrap_err().source.to_string().contains("larger than 2"));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn an_existing_file_is_kept_or_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("name");
        replace(&path, b"old", 0o600).unwrap();
        let pending = Pending::new(&path, 0o600).unwrap();
        assert!(pending.commit(Existing::Keep).is_err());
        assert_eq!(read(&path, 10).unwrap(), b"old");
        replace(&path, b"new", 0o600).unwrap();
        assert_eq!(read(&path, 10).unwrap(), b"new");
        assert_eq!(list(folder.path()).unwrap(), ["name"]);
    }

    #[test]
    fn a_nameless_file_waits_for_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/name");
        let pending = Pending::nameless(&path, 0o644).unwrap();
        pending.write_at(&[1; 4096], 4096).unwrap();
        assert!(list(folder.path()).unwrap().is_empty());
        super::super::make_folder(&folder.path().join("a/b")).unwrap();
        pending.commit(Existing::Keep).unwrap();
        assert_eq!(read(&path, 8192).unwrap(), [[0; 4096], [1; 4096]].concat());
    }

    #[test]
    fn leftovers_of_a_killed_kiln_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("name");
        drop(open_new(&temporary_name(&path), 0o600).unwrap());
        let held = open_new(&temporary_name(&path), 0o600).unwrap();
        let _held = Flock::lock(held, FlockArg::LockExclusive).unwrap();
        replace(&path, b"x", 0o600).unwrap();
        assert_eq!(list(folder.path()).unwrap().len(), 2);
    }
}
