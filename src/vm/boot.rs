// SPDX-License-Identifier: Apache-2.0
//! The flow that boots one machine: look what there is, make its folder, start QEMU, watch, and take all of it away.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::call::{Accelerator, Link, accelerators};
use super::credential::Credential;
use super::ears::Heard;
use super::error::BootError;
use super::firmware::{self, Firmware};
use super::lacks::{Facts, Kvm, Need, PROGRAMS, ready};
use super::look::Look;
use super::room::{Image, Room};
use super::watch::Verdict;
use crate::host::terminal::Terminal;
use crate::host::{qemu, resources};
use crate::progress::Progress;

/// What is booted, and how.
#[derive(Debug, Clone)]
pub struct Order {
    /// The image, raw or qcow2. It is only read.
    pub image: PathBuf,
    /// The machine's own disk, made where missing; nothing: one that goes with the machine.
    pub disk: Option<PathBuf>,
    /// Size of the disk in bytes; smaller than the image: the image's.
    pub disk_bytes: u64,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// How many processors; nothing: as many as are known to boot.
    pub cpus: Option<u16>,
    /// The processor's model; nothing: the best that is known to boot.
    pub cpu: Option<String>,
    /// What runs the processors; nothing: the best that is found to work.
    pub accelerator: Option<Accelerator>,
    /// Where the network card goes.
    pub link: Link,
    /// What the machine is told.
    pub credentials: Vec<Credential>,
    /// What it is booted for.
    pub purpose: Purpose,
    /// The longest that it may take.
    pub limit: Option<Duration>,
    /// Where the console's text goes as well.
    pub log: Option<PathBuf>,
    /// Where it works.
    pub place: Place,
}

/// What a machine is booted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// To know how first boot ends.
    Check,
    /// For a person, whose terminal is its console.
    Person,
}

/// Folders below which those of a machine are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// For disks and logs.
    pub work: PathBuf,
    /// For secrets: on a tmpfs, if there is one.
    pub secrets: PathBuf,
}

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
