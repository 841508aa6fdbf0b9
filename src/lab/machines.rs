// SPDX-License-Identifier: Apache-2.0
//! What virtual machines need of this machine, looked at before anything is made, and which accelerator runs them: that
//! is known when the first of them has booted.

use std::path::Path;
use std::time::{Duration, Instant};

use super::body;
use super::error::LabError;
use super::ground::{Ground, Likeness, Machines};
use super::join;
use super::node::Node;
use super::node::begin::NodeOrder;
use super::plan::Lab;
use super::records;
use super::up::{Made, Order};
use crate::host::{files, qemu, removal};
use crate::progress::Progress;
use crate::vm::{self, Accelerator, Image, Kvm, Looks, Need, Next, Seen};

/// How often the first machine is looked at.
const PAUSE: Duration = Duration::from_secs(1);

/// Finds out what runs a lab's machines.
pub(super) fn look(lab: &Lab, order: &Order, image: &Path) -> Result<Machines, LabError> {
    Image::find(image)?;
    let mut facts = vm::facts(&lab.places.disks)?;
    if let Some(program) = &facts.qemu {
        let known = qemu::networks(program)?;
        facts.missing_networks = NETWORKS.into_iter().filter(|name| !known.contains(*name)).collect();
    }
    let workers = order.nodes.saturating_sub(1);
    let memory_bytes = body::CONTROL_MEMORY + workers * body::WORKER_MEMORY;
    let ready = vm::ready(&facts, &Need { memory_bytes, machines: order.nodes })?;
    let accelerator = if facts.kvm == Kvm::Present { Accelerator::Kvm } else { Accelerator::Tcg };
    let (switch, kiln) = (lab.switch(), order.kiln.clone());
    let likeness = Likeness::of(&files::about(image)?);
    Ok(Machines { qemu: ready.qemu, firmware: ready.firmware, accelerator, switch, kiln, likeness })
}

/// Looks whether this machine can hold one more worker.
pub(super) fn has_room(lab: &Lab) -> Result<(), LabError> {
    let need = Need { memory_bytes: body::WORKER_MEMORY, machines: 1 };
    vm::ready(&vm::facts(&lab.places.disks)?, &need)?;
    Ok(())
}

/// Kinds of network without which machines don't meet, and nobody reaches them.
const NETWORKS: [&str; 2] = ["stream", "user"];

/// Starts the first node of a lab. On virtual machines it finds out by trying whether KVM runs them; where it does not, the
/// node is begun anew, emulated, as all others will be.
pub(super) fn start_first(
    made: &mut Made,
    order: &NodeOrder,
    progress: &dyn Progress,
) -> Result<Node, LabError> {
    let node = made.start(order)?;
    let Ground::Qemu(machines) = &made.record.ground else { return Ok(node) };
    if machines.accelerator == Accelerator::Tcg {
        let (_, why) = vm::accelerators(vm::facts(&made.lab.places.disks)?.kvm, None);
        progress.say(&format!("{}: {EMULATES}", why.unwrap_or("KVM does not work here")));
        return Ok(node);
    }
    if has_spoken(&node)? {
        return Ok(node);
    }
    progress.say(&format!("KVM is there and does not run this machine: {EMULATES}"));
    node.kill()?;
    let machines = Machines { accelerator: Accelerator::Tcg, ..machines.clone() };
    made.record.ground = Ground::Qemu(machines);
    records::write(&made.lab.record(), &made.record)?;
    for path in [&node.record.disk, &node.record.console] {
        files::remove(path)?;
    }
    removal::remove_folder(&made.lab.node(&order.name))?;
    made.start(order)
}

/// What every line about KVM ends with.
const EMULATES: &str = "QEMU emulates the processors, count on a quarter of an hour or more";

/// Waits until a machine's systemd has answered, or it is dead: it has ended, or its console is silent.
fn has_spoken(node: &Node) -> Result<bool, LabError> {
    let (start, mut length, mut heard) = (Instant::now(), 0, Instant::now());
    loop {
        if node.boot()?.is_some() {
            return Ok(true);
        }
        let now = files::length(&node.record.console).unwrap_or(0);
        if now > length {
            (length, heard) = (now, Instant::now());
        }
        let is_running = node.is_kept()?;
        let seen = Seen {
            accelerator: Accelerator::Kvm,
            is_running,
            has_failed: !is_running,
            is_check: false,
            elapsed: start.elapsed(),
            silence: heard.elapsed(),
            limit: Some(join::LIMIT),
            looks: &Looks::default(),
        };
        match vm::next(&seen) {
            Next::Wait => std::thread::sleep(PAUSE),
            Next::Dead | Next::Done(_) => return Ok(false),
        }
    }
}
