// SPDX-License-Identifier: Apache-2.0
//! The lab's forwarder: a process of the lab that joins a port of this machine's loopback to the API server in the lab's
//! own network, and ends with the lab. Others, for other ports, are a person's own and end with Ctrl-C or with the lab.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::LabError;
use super::ground::Ground;
use super::helper;
use super::look;
use super::plan::{Lab, NodeRecord};
use super::records;
use crate::host::command::{Program, SYSTEM_PATH, Streams};
use crate::host::{cgroups, files, forward, netns, resources};

/// What the forwarder needs to know, as JSON in the lab's tmpfs.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// The lab's record: without it no forwarder runs.
    lab: PathBuf,
    /// Its control group, below the root of each hierarchy.
    cgroup: String,
    /// The file of the network namespace that the target is in.
    namespace: PathBuf,
    /// Where connections go.
    target: SocketAddr,
}

/// Starts the forwarder and returns its port.
pub(super) fn begin(lab: &Lab, namespace: &Path, target: SocketAddr, kiln: &Path) -> Result<u16, LabError> {
    let folder = lab.forwarder();
    files::make_folder(&folder)?;
    // A node's name has no dot.
    let cgroup = format!("{}/forwarder.api", lab.cgroup());
    let record = Record { lab: lab.record(), cgroup, namespace: namespace.to_owned(), target };
    records::write(&folder.join("record.json"), &record)?;
    cgroups::make(&record.cgroup)?;
    let listener = forward::listen(0).map_err(LabError::Forward)?;
    let port = listener.local_addr().map_err(LabError::Forward)?.port();
    let alive = files::lock(&NodeRecord::alive(&folder), Duration::ZERO)?;
    let streams = Streams {
        input: Some(forward::into_file(listener)),
        // The lock goes on with the forwarder, who holds it as its output.
        output: Some(alive.ok_or_else(|| LabError::Busy(lab.name.clone()))?),
        error: Some(files::append(&lab.disks().join("forwarder.log"))?),
    };
    let program = Program::new(kiln, Duration::MAX).env("PATH", SYSTEM_PATH).args(["lab", "carry"]);
    program.args([&folder]).spawn(streams)?.let_go();
    Ok(port)
}

/// Is the forwarder whose record lies in `folder`, for as long as the lab is there.
///
/// # Errors
/// If the lab goes away, or as the system says.
pub fn carry(folder: &Path) -> Result<(), LabError> {
    let record: Record = records::read(&folder.join("record.json"))?;
    resources::new_session();
    let listener = forward::from_input().map_err(LabError::Forward)?;
    join(&record.cgroup, &record.lab)?;
    netns::enter(&record.namespace)?;
    forward::serve(listener, record.target).map_err(LabError::Forward)
}

/// Joins a port of this machine's loopback (0: a free one) to an address in the lab's network, until this process or the
/// lab ends; `told` gets the port's address.
///
/// # Errors
/// If there is no such lab, the port is in use, or as the system says.
pub fn forward(
    lab: &Lab,
    target: SocketAddr,
    port: u16,
    told: impl FnOnce(SocketAddr),
) -> Result<(), LabError> {
    let record = look::record(lab)?.ok_or_else(|| LabError::NoLab(lab.name.clone()))?;
    let link = match record.ground {
        Ground::Nspawn { link } => link,
        Ground::Qemu(machines) => return helper::forward(lab, &machines, target, port, told),
    };
    let listener = forward::listen(port).map_err(LabError::Forward)?;
    let address = listener.local_addr().map_err(LabError::Forward)?;
    let cgroup = format!("{}/forwarder.{}", lab.cgroup(), std::process::id());
    cgroups::make(&cgroup)?;
    join(&cgroup, &lab.record())?;
    netns::enter(&link.namespace)?;
    told(address);
    forward::serve(listener, target).map_err(LabError::Forward)
}

/// Whoever removes the lab takes its record away first and then ends all in the group: one of both sees this process.
fn join(cgroup: &str, lab: &Path) -> Result<(), LabError> {
    cgroups::join(cgroup, std::process::id())?;
    if lab.exists() { Ok(()) } else { Err(LabError::Going) }
}
