// SPDX-License-Identifier: Apache-2.0
//! The flow that removes a lab: everything that follows from its name, whether it is there or not, so that it works
//! after any crash and may itself be killed and started again.

use std::path::PathBuf;
use std::time::Duration;

use super::error::LabError;
use super::look;
use super::plan::{Lab, NodeRecord};
use crate::host::{cgroups, files, holders, loops, mounts, removal};

/// Longest wait for killed processes to vanish, and for an `up` of the same lab to end.
const LIMIT: Duration = Duration::from_secs(30);

/// Removes a lab: its nodes by force, then all that belongs to it.
///
/// # Errors
/// If there is no such lab, somebody else changes it, or something can't be removed.
pub fn down(lab: &Lab) -> Result<(), LabError> {
    if !look::labs(&lab.places)?.contains(&lab.name) {
        return Err(LabError::NoLab(lab.name.clone()));
    }
    files::make_folder(&lab.places.run)?;
    let lock = files::lock(&lab.lock(), LIMIT)?.ok_or_else(|| LabError::Busy(lab.name.clone()))?;
    clear(lab)?;
    // What a lab is known by goes last.
    files::remove(&lab.lock())?;
    drop(lock);
    files::remove_empty(&lab.places.disks);
    files::remove_empty(&lab.places.run);
    Ok(())
}

/// Removes everything but the lock, which the caller holds.
pub(super) fn clear(lab: &Lab) -> Result<(), LabError> {
    // From now on no node starts: a keeper that joins its group looks for this record.
    files::remove(&lab.record())?;
    if !cgroups::end(&lab.cgroup(), LIMIT)? {
        return Err(LabError::Stuck(format!("control group {}", lab.cgroup())));
    }
    // Those of virtual machines are in no group.
    if !holders::end(&|path| lab.is_hold(path), LIMIT)? {
        return Err(LabError::Stuck(format!("that have files below {} open", lab.state().display())));
    }
    wait_for_keepers(lab)?;
    mounts::detach(&lab.network())?;
    mounts::detach(&lab.state())?;
    removal::remove_folder(&lab.state())?;
    // Of a keeper that was killed before it mounted.
    for device in loops::of_files_in(&lab.disks())? {
        loops::let_go(&device)?;
    }
    removal::remove_folder(&lab.disks())?;
    Ok(())
}

/// A keeper, or the forwarder, that was not in its group yet ends by itself, because the group is gone.
fn wait_for_keepers(lab: &Lab) -> Result<(), LabError> {
    let nodes = lab.state().join("nodes");
    let names = if nodes.exists() { files::list(&nodes)? } else { Vec::new() };
    let mut folders: Vec<PathBuf> = names.iter().map(|name| nodes.join(name)).collect();
    folders.push(lab.forwarder());
    for folder in folders.into_iter().filter(|folder| folder.exists()) {
        if files::lock(&NodeRecord::alive(&folder), LIMIT)?.is_none() {
            return Err(LabError::Stuck(format!("control group {}", lab.cgroup())));
        }
    }
    Ok(())
}
