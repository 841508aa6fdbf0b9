// SPDX-License-Identifier: Apache-2.0
//! Mounting by mount(2) or, where a loop device is needed, by mount(8), and unmounting.

use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, umount2};

use super::command::{CommandError, Program};
use super::files::FileError;
use super::mount_table::is_mounted;

/// A part of a file that is mounted through a loop device.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The file.
    pub file: &'a Path,
    /// First byte of the part.
    pub offset: u64,
    /// Its length.
    pub len: u64,
}

/// Longest wait for mount(8), which replays a journal.
const LIMIT: Duration = Duration::from_secs(60);

/// Cuts this thread's mounts off from those of the rest of the machine, for good.
///
/// # Errors
/// As the system says: not root, mostly.
pub fn leave() -> Result<(), FileError> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).map_err(failed("unshare", Path::new("/")))?;
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    nix::mount::mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
        .map_err(failed("make private", Path::new("/")))
}

/// Mounts a new tmpfs on `target` that may hold `max_bytes`.
///
/// # Errors
/// As the system says.
pub fn tmpfs(target: &Path, max_bytes: u64, mode: &str) -> Result<(), FileError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount("kiln-lab", target, "tmpfs", flags, &format!("size={max_bytes},mode={mode}"))
}

/// Mounts an overlay on `target`.
///
/// # Errors
/// As the system says.
pub fn overlay(target: &Path, lower: &Path, upper: &Path, work: &Path) -> Result<(), FileError> {
    let options =
        format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
    mount("overlay", target, "overlay", MsFlags::empty(), &options)
}

/// Mounts a device on `target`, to read and write.
///
/// # Errors
/// As the system says.
pub fn device(device: &Path, target: &Path, kind: &str) -> Result<(), FileError> {
    mount(&device.display().to_string(), target, kind, MsFlags::empty(), "")
}

fn mount(source: &str, target: &Path, kind: &str, flags: MsFlags, options: &str) -> Result<(), FileError> {
    nix::mount::mount(Some(source), target, Some(kind), flags, Some(options)).map_err(failed("mount", target))
}

/// Mounts a part of a file, read-only, through a loop device that goes with the mount.
///
/// # Errors
/// As mount(8) says.
pub fn part(part: Part<'_>, target: &Path, kind: &str) -> Result<(), CommandError> {
    let options = format!("ro,loop,offset={},sizelimit={}", part.offset, part.len);
    Program::new("mount", LIMIT)
        .env("PATH", super::command::SYSTEM_PATH)
        .args(["-t", kind, "-o", &options])
        .args([part.file, target])
        .run(&|_| ())
        .map(drop)
}

/// Takes away what is mounted on `target`, also when it is in use; nothing there is no error.
///
/// # Errors
/// As the system says.
pub fn detach(target: &Path) -> Result<(), FileError> {
    while is_mounted(target)? {
        match umount2(target, MntFlags::MNT_DETACH) {
            // Somebody else was faster.
            Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
            Err(errno) => return Err(failed("unmount", target)(errno)),
        }
    }
    Ok(())
}

fn failed(action: &'static str, target: &Path) -> impl FnOnce(Errno) -> FileError {
    let failed = FileError::at(action, target);
    move |errno| failed(errno.into())
}
