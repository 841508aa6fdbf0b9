// SPDX-License-Identifier: Apache-2.0
//! The machine itself: memory, room, programs, filesystems, and how processes are numbered inside their namespaces.

use std::path::{Path, PathBuf};

use super::command::SYSTEM_PATH;
use super::files::{self, FileError};

/// Longest text that is read of the kernel.
const MAX: u64 = 1 << 20;

/// Returns the memory that programs can have without swapping, in bytes (proc_meminfo(5), MemAvailable).
///
/// # Errors
/// As the system says.
pub fn memory_bytes() -> Result<u64, FileError> {
    let text = text("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    Ok(kib.unwrap_or(0) * 1024)
}

/// Returns the room that is free for ordinary files at `path`, or at what will be its parent, in bytes.
///
/// # Errors
/// As the system says.
pub fn free_bytes(path: &Path) -> Result<u64, FileError> {
    let there = path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let about = nix::sys::statvfs::statvfs(there);
    let about = about.map_err(|errno| FileError::at("look at", there)(errno.into()))?;
    Ok(about.blocks_available() as u64 * about.fragment_size() as u64)
}

/// Returns the bytes that a file takes on its disk; holes take none.
///
/// # Errors
/// As the system says.
pub fn taken_bytes(path: &Path) -> Result<u64, FileError> {
    use std::os::unix::fs::MetadataExt;
    let about = path.metadata().map_err(FileError::at("look at", path))?;
    Ok(about.blocks() * 512)
}

/// Returns how many inotify instances this user may have beside those that its processes hold (inotify(7), proc_pid_fd(5)).
///
/// # Errors
/// As the system says.
pub fn watchers_left() -> Result<u64, FileError> {
    use std::os::unix::fs::MetadataExt;
    let most = text("/proc/sys/fs/inotify/max_user_instances")?.trim().parse::<u64>().unwrap_or(0);
    let me = nix::unistd::geteuid().as_raw();
    let mut held = 0;
    for name in files::list(Path::new("/proc"))? {
        let process = Path::new("/proc").join(name);
        // One that ends meanwhile holds none.
        let opened = files::list(&process.join("fd")).unwrap_or_default();
        if process.metadata().is_ok_and(|about| about.uid() == me) {
            held +=
                opened.iter().filter(|number| is_watcher(&process.join("fd").join(number))).count() as u64;
        }
    }
    Ok(most.saturating_sub(held))
}

fn is_watcher(file: &Path) -> bool {
    std::fs::read_link(file).is_ok_and(|target| target == Path::new("anon_inode:inotify"))
}

/// Returns where a program of the system is.
pub fn program(name: &str) -> Option<PathBuf> {
    SYSTEM_PATH.split(':').map(|folder| Path::new(folder).join(name)).find(|path| path.is_file())
}

/// Returns whether the kernel has a filesystem, or may have a module of it.
///
/// # Errors
/// As the system says.
pub fn may_mount(filesystem: &str) -> Result<bool, FileError> {
    let known = text("/proc/filesystems")?;
    let release = text("/proc/sys/kernel/osrelease")?;
    let modules = Path::new("/lib/modules").join(release.trim());
    Ok(known.lines().any(|line| line.ends_with(&format!("\t{filesystem}"))) || modules.exists())
}

/// Returns whether this process is root with all that mounting takes.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The number of the capability to go beyond limits (capabilities(7)).
pub const CAP_SYS_RESOURCE: u32 = 24;

/// Returns whether this process has a capability (proc_pid_status(5), CapEff).
pub fn has_capability(number: u32) -> bool {
    let text = text("/proc/self/status").unwrap_or_default();
    let set = text.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    set.is_some_and(|set| set & (1 << number) != 0)
}

/// Begins a session of its own, so that no terminal's end reaches this process.
pub fn new_session() {
    // It may lead one already.
    let _ = nix::unistd::setsid();
}

/// Returns the numbers of a process from this namespace inwards (proc_pid_status(5), NSpid); empty: it is gone.
pub fn numbers(process: i32) -> Vec<i32> {
    let text = text(&format!("/proc/{process}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("NSpid:"));
    line.unwrap_or_default().split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

fn text(path: &str) -> Result<String, FileError> {
    Ok(String::from_utf8_lossy(&files::read(Path::new(path), MAX)?).into_owned())
}
