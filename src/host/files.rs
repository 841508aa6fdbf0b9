// SPDX-License-Identifier: Apache-2.0
//! Files: read with a limit, replaced durably, locked; made nameless and put in place when whole ([`Pending`]).

mod copy;
#[cfg(feature = "toolchain")]
mod hold;
mod lock;
mod pending;
#[cfg(feature = "toolchain")]
mod stamp;
mod stream;
mod temporary;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::fault;
#[cfg(feature = "toolchain")]
use crate::nearest::nearest;

#[cfg(feature = "toolchain")]
pub use hold::{about, hold};
pub use lock::lock;
pub use pending::{Existing, Pending};
#[cfg(feature = "toolchain")]
pub use stamp::Stamp;
use stream::Stream;

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

/// Opens a file, a folder or a disk to read it.
///
/// # Errors
/// As the system says; a pipe, a terminal or the like, of which nobody knows when it ends.
pub fn open(path: &Path) -> Result<File, FileError> {
    let file = stream::open(path).map_err(FileError::at("open", path))?;
    stream::has_an_end(&file).map_err(FileError::at("open", path))?;
    Ok(file)
}

/// Opens a file that should be a plain one, or a folder, whoever made it: nothing else is waited for or read.
///
/// # Errors
/// As the system says, and if it is a pipe, a socket or a device.
pub fn open_plain(path: &Path) -> Result<File, FileError> {
    let file = stream::open(path).map_err(FileError::at("open", path))?;
    let kind = file.metadata().map_err(FileError::at("look at", path))?.file_type();
    if kind.is_file() || kind.is_dir() {
        return Ok(file);
    }
    Err(FileError::at("read", path)(io::Error::new(io::ErrorKind::InvalidInput, NOT_PLAIN)))
}

/// What is said of pipes, sockets and devices.
pub const NOT_PLAIN: &str = "is no plain file but a pipe, a socket or a device";

/// What is read at once: most files of a node have less.
const READ_BYTES: usize = 8 << 10;

/// Reads a whole file of at most `max_bytes`. It may be a pipe, such as a shell's `<(...)`, that somebody fills.
///
/// # Errors
/// As the system says; if the file is larger, or a pipe falls silent.
pub fn read(path: &Path, max_bytes: u64) -> Result<Vec<u8>, FileError> {
    let file = stream::open(path).map_err(FileError::at("open", path))?;
    read_all(Stream(file), path, max_bytes)
}

/// Reads a whole file of at most `max_bytes` as [`open_plain`] opens it.
///
/// # Errors
/// As [`read`] and [`open_plain`].
pub fn read_plain(path: &Path, max_bytes: u64) -> Result<Vec<u8>, FileError> {
    read_all(open_plain(path)?, path, max_bytes)
}

fn read_all(file: impl Read, path: &Path, max_bytes: u64) -> Result<Vec<u8>, FileError> {
    // Without a capacity the library begins with 32 bytes, and doubles.
    let mut bytes = Vec::with_capacity(READ_BYTES);
    let read = file.take(max_bytes + 1).read_to_end(&mut bytes);
    read.map_err(FileError::at("read", path))?;
    if bytes.len() as u64 > max_bytes {
        let why = io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {max_bytes} bytes"));
        return Err(FileError::at("read", path)(why));
    }
    Ok(bytes)
}

/// Returns the length of a file in bytes.
///
/// # Errors
/// As the system says.
#[cfg(feature = "toolchain")]
pub fn length(path: &Path) -> Result<u64, FileError> {
    Ok(path.metadata().map_err(FileError::at("look at", path))?.len())
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

/// Returns the file beside a missing one whose name is the nearest to its name, among those with these endings.
#[cfg(feature = "toolchain")]
pub fn neighbour(missing: &Path, endings: &[&str]) -> Option<PathBuf> {
    let folder = missing.parent().unwrap_or(Path::new(""));
    let beside = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names: Vec<String> =
        list(beside).unwrap_or_default().into_iter().filter_map(|name| name.into_string().ok()).collect();
    let is_like = |name: &&str| endings.iter().any(|ending| name.ends_with(ending));
    let typed = missing.file_name().unwrap_or_default().to_string_lossy();
    nearest(&typed, names.iter().map(String::as_str).filter(is_like)).map(|name| folder.join(name))
}

/// Makes a folder and its parents, where missing.
///
/// # Errors
/// As the system says.
#[expect(clippy::disallowed_methods, reason = "this is the port")]
pub fn make_folder(path: &Path) -> Result<(), FileError> {
    fault::check_write().and_then(|()| fs::create_dir_all(path)).map_err(FileError::at("make folder", path))
}

/// Makes a folder that is for its owner's eyes only, with its parents.
///
/// # Errors
/// As the system says.
#[cfg(feature = "toolchain")]
pub fn make_private_folder(path: &Path) -> Result<(), FileError> {
    make_folder(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(FileError::at("set mode of", path))
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

/// Opens a file that is no real one, such as a device, to read and write.
///
/// # Errors
/// As the system says.
#[expect(clippy::disallowed_methods, reason = "this is the port")]
pub fn open_special(path: &Path) -> Result<File, FileError> {
    fs::OpenOptions::new().read(true).write(true).open(path).map_err(FileError::at("open", path))
}

/// Opens a log to write at its end; made where missing, for its owner's eyes only.
///
/// # Errors
/// As the system says.
#[expect(clippy::disallowed_methods, reason = "this is the port")]
pub fn append(path: &Path) -> Result<File, FileError> {
    let file = fault::check_write()
        // A pipe that nobody reads is an error and nothing to wait for.
        .and_then(|()| {
            let mut options = fs::OpenOptions::new();
            options.append(true).create(true).mode(0o600).custom_flags(nix::libc::O_NONBLOCK).open(path)
        });
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

/// Removes a folder if it is empty; otherwise it stays.
pub fn remove_empty(path: &Path) {
    // It is in use, or gone.
    let _ = fs::remove_dir(path);
}

/// Makes or replaces a small file: temporary, synced, renamed, folder synced. It gets these permission bits whatever the
/// process masks: others read it, and whoever looks for the bits again finds them.
///
/// # Errors
/// As the system says; the old file is then as it was.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    replacement(path, bytes, mode)?.commit(Existing::Replace)
}

/// As [`replace`], but nothing is synced: after a loss of power the file may hold anything. Only for what can be found out
/// again, by readers who do without it.
///
/// # Errors
/// As the system says; the old file is then as it was.
#[cfg(feature = "toolchain")]
pub fn replace_unsynced(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    replacement(path, bytes, mode)?.name_unsynced(Existing::Replace)
}

/// Returns what [`replace`] puts in place.
pub(super) fn replacement(path: &Path, bytes: &[u8], mode: u32) -> Result<Pending, FileError> {
    let pending = Pending::new(path, mode)?;
    pending
        .file()
        .set_permissions(fs::Permissions::from_mode(mode))
        .map_err(FileError::at("set mode of", path))?;
    pending.write_at(bytes, 0)?;
    Ok(pending)
}

/// Syncs a file and gives it another name on the same filesystem, in a folder that is made where missing.
///
/// # Errors
/// As the system says.
#[expect(clippy::disallowed_methods, reason = "this is the port")]
pub fn settle(from: &Path, to: &Path) -> Result<(), FileError> {
    make_folder(folder_of(to))?;
    fault::check_write().and_then(|()| File::open(from)?.sync_all()).map_err(FileError::at("sync", from))?;
    fs::rename(from, to).map_err(FileError::at("put in place", to))?;
    sync_folder(folder_of(to))
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
