// SPDX-License-Identifier: Apache-2.0
//! The two grounds that a lab can stand on, containers and virtual machines; what a node is on each is [`super::body`]'s.
//! Everything else of a lab is the same on both.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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
    /// What the image was like when the lab was made: their disks hold only what differs from it. Not named `image`: in
    /// the lab's record it stands beside that.
    pub likeness: Likeness,
}

/// What the system says about the content of a file: another file under its name differs in this, and so does the same one once
/// it is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Likeness {
    inode: u64,
    bytes: u64,
    written: (i64, i64),
}

impl Likeness {
    /// Returns that of a file.
    pub fn of(about: &impl MetadataExt) -> Self {
        let written = (about.mtime(), about.mtime_nsec());
        Self { inode: about.ino(), bytes: about.size(), written }
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
}
