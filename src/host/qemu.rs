// SPDX-License-Identifier: Apache-2.0
//! QEMU as it is installed here: its program, firmware descriptors, whether KVM may be opened, and disks that hold only
//! what differs from another.

pub mod orders;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::command::{CommandError, Program, SYSTEM_PATH};
use super::files::{self, FileError};
use super::resources;

/// qemu-img writes a header.
const LIMIT: Duration = Duration::from_secs(60);
/// The longest descriptor.
const DESCRIPTOR_MAX: u64 = 1 << 20;

/// Returns QEMU's program for amd64 machines; on Fedora and RHEL it may be outside the search path.
pub fn program() -> Option<PathBuf> {
    let elsewhere = || Some(PathBuf::from("/usr/libexec/qemu-kvm")).filter(|path| path.is_file());
    resources::program("qemu-system-x86_64").or_else(elsewhere)
}

/// Returns the kinds of network that a QEMU has (qemu(1), -netdev help).
///
/// # Errors
/// If it can't be run.
pub fn networks(program: &Path) -> Result<BTreeSet<String>, CommandError> {
    let program = Program::new(program, LIMIT).env("PATH", SYSTEM_PATH);
    let text = program.args(["-machine", "none", "-netdev", "help"]).run(&|_| ())?;
    Ok(String::from_utf8_lossy(&text).lines().map(|line| line.trim().to_owned()).collect())
}

/// Returns the firmware descriptors in `folders` in the order of their names; a file in an earlier folder hides those of
/// the same name in later ones.
///
/// # Errors
/// As the system says; a folder that is not there has none.
pub fn descriptors(folders: &[&str]) -> Result<Vec<Vec<u8>>, FileError> {
    let mut paths: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for folder in folders.iter().map(Path::new).filter(|folder| folder.is_dir()) {
        for name in files::list(folder)? {
            let path = folder.join(&name);
            paths.entry(name).or_insert(path);
        }
    }
    paths.values().map(|path| files::read(path, DESCRIPTOR_MAX)).collect()
}

/// Returns whether /dev/kvm can be opened; nothing: there is none.
pub fn may_open_kvm() -> Option<bool> {
    match files::open_special(Path::new("/dev/kvm")) {
        Ok(_) => Some(true),
        Err(error) if error.source.kind() == io::ErrorKind::PermissionDenied => Some(false),
        Err(_) => None,
    }
}

/// Presses the power button of the machine whose QEMU takes orders on `monitor` (QEMU's docs/interop/qmp-spec).
///
/// # Errors
/// As the system says.
pub fn press_power(monitor: &Path) -> io::Result<()> {
    let mut stream = UnixStream::connect(monitor)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(b"{\"execute\": \"qmp_capabilities\"}\n{\"execute\": \"system_powerdown\"}\n")?;
    // The greeting, and an answer to each: closed before, the orders might be lost.
    let answers =
        BufReader::new(stream).lines().filter(|line| line.as_ref().is_ok_and(|line| is_answer(line)));
    answers.take(2).try_for_each(|line| line.map(drop))
}

fn is_answer(line: &str) -> bool {
    line.contains("\"return\"") || line.contains("\"error\"")
}

/// A disk that holds only what differs from an image.
#[derive(Debug, Clone, Copy)]
pub struct Overlay<'a> {
    /// The image, by its absolute path.
    pub image: &'a Path,
    /// Its format, as QEMU calls it.
    pub format: &'a str,
    /// The disk's size in bytes.
    pub size_bytes: u64,
}

impl Overlay<'_> {
    /// Makes the disk, a qcow2 file.
    ///
    /// # Errors
    /// As qemu-img says.
    pub fn make(&self, path: &Path) -> Result<(), CommandError> {
        Program::new("qemu-img", LIMIT)
            .env("PATH", SYSTEM_PATH)
            .args(["create", "-q", "-f", "qcow2", "-F", self.format, "-b"])
            .args([self.image, path])
            .args([self.size_bytes.to_string()])
            .run(&|_| ())
            .map(drop)
    }
}
