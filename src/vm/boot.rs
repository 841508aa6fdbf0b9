// SPDX-License-Identifier: Apache-2.0
//! The flow that boots one machine: look what there is, make its folder, start QEMU, watch, and take all of it away.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::call::{Accelerator, accelerators};
use super::ears::Heard;
use super::error::BootError;
use super::firmware::{self, Firmware};
use super::lacks::{Facts, Kvm, Need, PROGRAMS, ready};
use super::look::Look;
use super::order::Order;
use super::room::{Image, Room};
use super::watch::Verdict;
use crate::host::terminal::Terminal;
use crate::host::{qemu, resources};
use crate::progress::Progress;

/// How it went.
#[derive(Debug, Clone, Serialize)]
pub struct Booted {
    /// The image.
    pub image: PathBuf,
    /// What ran the machine.
    pub accelerator: Accelerator,
    /// How it ended.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Milliseconds from QEMU's start to that.
    pub took_ms: u64,
    /// The last look into the machine, if it answered.
    pub look: Option<Look>,
    /// What first boot said on the console in its last try.
    pub said: Vec<String>,
    /// The end of QEMU's own words, if it had any.
    pub qemu: String,
}

/// Finds out what there is to run machines with, whose disks go below `work`.
///
/// # Errors
/// If the kernel's own files, or firmware descriptors, can't be read.
pub fn facts(work: &Path) -> Result<Facts, BootError> {
    let is_there = |found: &Firmware| found.code.file.is_file() && found.variables.file.is_file();
    let described = qemu::descriptors(&firmware::DESCRIPTORS)?;
    let described = described.iter().filter_map(|text| firmware::read(text));
    let missing = PROGRAMS.map(|(name, _)| name).into_iter();
    Ok(Facts {
        qemu: qemu::program(),
        missing_programs: missing.filter(|name| resources::program(name).is_none()).collect(),
        missing_networks: Vec::new(),
        firmware: described.chain(firmware::known()).find(is_there),
        kvm: match qemu::may_open_kvm() {
            Some(true) => Kvm::Present,
            Some(false) => Kvm::Denied,
            None => Kvm::Absent,
        },
        memory_bytes: resources::memory_bytes()?,
        disk_bytes: resources::free_bytes(work)?,
    })
}

/// Boots a machine and returns how it ended. What QEMU can't run by KVM it emulates.
///
/// # Errors
/// If this machine lacks something, the image is none, or QEMU does not run it.
pub fn boot(order: &Order, progress: &dyn Progress) -> Result<Booted, BootError> {
    let image = Image::find(&order.image)?;
    let facts = facts(&order.place.work)?;
    let ready = ready(&facts, &Need { memory_bytes: order.memory_bytes, machines: 1 })?;
    let (tries, why) = accelerators(facts.kvm, order.accelerator);
    if let Some(why) = why {
        progress.say(&format!("{why}: {EMULATES}"));
    }
    let (terminal, mut said) = (Terminal::look(), String::new());
    for accelerator in tries {
        let room = Room::new(order, &image, &ready.firmware, accelerator)?;
        let machine = room.machine(order, accelerator, &ready.firmware);
        let qemu = room.start(order, &ready.qemu, &machine)?;
        let heard = room.watch(order, accelerator, qemu, progress);
        terminal.restore();
        match heard? {
            Some(Heard { verdict, look, said, took }) => {
                let (image, qemu, took_ms) = (image.path, room.said(), took.as_millis() as u64);
                return Ok(Booted { image, accelerator, verdict, took_ms, look, said, qemu });
            }
            None => said = room.said(),
        }
        if order.accelerator.is_none() {
            let why = said.lines().next().unwrap_or("its console stays silent");
            progress.say(&format!("KVM is there and does not run this machine ({why}): {EMULATES}"));
        }
    }
    Err(BootError::Dead { accelerator: "KVM", said })
}

/// What every line about KVM ends with.
const EMULATES: &str = "QEMU emulates the processor, count on minutes";
