// SPDX-License-Identifier: Apache-2.0
//! Block devices as a whole: their ends read, a mark written, a file system made by mke2fs(8), mounted.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use nix::mount::MsFlags;

use super::command::{CommandError, Program, SYSTEM_PATH};
use super::files::FileError;

/// Inode tables are left to the kernel, so that only the journal's length counts; a slow disk writes it in seconds.
const FORMAT_LIMIT: Duration = Duration::from_secs(300);

/// What a look at a device found.
#[derive(Debug)]
pub enum Found {
    /// Nothing is there.
    Absent,
    /// Something is there, and it is no block device.
    Other,
    /// Somebody has it for himself: a mount, a volume manager.
    Busy,
    /// It can be used.
    There(Ends),
}

/// A device's ends.
#[derive(Debug)]
pub struct Ends {
    /// Its bytes.
    pub len: u64,
    /// The first ones.
    pub first: Vec<u8>,
    /// The last ones.
    pub last: Vec<u8>,
}

/// Reads up to `count` bytes at both ends of a device. That nobody else has it is asked where `is_ours` says that it is not
/// mounted here.
///
/// # Errors
/// As the system says.
pub fn look(path: &Path, count: u64, is_ours: bool) -> Result<Found, FileError> {
    let flags = if is_ours { 0 } else { nix::libc::O_EXCL };
    match path.metadata() {
        Ok(metadata) if metadata.file_type().is_block_device() => {}
        Ok(_) => return Ok(Found::Other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Absent),
        Err(error) => return Err(FileError::at("look at", path)(error)),
    }
    match opened(path, OpenOptions::new().read(true).custom_flags(flags)) {
        Ok(device) => ends(&device, count).map(Found::There).map_err(FileError::at("read", path)),
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => Ok(Found::Busy),
        // Detached between the two looks.
        Err(error) if matches!(error.raw_os_error(), Some(nix::libc::ENXIO | nix::libc::ENOENT)) => {
            Ok(Found::Absent)
        }
        Err(error) => Err(FileError::at("open", path)(error)),
    }
}

fn ends(device: &File, count: u64) -> io::Result<Ends> {
    // A device has no length of its own for stat(2).
    let len = io::Seek::seek(&mut &*device, io::SeekFrom::End(0))?;
    let size = usize::try_from(count.min(len)).unwrap_or(usize::MAX);
    let (mut first, mut last) = (vec![0; size], vec![0; size]);
    device.read_exact_at(&mut first, 0)?;
    device.read_exact_at(&mut last, len - size as u64)?;
    Ok(Ends { len, first, last })
}

/// Writes bytes to a device that nobody else has, durably.
///
/// # Errors
/// As the system says.
pub fn write(path: &Path, at: u64, bytes: &[u8]) -> Result<(), FileError> {
    let written = opened(path, OpenOptions::new().read(true).write(true).custom_flags(nix::libc::O_EXCL))
        .and_then(|device| {
            device.write_all_at(bytes, at)?;
            device.sync_all()
        });
    written.map_err(FileError::at("write", path))
}

/// Makes an ext4 file system of so many blocks at the beginning of a device, durably.
///
/// # Errors
/// As mke2fs says.
pub fn format(path: &Path, label: &str, block_bytes: u64, blocks: u64) -> Result<(), CommandError> {
    let (block_bytes, blocks) = (block_bytes.to_string(), blocks.to_string());
    // -F: what a killed run left needs no question. nodiscard: nothing beyond the file system's end is touched.
    let options =
        ["-F", "-q", "-t", "ext4", "-b", &block_bytes, "-L", label, "-E", "nodiscard,root_owner=0:0"];
    // Closing the device, mke2fs syncs it.
    Program::new("mke2fs", FORMAT_LIMIT)
        .env("PATH", SYSTEM_PATH)
        .args(options)
        .args([path])
        .args([&blocks])
        .run(&|_| ())
        .map(drop)
}

/// Mounts a device's ext4 file system for data: nothing on it is run or is a device, and after an error nothing is written.
///
/// # Errors
/// As the system says.
pub fn mount(path: &Path, target: &Path) -> Result<(), FileError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_NOATIME;
    let mounted = nix::mount::mount(Some(path), target, Some("ext4"), flags, Some("errors=remount-ro"));
    mounted.map_err(|errno| FileError::at("mount", path)(errno.into()))
}

/// What is mounted on a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mounted {
    /// Nothing, or there is no such folder.
    Nothing,
    /// The file system on this device.
    Device,
    /// Another one.
    Other,
}

/// Returns what is mounted on `folder`, seen from `device`.
///
/// # Errors
/// As the system says.
pub fn mounted(folder: &Path, device: &Path) -> Result<Mounted, FileError> {
    let (Some(own), Some(above)) = (looked(folder)?, folder.parent().map(looked).transpose()?.flatten())
    else {
        return Ok(Mounted::Nothing);
    };
    if own.dev() == above.dev() {
        return Ok(Mounted::Nothing);
    }
    let is_device = looked(device)?.is_some_and(|device| device.rdev() == own.dev());
    Ok(if is_device { Mounted::Device } else { Mounted::Other })
}

fn looked(path: &Path) -> Result<Option<std::fs::Metadata>, FileError> {
    match path.metadata() {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::at("look at", path)(error)),
    }
}

#[expect(clippy::disallowed_methods, reason = "this is a port")]
fn opened(path: &Path, options: &OpenOptions) -> io::Result<File> {
    options.open(path)
}
