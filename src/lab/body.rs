// SPDX-License-Identifier: Apache-2.0
//! What a node is on each ground: a container, or a virtual machine.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ground::{Link, Machines};
use super::layout::Spans;
use super::workaround::Workaround;

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
}
