// SPDX-License-Identifier: Apache-2.0
//! Control groups, v1 and v2 (cgroups(7)): one group of a name in every hierarchy, its processes, its end. A group tells
//! which processes belong together, also when whoever started them is gone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::files::{self, FileError};
use super::mount_table::{self, Mounted};

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub folder: PathBuf,
    /// Whether it is that of cgroup v2.
    pub is_v2: bool,
}

/// Returns the mounted hierarchies.
///
/// # Errors
/// If the list of mounts can't be read.
pub fn hierarchies() -> Result<Vec<Hierarchy>, FileError> {
    let of = |mount: Mounted| match mount.kind.as_str() {
        "cgroup" => Some(Hierarchy { folder: mount.target, is_v2: false }),
        "cgroup2" => Some(Hierarchy { folder: mount.target, is_v2: true }),
        _ => None,
    };
    Ok(mount_table::mounted()?.into_iter().filter_map(of).collect())
}

/// Returns the controllers that groups can have, of v1 and v2.
///
/// # Errors
/// As the system says.
pub fn controllers() -> Result<BTreeSet<String>, FileError> {
    let mut found = BTreeSet::new();
    for hierarchy in hierarchies()? {
        let text = files::read(&hierarchy.folder.join("cgroup.controllers"), MAX).unwrap_or_default();
        found.extend(String::from_utf8_lossy(&text).split_whitespace().map(str::to_owned));
    }
    // On v1 the mount says it (proc_cgroups(5) does not tell where): "cpu,cpuacct" may be one hierarchy.
    let text = files::read(Path::new("/proc/self/cgroup"), MAX)?;
    for line in String::from_utf8_lossy(&text).lines() {
        found.extend(line.split(':').nth(1).unwrap_or_default().split(',').map(str::to_owned));
    }
    Ok(found)
}

/// Makes the group `name` ("a/b") in every hierarchy, with all that its parent may use.
///
/// # Errors
/// As the system says.
pub fn make(name: &str) -> Result<(), FileError> {
    for hierarchy in hierarchies()? {
        let mut folder = hierarchy.folder.clone();
        for part in name.split('/') {
            if hierarchy.is_v2 {
                hand_down(&folder);
            }
            let parent = folder.clone();
            folder.push(part);
            files::make_folder(&folder)?;
            inherit_cpuset(&parent, &folder)?;
        }
    }
    Ok(())
}

/// Lets groups below a v2 group use its controllers. One that can't be had is missed by whoever needs it.
fn hand_down(folder: &Path) {
    let Ok(controllers) = files::read(&folder.join("cgroup.controllers"), MAX) else { return };
    for controller in String::from_utf8_lossy(&controllers).split_whitespace() {
        let _ = files::write_special(&folder.join("cgroup.subtree_control"), &format!("+{controller}"));
    }
}

/// A v1 cpuset is born empty and takes no process before it has processors and memory.
fn inherit_cpuset(parent: &Path, folder: &Path) -> Result<(), FileError> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        // On v2 an empty value means the parent's.
        if folder.join("tasks").exists() && folder.join(file).exists() {
            let value = files::read(&parent.join(file), MAX)?;
            files::write_special(&folder.join(file), &String::from_utf8_lossy(&value))?;
        }
    }
    Ok(())
}

/// Moves a process into the group `name` in every hierarchy.
///
/// # Errors
/// As the system says, such as: the group is gone.
pub fn join(name: &str, process: u32) -> Result<(), FileError> {
    for hierarchy in hierarchies()? {
        let file = hierarchy.folder.join(name).join("cgroup.procs");
        files::write_special(&file, &process.to_string())?;
    }
    Ok(())
}

/// Returns the processes in the group `name` and below it, in any hierarchy.
///
/// # Errors
/// If the list of mounts can't be read.
pub fn processes(name: &str) -> Result<BTreeSet<i32>, FileError> {
    let mut found = BTreeSet::new();
    for hierarchy in hierarchies()? {
        for folder in folders(&hierarchy.folder.join(name)) {
            let text = files::read(&folder.join("cgroup.procs"), MAX).unwrap_or_default();
            found.extend(String::from_utf8_lossy(&text).lines().filter_map(|line| line.parse::<i32>().ok()));
        }
    }
    Ok(found)
}

/// Returns the names of groups below the root that begin with `prefix`.
///
/// # Errors
/// If the list of mounts can't be read.
pub fn named(prefix: &str) -> Result<BTreeSet<String>, FileError> {
    let names = |hierarchy: Hierarchy| files::list(&hierarchy.folder).unwrap_or_default();
    let names = hierarchies()?.into_iter().flat_map(names);
    let names = names.filter_map(|name| name.into_string().ok());
    Ok(names.filter(|name| name.starts_with(prefix)).collect())
}

/// Kills every process in the group `name` and removes the group, within `limit`; one that is not there is no error.
/// Returns whether it is gone.
///
/// # Errors
/// If the list of mounts can't be read.
pub fn end(name: &str, limit: Duration) -> Result<bool, FileError> {
    let until = Instant::now() + limit;
    loop {
        for process in processes(name)? {
            // It may have ended since.
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
        if remove(name)? {
            return Ok(true);
        }
        if Instant::now() > until {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Removes the group `name` with those below it, where no process is left in it. Returns whether nothing is left.
fn remove(name: &str) -> Result<bool, FileError> {
    let mut is_gone = true;
    for hierarchy in hierarchies()? {
        let folder = hierarchy.folder.join(name);
        for folder in folders(&folder).into_iter().rev() {
            files::remove_empty(&folder);
        }
        is_gone &= !folder.exists();
    }
    Ok(is_gone)
}

/// Returns a folder and those below it, parents first. What vanishes meanwhile is left out.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let mut all = if folder.is_dir() { vec![folder.to_owned()] } else { Vec::new() };
    let mut next = 0;
    while next < all.len() {
        let names = files::list(&all[next]).unwrap_or_default();
        let below: Vec<PathBuf> = names.into_iter().map(|name| all[next].join(name)).collect();
        all.extend(below.into_iter().filter(|path| path.is_dir()));
        next += 1;
    }
    all
}

/// Longest text that is read of the kernel.
const MAX: u64 = 16 << 20;
