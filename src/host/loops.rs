// SPDX-License-Identifier: Apache-2.0
//! Loop devices, by losetup(8): parts of files as disks, for programs that can't do without a device.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::command::{CommandError, Program, SYSTEM_PATH};
use super::files::{self, FileError};
use super::mounts::Part;

/// losetup asks the kernel only.
const LIMIT: Duration = Duration::from_secs(30);
/// The longest path.
const PATH_MAX: u64 = 1 << 16;

/// Makes a part of a file a device. It stays until [`let_go`], also when this process ends.
///
/// # Errors
/// As losetup says.
pub fn attach(part: Part<'_>) -> Result<PathBuf, CommandError> {
    let (offset, len) = (part.offset.to_string(), part.len.to_string());
    let options = ["--find", "--show", "--offset", &offset, "--sizelimit", &len];
    let said = losetup().args(options).args([part.file]).run(&|_| ())?;
    Ok(String::from_utf8_lossy(&said).trim_end().into())
}

/// Has a device go when nobody uses it any more, which may be now.
///
/// # Errors
/// As losetup says.
pub fn let_go(device: &Path) -> Result<(), CommandError> {
    losetup().args(["--detach"]).args([device]).run(&|_| ()).map(drop)
}

/// Returns the devices that are parts of files in `folder`.
///
/// # Errors
/// If the kernel's list can't be read.
pub fn of_files_in(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let block = Path::new("/sys/block");
    let is_ours = |name: &std::ffi::OsString| {
        // Devices without a file have no such entry.
        let file = files::read(&block.join(name).join("loop/backing_file"), PATH_MAX).unwrap_or_default();
        Path::new(String::from_utf8_lossy(&file).trim_end()).starts_with(folder)
    };
    Ok(files::list(block)?.into_iter().filter(is_ours).map(|name| Path::new("/dev").join(name)).collect())
}

fn losetup() -> Program {
    Program::new("losetup", LIMIT).env("PATH", SYSTEM_PATH)
}
