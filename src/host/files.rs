// SPDX-License-Identifier: Apache-2.0
//! Files: read with a limit, replaced durably, made nameless and put in place when whole.
//!
//! A [`Pending`] file has no name (or, where the filesystem can't do that, a temporary one) until [`Pending::commit`]
//! has synced it, so that a reader of the final name never sees half a file and a killed kiln leaves nothing behind.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::fcntl::{AT_FDCWD, AtFlags, Flock, FlockArg, RenameFlags};

use super::fault;

/// What went wrong with which file.
#[derive(Debug, thiserror::Error)]
#[error("can't {action} {}", path.display())]
pub struct FileError {
    /// What was attempted: "open", "write", ...
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// Why not.
    #[source]
    pub source: io::Error,
}

impl FileError {
    /// Returns a function that makes an error of an [`io::Error`].
    pub fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }
}

/// Opens a file to read it.
///
/// # Errors
/// As the system says.
#[expect(clippy::disallowed_methods, reason = "this is the port")]
pub fn open(path: &Path) -> Result<File, FileError> {
    File::open(path).map_err(FileError::at("open", path))
}

/// Reads a whole file of at most `max_bytes`.
///
/// # Errors
/// As the system says, and if the file is larger.
pub fn read(path: &Path, max_bytes: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let read = open(path)?.take(max_bytes + 1).read_to_end(&mut bytes);
    read.map_err(FileError::at("read", path))?;
    if bytes.len() as u64 > max_bytes {
        let why = io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {max_bytes} bytes"));
        return Err(FileError::at("read", path)(why));
    }
    Ok(bytes)
}

/// Lists the names in a folder, sorted.
///
/// # Errors
/// As the system says.
#[expect(clippy::disallowed_methods, reason = "this is the port")]
pub fn list(folder: &Path) -> Result<Vec<OsString>, FileError> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(FileError::at("list", folder))?;
    let mut names: Vec<OsString> = entries.iter().map(fs::DirEntry::file_name).collect();
    names.sort();
    Ok(names)
}

/// Makes a folder and its parents, where missing.
///
/// # Errors
/// As the system says.
#[expect(clippy::disallowed_methods, reason = "this is the port")]
pub fn make_folder(path: &Path) -> Result<(), FileError> {
    fault::check_write().and_then(|()| fs::create_dir_all(path)).map_err(FileError::at("make folder", path))
}

/// Removes a file; one that is not there is no error.
///
/// # Errors
/// As the system says.
#[expect(clippy::disallowed_methods, reason = "this is the port")]
pub fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::at("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Writes to a file that is no real one, such as the kernel's settings: in one call, as they are.
///
/// # Errors
/// As the system says.
#[expect(clippy::disallowed_methods, reason = "this is the port")]
pub fn write_special(path: &Path, text: &str) -> Result<(), FileError> {
    let file = fs::OpenOptions::new().write(true).open(path);
    let written = file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(FileError::at("write", path))
}

/// Opens a log to write at its end; made where missing, for its owner's eyes only.
///
/// # Errors
/// As the system says.
#[expect(clippy::disallowed_methods, reason = "this is the port")]
pub fn append(path: &Path) -> Result<File, FileError> {
    let file = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    file.map_err(FileError::at("open", path))
}

/// Makes a symbolic link; one that is there already is no error.
///
/// # Errors
/// As the system says.
pub fn link(target: &str, path: &Path) -> Result<(), FileError> {
    match std::os::unix::fs::symlink(target, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(FileError::at("make link", path)(error))
        }
        _ => Ok(()),
    }
}

/// Removes a folder with everything in it; one that is not there is no error.
///
/// # Errors
/// As the system says.
#[expect(clippy::disallowed_methods, reason = "this is the port")]
pub fn remove_folder(path: &Path) -> Result<(), FileError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::at("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Removes a folder if it is empty; otherwise it stays.
pub fn remove_empty(path: &Path) {
    // It is in use, or gone.
    let _ = fs::remove_dir(path);
}

/// Locks a file that is made where missing, waiting for whoever holds it for at most `limit`; nothing: it is still held.
/// The lock is held until the last copy of the file is closed, also one that another process has been given (flock(2)).
///
/// # Errors
/// As the system says.
pub fn lock(path: &Path, limit: Duration) -> Result<Option<File>, FileError> {
    let until = Instant::now() + limit;
    loop {
        let file = append(path)?;
        match file.try_lock() {
            // The file may have been removed by whoever held it: then this lock is one on nothing.
            Ok(()) if is_at(&file, path) => return Ok(Some(file)),
            Ok(()) => {}
            Err(TryLockError::WouldBlock) if Instant::now() >= until => return Ok(None),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            Err(TryLockError::Error(error)) => return Err(FileError::at("lock", path)(error)),
        }
    }
}

/// Returns whether a file is the one that has this name now.
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |about: io::Result<fs::Metadata>| about.ok().map(|about| (about.dev(), about.ino()));
    id(file.metadata()).is_some_and(|found| id(path.metadata()) == Some(found))
}

