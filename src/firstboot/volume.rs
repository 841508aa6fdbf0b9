// SPDX-License-Identifier: Apache-2.0
//! The data volume of a control plane: what outlives the machine, etcd's data and what the cluster was made with. Pure.
//!
//! It is an ext4 file system on a whole device, mounted where etcd's data lies, so that a machine that does not have it has
//! no data either. A blank device is formatted, one with kiln's label is mounted, any other is left alone. Before
//! formatting, a mark goes to the device's last MiB, which the file system never reaches, and comes off when it is whole:
//! a device with the mark was never mounted, and is formatted anew.
//!
//! Only what has to move is on it: `member` is etcd's, [`KEPT`] holds copies of the files that the cluster was made with
//! ([`super::control`] sees to these). Identity, certificates of the machine and claim stay on ROOT.

mod content;
mod trouble;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use content::{Content, MARK, recognise};
pub use trouble::Trouble;

use super::control::place::ETCD_MEMBER;

/// Where it is mounted: etcd's data folder.
pub const MOUNT: &str = "/var/lib/etcd";
/// Where the files are on it that the cluster was made with; etcd lets it be there.
pub const KEPT: &str = "/var/lib/etcd/kiln";
/// Where it is recorded on ROOT which volume this machine's cluster is on.
pub const NOTE: &str = "/var/lib/kiln/volume.json";
/// The file system's label.
pub const LABEL: &str = "kiln-data";

/// A file system with its journal and etcd's quota of 2 GiB want more; this is for what is certainly a mistake.
const LEN_MIN: u64 = 1 << 30;
/// How much at both ends of a device is read: signatures of file systems, partition tables and volume managers lie there.
pub const END_BYTES: u64 = 2 << 20;
/// How much at the end of a device is the mark's.
const MARK_BYTES: u64 = 1 << 20;
/// The file system's blocks; of what begins anywhere else a page would be torn.
pub const BLOCK_BYTES: u64 = 4096;

/// Returns the path of the device that settings name.
pub fn device(name: &str) -> String {
    match name.strip_prefix("vol-") {
        // systemd's 60-persistent-storage.rules: model and serial; EBS has the volume's id there, without the dash
        // ("Amazon EBS volumes and NVMe", EBS User Guide).
        Some(id) => format!("/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol{id}"),
        None => name.to_owned(),
    }
}

/// Returns where the mark lies on a device of this length, which is where the file system ends.
pub fn mark_at(len: u64) -> u64 {
    len.saturating_sub(MARK_BYTES) / BLOCK_BYTES * BLOCK_BYTES
}

/// What is recorded on ROOT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// The file system's UUID.
    pub uuid: String,
}

/// What a look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The device.
    pub device: Device,
    /// What is mounted at [`MOUNT`].
    pub mounted: Mounted,
    /// Whether ROOT's own [`ETCD_MEMBER`] is there; unknown, and no, where something is mounted.
    pub has_old_data: bool,
    /// What is recorded; an error says what is wrong with the record.
    pub note: Result<Option<Note>, String>,
    /// Whether this run has formatted the device.
    pub is_formatted: bool,
}

/// The device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// Not there.
    Absent,
    /// No block device.
    Other,
    /// Somebody else on this machine has it.
    Busy,
    /// It can be used.
    There {
        /// Its bytes.
        len: u64,
        /// What is on it.
        content: Content,
    },
}

/// What is mounted at [`MOUNT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mounted {
    /// Nothing.
    Nothing,
    /// The device.
    Volume,
    /// Something else.
    Other,
}

/// One effect.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// Mark the device as one that is being formatted.
    Mark,
    /// Make the file system.
    Format,
    /// Take the mark off.
    Unmark,
    /// Mount it.
    Mount,
    /// Record on ROOT which volume it is.
    Note(String),
}

impl Step {
    /// Returns its name in ledger and report.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Mark => "volume-mark",
            Self::Format => "volume-format",
            Self::Unmark => "volume-unmark",
            Self::Mount => "volume-mount",
            Self::Note(_) => "volume-record",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mark => f.write_str("mark the data volume, which is blank, as one that is being formatted"),
            Self::Format => f.write_str("make a file system on the data volume"),
            Self::Unmark => f.write_str("take the mark off the data volume"),
            Self::Mount => write!(f, "mount the data volume at {MOUNT}"),
            Self::Note(uuid) => write!(f, "record that this machine's cluster is on the file system {uuid}"),
        }
    }
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// This.
    Do(Step),
    /// It is mounted and recorded.
    Done,
    /// Wait a little, then look again.
    Wait(Trouble),
    /// Nothing more can be done.
    Stuck(Trouble),
}

/// Returns what comes next for the volume of this name.
pub fn next(name: &str, seen: &Seen) -> Next {
    let name = || name.to_owned();
    let note = match &seen.note {
        Ok(note) => note.as_ref(),
        Err(why) => return Next::Stuck(Trouble::Note(why.clone())),
    };
    let (len, content) = match &seen.device {
        Device::There { len, content } => (*len, content),
        Device::Absent => return Next::Wait(Trouble::Absent(name())),
        Device::Busy => return Next::Wait(Trouble::Busy(name())),
        Device::Other => return Next::Stuck(Trouble::NoDevice(name())),
    };
    let recorded = note.map(|note| note.uuid.as_str());
    match (content, recorded) {
        (Content::Ours { uuid }, Some(recorded)) if uuid == recorded => {}
        (content, Some(recorded)) => {
            let (recorded, found) = (recorded.to_owned(), content.to_string());
            return Next::Stuck(Trouble::Replaced { name: name(), recorded, found });
        }
        _ => {}
    }
    match (seen.mounted, content, recorded) {
        (Mounted::Other, ..) => Next::Stuck(Trouble::Elsewhere(name())),
        (Mounted::Volume, Content::Ours { .. }, Some(_)) => Next::Done,
        (Mounted::Volume, Content::Ours { uuid }, None) => Next::Do(Step::Note(uuid.clone())),
        (_, Content::Other(what), _) => Next::Stuck(Trouble::Foreign { name: name(), what: what.clone() }),
        (Mounted::Volume, ..) => Next::Stuck(Trouble::Elsewhere(name())),
        (Mounted::Nothing, ..) if seen.has_old_data => Next::Stuck(Trouble::OldData(name())),
        (Mounted::Nothing, Content::Blank, _) if len < LEN_MIN => {
            Next::Stuck(Trouble::Small { name: name(), len })
        }
        (Mounted::Nothing, Content::Blank, _) => Next::Do(Step::Mark),
        (Mounted::Nothing, Content::Marked, _) if seen.is_formatted => Next::Do(Step::Unmark),
        (Mounted::Nothing, Content::Marked, _) => Next::Do(Step::Format),
        (Mounted::Nothing, Content::Ours { .. }, _) => Next::Do(Step::Mount),
    }
}

/// Returns why etcd must not start, on a machine whose volume phase is over: without its volume it would begin a cluster
/// that nothing else knows.
pub fn missing(name: Option<&str>, is_mounted: bool, is_noted: bool) -> Option<Trouble> {
    match name {
        Some(name) if !(is_mounted && is_noted) => Some(Trouble::Unmounted(name.to_owned())),
        None if is_noted => Some(Trouble::Unnamed),
        _ => None,
    }
}

/// Returns where a file of the machine is kept on the volume.
pub fn kept(path: &str) -> String {
    format!("{KEPT}/{}", path.strip_prefix("/etc/kubernetes/").unwrap_or(path))
}

#[cfg(test)]
mod tests;
