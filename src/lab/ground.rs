// SPDX-License-Identifier: Apache-2.0
//! The two grounds that a lab can stand on, containers and virtual machines, and what a node is on each. Everything else
//! of a lab is the same on both.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::layout::Spans;
use super::workaround::Workaround;
use crate::vm::{Accelerator, Firmware};

/// What runs a lab's nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// Containers of systemd-nspawn(1).
    Nspawn,
    /// Virtual machines of QEMU.
    Qemu,
}

/// What runs a lab's nodes, and what they hang on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "backend", rename_all = "kebab-case")]
pub enum Ground {
    /// Containers of systemd-nspawn(1).
    Nspawn {
        /// Where their links go.
        link: Link,
    },
    /// Virtual machines of QEMU.
    Qemu(Machines),
}

/// A bridge to hang nodes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The file of the network namespace that has it.
    pub namespace: PathBuf,
    /// Its name.
    pub bridge: String,
}

/// What all virtual machines of a lab have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machines {
    /// QEMU.
    pub qemu: PathBuf,
    /// Their firmware.
    pub firmware: Firmware,
    /// What runs their processors.
    pub accelerator: Accelerator,
    /// The socket of their switch.
    pub switch: PathBuf,
    /// The `kiln` program, which hands them orders.
    pub kiln: PathBuf,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Body {
    /// A container of systemd-nspawn(1).
    Container(Container),
    /// A virtual machine of QEMU.
    Virtual(Virtual),
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its name to systemd-nspawn.
    pub machine: String,
    /// Where on the disk its partitions are.
    pub spans: Spans,
    /// Its control group, below the root of each hierarchy.
    pub cgroup: String,
    /// Where its link goes.
    pub link: Link,
    /// What is added because of this machine or because it is a container.
    pub workarounds: Vec<Workaround>,
}

/// A virtual machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Virtual {
    /// What it has in common with the others.
    #[serde(flatten)]
    pub common: Machines,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// The address of its network card.
    pub mac: [u8; 6],
}

/// Memory of a virtual machine: thin, it takes what is used. A control plane has etcd and the API server besides.
pub const WORKER_MEMORY: u64 = 1536 << 20;
/// The same of a control plane.
pub const CONTROL_MEMORY: u64 = 2560 << 20;

/// Returns the address of a network card on the segment: one of QEMU's own range, told by the node's address.
pub fn mac(address: IpAddr) -> [u8; 6] {
    match address {
        IpAddr::V4(address) => {
            let [_, b, c, d] = address.octets();
            [0x52, 0x54, 0x00, b, c, d]
        }
        IpAddr::V6(address) => {
            let octets = address.octets();
            [0x52, 0x54, 0x00, octets[13], octets[14], octets[15]]
        }
    }
}

impl Ground {
    /// Returns what runs the nodes.
    pub fn backend(&self) -> Backend {
        match self {
            Self::Nspawn { .. } => Backend::Nspawn,
            Self::Qemu(_) => Backend::Qemu,
        }
    }

    /// Returns how patient one has to be with the nodes.
    pub fn pace(&self) -> Pace {
        match self {
            Self::Nspawn { .. } => Pace::NATIVE,
            Self::Qemu(machines) => machines.pace(),
        }
    }
}

impl Machines {
    /// Returns how patient one has to be with them.
    pub fn pace(&self) -> Pace {
        match self.accelerator {
            Accelerator::Kvm => Pace::NATIVE,
            Accelerator::Tcg => Pace::EMULATED,
        }
    }
}

impl Body {
    /// Returns how patient one has to be with the node.
    pub fn pace(&self) -> Pace {
        match self {
            Self::Container(_) => Pace::NATIVE,
            Self::Virtual(body) => body.common.pace(),
        }
    }
}

/// How patient one has to be with nodes: an emulated processor takes twenty times as long, and a question that is asked
/// too often is all that it works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    limit: u32,
    pause: u32,
}

impl Pace {
    /// Of this machine's own processors.
    pub const NATIVE: Self = Self { limit: 1, pause: 1 };
    /// Of those that QEMU emulates.
    pub const EMULATED: Self = Self { limit: 6, pause: 20 };

    /// Returns a limit that fits, of one that does natively.
    pub fn limit(self, native: Duration) -> Duration {
        native.checked_mul(self.limit).unwrap_or(Duration::MAX)
    }

    /// Returns a pause that fits, of one that does natively.
    pub fn pause(self, native: Duration) -> Duration {
        native * self.pause
    }
}

/// Terminals of a machine by which it takes orders: one for kiln's own questions, the others for people, each of whom has
/// one as long as their program runs.
pub const TERMINALS: usize = 4;

/// Returns the socket of a terminal in a node's folder.
pub fn terminal(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("hvc{number}"))
}

/// Returns the file in a node's folder that whoever uses a terminal locks.
pub fn terminal_lock(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("hvc{number}.lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_have_different_addresses_in_qemus_range() {
        assert_eq!(mac([10, 0, 2, 11].into()), [0x52, 0x54, 0, 0, 2, 11]);
        assert_ne!(mac([10, 0, 2, 11].into()), mac([10, 0, 2, 12].into()));
    }

    #[test]
    fn an_emulated_machine_is_asked_seldom_and_waited_for_long() {
        let second = Duration::from_secs(1);
        assert_eq!(Pace::NATIVE.limit(second), second);
        assert!(Pace::EMULATED.limit(second) > second && Pace::EMULATED.pause(second) > second);
        assert_eq!(Pace::EMULATED.limit(Duration::MAX), Duration::MAX);
    }
}
