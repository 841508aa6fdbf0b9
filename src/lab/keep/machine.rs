// SPDX-License-Identifier: Apache-2.0
//! The keeper of a virtual machine: its disk holds only what differs from the image, its variables of the firmware are a
//! copy, what it is told are files that nobody else may read. QEMU ends with its keeper.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::body::{self, TERMINALS, Virtual};
use super::super::error::LabError;
use super::super::ground::Likeness;
use super::super::plan::NodeRecord;
use super::{CREDENTIAL_MAX, Ended};
use crate::host::command::{Program, SYSTEM_PATH, Streams};
use crate::host::files;
use crate::host::qemu::Overlay;
use crate::vm::{self, Address, Credential, Image, Link, Machine};

/// OVMF's flash is 4 MiB.
const VARIABLES_MAX: u64 = 64 << 20;
/// A disk without a difference is tables of clusters.
const EMPTY_MAX: u64 = 64 << 20;

pub(super) fn keep(node: &NodeRecord, body: &Virtual, folder: &Path) -> Result<Ended, LabError> {
    // Whoever removes the lab takes its record away first and then ends all that hold the file that this process holds.
    if !node.lab.exists() {
        return Err(LabError::Going);
    }
    if Likeness::of(&files::about(&node.image)?) != body.common.likeness {
        return Err(LabError::OtherImage(node.image.clone()));
    }
    make_disk(node)?;
    let variables = folder.join(vm::VARIABLES);
    if !variables.exists() {
        files::replace(
            &variables,
            &files::read(&body.common.firmware.variables.file, VARIABLES_MAX)?,
            0o600,
        )?;
    }
    let machine = machine(node, body, folder, tell(node, folder)?);
    let streams = Streams {
        // What this process is known by: QEMU is the lab's, too.
        input: Streams::of_kiln().map_err(LabError::Run)?.input,
        output: None,
        error: Some(files::append(&node.keeper_log())?),
    };
    let program = Program::new("setpriv", Duration::MAX)
        .env("PATH", SYSTEM_PATH)
        .args(["--pdeathsig", "KILL", "--"])
        .args([&body.common.qemu])
        .args(machine.arguments())
        .folder(folder);
    let status = program.spawn(streams)?.wait();
    let status = status.map_err(|source| LabError::Wait { program: "qemu", source })?;
    match status.code() {
        Some(0) => Ok(Ended::Off),
        code => Ok(Ended::Failed { program: "qemu", code: code.unwrap_or(-1) }),
    }
}

fn make_disk(node: &NodeRecord) -> Result<(), LabError> {
    if node.disk.exists() {
        return Ok(());
    }
    let image = Image::find(&node.image)?;
    let size_bytes = node.disk_bytes.max(image.size_bytes);
    // A keeper that is killed here leaves no half a disk under the name.
    let begun = node.disk.with_extension("begun");
    Overlay { image: &image.path, format: image.format, size_bytes }.make(&begun)?;
    files::replace(&node.disk, &files::read(&begun, EMPTY_MAX)?, 0o600)?;
    Ok(files::remove(&begun)?)
}

/// Writes what the machine is told and returns the files.
fn tell(node: &NodeRecord, folder: &Path) -> Result<Vec<PathBuf>, LabError> {
    let network = node.network;
    let mut all = vec![vm::named(&node.name.to_string())];
    all.extend(vm::networked(&Address { address: network.address, gateway: network.gateway }));
    all.extend(vm::ordered(TERMINALS));
    for (name, file) in &node.credentials {
        all.push(Credential::new(name, files::read(file, CREDENTIAL_MAX)?));
    }
    let write = |(number, credential): (usize, &Credential)| {
        let file = folder.join(format!("told-{number}"));
        files::replace(&file, credential.text().as_bytes(), 0o600)?;
        Ok(file)
    };
    all.iter().enumerate().map(write).collect()
}

fn machine(node: &NodeRecord, body: &Virtual, folder: &Path, credentials: Vec<PathBuf>) -> Machine {
    Machine {
        accelerator: body.common.accelerator,
        cpu: None,
        cpus: None,
        memory_bytes: body.memory_bytes,
        firmware: body.common.firmware.clone(),
        disk: node.disk.clone(),
        link: Link::Switch { socket: body.common.switch.clone(), mac: body.mac },
        credentials,
        console: node.console.clone(),
        is_on_terminal: false,
        may_reboot: true,
        monitor: folder.join("monitor"),
        terminals: (0..TERMINALS).map(|number| body::terminal(folder, number)).collect(),
    }
}