/// Makes or replaces a small file: temporary, synced, renamed, folder synced. It gets these permission bits whatever the
/// process masks: others read it, and whoever looks for the bits again finds them.
///
/// # Errors
/// As the system says; the old file is then as it was.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let pending = Pending::new(path, mode)?;
    pending
        .file()
        .set_permissions(fs::Permissions::from_mode(mode))
        .map_err(FileError::at("set mode of", path))?;
    pending.write_at(bytes, 0)?;
    pending.commit(Existing::Replace)
}

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
    pub fn commit(mut self, existing: Existing) -> Result<(), FileError> {
        let result = self.put_in_place(existing).map_err(FileError::at("put in place", &self.path));
        if result.is_ok() {
            self.temporary = None;
            sync_folder(folder_of(&self.path))?;
        }
        result
    }

    #[expect(clippy::disallowed_methods, reason = "this is the port")]
    fn put_in_place(&mut self, existing: Existing) -> io::Result<()> {
        fault::check_write()?;
        self.file.sync_all()?;
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

/// Makes the names in `folder` durable.
///
/// # Errors
/// As the system says.
pub fn sync_folder(folder: &Path) -> Result<(), FileError> {
    open(folder)?.sync_all().map_err(FileError::at("sync", folder))
}

/// Returns the folder that `path` lies in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn temporary_prefix(path: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    // A name may have 255 bytes; the prefix and suffix need about 40 of them.
    let name = path.file_name().unwrap_or(OsStr::new("file")).as_encoded_bytes();
    prefix.push(String::from_utf8_lossy(&name[..name.len().min(120)]).as_ref());
    prefix.push(".kiln-");
    prefix
}

fn temporary_name(path: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let mut name = temporary_prefix(path);
    name.push(format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    folder_of(path).join(name)
}

/// Removes temporary files of `path` that nobody holds a lock on: their maker was killed.
fn sweep(path: &Path) -> Result<(), FileError> {
    let prefix = temporary_prefix(path);
    for name in list(folder_of(path))? {
        if !name.as_encoded_bytes().starts_with(prefix.as_encoded_bytes()) {
            continue;
        }
        let stale = folder_of(path).join(name);
        let Ok(file) = open(&stale) else { continue };
        if Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok() {
            remove(&stale)?;
        }
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "this is the port")]
fn open_nameless(folder: &Path, mode: u32) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).mode(mode).custom_flags(nix::libc::O_TMPFILE);
    options.open(folder)
}

#[expect(clippy::disallowed_methods, reason = "this is the port")]
fn open_new(path: &Path, mode: u32) -> io::Result<File> {
    fs::OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path)
}

fn name_nameless(file: &File, name: &Path) -> io::Result<()> {
    // open(2), O_TMPFILE: the link of /proc/self/fd is how an unprivileged process names such a file.
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    nix::unistd::linkat(AT_FDCWD, link.as_str(), AT_FDCWD, name, AtFlags::AT_SYMLINK_FOLLOW)?;
    Ok(())
}

fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    nix::fcntl::renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE)?;
    Ok(())
}

fn copy_range(from: &File, from_offset: u64, to: &File, to_offset: u64, len: u64) -> io::Result<()> {
    let (mut input, mut output) = (from_offset as i64, to_offset as i64);
    let end = from_offset + len;
    while (input as u64) < end {
        fault::check_write()?;
        let left = (end - input as u64).min(1 << 30) as usize;
        match nix::fcntl::copy_file_range(from, Some(&mut input), to, Some(&mut output), left) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            // Not between these two filesystems (kernel before 5.3, or a special one): by hand.
            Err(
                nix::errno::Errno::EXDEV
                | nix::errno::Errno::EINVAL
                | nix::errno::Errno::ENOSYS
                | nix::errno::Errno::EOPNOTSUPP,
            ) => {
                return copy_by_hand(from, input as u64, to, output as u64, end - input as u64);
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

fn copy_by_hand(from: &File, mut input: u64, to: &File, mut output: u64, mut len: u64) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 20];
    while len > 0 {
        fault::check_write()?;
        let piece = &mut buffer[..len.min(1 << 20) as usize];
        from.read_exact_at(piece, input)?;
        to.write_all_at(piece, output)?;
        (input, output, len) =
            (input + piece.len() as u64, output + piece.len() as u64, len - piece.len() as u64);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
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
