// SPDX-License-Identifier: Apache-2.0
//! What this machine lacks to run virtual ones, all of it at once, each with what to do about it.

use std::fmt;
use std::path::PathBuf;

use super::firmware::Firmware;
use crate::lacks::{program, too_little};

/// What was found out about the machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Where QEMU is.
    pub qemu: Option<PathBuf>,
    /// Further programs that were looked for and not found.
    pub missing_programs: Vec<&'static str>,
    /// Kinds of network that QEMU was asked for and does not have.
    pub missing_networks: Vec<&'static str>,
    /// A firmware that fits.
    pub firmware: Option<Firmware>,
    /// What there is of KVM.
    pub kvm: Kvm,
    /// Memory that can be had, in bytes.
    pub memory_bytes: u64,
    /// Room where disks go, in bytes.
    pub disk_bytes: u64,
}

/// What there is of KVM, as far as it can be told without running a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kvm {
    /// There is /dev/kvm, and this user may open it. Whether it runs a machine shows when one is run.
    Present,
    /// There is one, but not for this user.
    Denied,
    /// There is none.
    #[default]
    Absent,
}

/// What the machines will take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// Memory of all machines together, in bytes.
    pub memory_bytes: u64,
    /// How many there are.
    pub machines: u64,
}

/// Why no machine can be run: one line for each thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacks(pub Vec<String>);

/// Programs that are run beside QEMU itself, with the Debian packages that have them.
pub const PROGRAMS: [(&str, &str); 2] = [("qemu-img", "qemu-utils"), ("setpriv", "util-linux")];

/// QEMU's own memory beside that of its machine: code, translated code of an emulated one, video of the firmware.
const QEMU_MEMORY: u64 = 192 << 20;
/// What a machine writes in its first minutes: journal, images, containers' layers.
const MACHINE_DISK: u64 = 512 << 20;

/// What machines are run with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Where QEMU is.
    pub qemu: PathBuf,
    /// The firmware.
    pub firmware: Firmware,
}

/// Returns what machines are run with, if nothing is lacking.
///
/// # Errors
/// With a line for each thing that is.
pub fn ready(facts: &Facts, need: &Need) -> Result<Ready, Lacks> {
    let mut lines = Vec::new();
    if facts.qemu.is_none() {
        lines.push("qemu-system-x86_64 is missing: apt-get install qemu-system-x86".to_owned());
    }
    lines.extend(facts.missing_programs.iter().map(|name| program(name, &PROGRAMS)));
    for name in &facts.missing_networks {
        lines.push(format!(
            "QEMU has no network of the kind {name}: it needs version 7.2 or newer, with slirp"
        ));
    }
    if facts.firmware.is_none() {
        lines.push("no UEFI firmware for x86_64 was found: apt-get install ovmf".to_owned());
    }
    let needs_memory = need.memory_bytes + need.machines * QEMU_MEMORY;
    lines.extend(too_little("memory", facts.memory_bytes, needs_memory));
    lines.extend(too_little("disk", facts.disk_bytes, need.machines * MACHINE_DISK));
    match (&facts.qemu, &facts.firmware) {
        (Some(qemu), Some(firmware)) if lines.is_empty() => {
            Ok(Ready { qemu: qemu.clone(), firmware: firmware.clone() })
        }
        _ => Err(Lacks(lines)),
    }
}

impl fmt::Display for Lacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this machine can't run virtual machines:\n{}", self.0.join("\n"))
    }
}

impl std::error::Error for Lacks {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_lacks_is_told_at_once() {
        let facts = Facts { missing_programs: vec!["qemu-img"], memory_bytes: 1 << 30, ..Facts::default() };
        let text = ready(&facts, &Need { memory_bytes: 2 << 30, machines: 1 }).unwrap_err().to_string();
        let expected = "this machine can't run virtual machines:\n\
            qemu-system-x86_64 is missing: apt-get install qemu-system-x86\n\
            qemu-img is missing: apt-get install qemu-utils\n\
            no UEFI firmware for x86_64 was found: apt-get install ovmf\n\
            too little memory: 1024 MiB are free, 2240 MiB are needed\n\
            too little disk: 0 MiB are free, 512 MiB are needed";
        assert_eq!(text, expected);
    }
}
