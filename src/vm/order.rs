// SPDX-License-Identifier: Apache-2.0
//! What a person orders of a machine.

use std::path::PathBuf;
use std::time::Duration;

use super::call::{Accelerator, Link};
use super::credential::Credential;

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
