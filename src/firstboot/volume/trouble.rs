// SPDX-License-Identifier: Apache-2.0
//! What is wrong with a data volume, and what to do.

use super::{ETCD_MEMBER, LEN_MIN, MOUNT, NOTE};

/// What is wrong with a data volume.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Trouble {
    /// It is not there yet.
    #[error(
        "the data volume {0} (control_plane.data_volume) is not attached to this machine; attach it, after it was detached from a machine that had it"
    )]
    Absent(String),
    /// Something uses it.
    #[error(
        "the data volume {0} is in use by something else on this machine; unmount it, or end what has it"
    )]
    Busy(String),
    /// Something else lies at that path.
    #[error("{0} is no block device; correct control_plane.data_volume")]
    NoDevice(String),
    /// Nothing of a cluster would fit.
    #[error("the data volume {name} has {len} bytes; give it {LEN_MIN} at least")]
    Small {
        /// The volume.
        name: String,
        /// Its length in bytes.
        len: u64,
    },
    /// It is somebody else's.
    #[error(
        "the data volume {name} holds {what}, and only a blank one is formatted; correct control_plane.data_volume, or write zeros over its first and last 2 MiB if that is nobody's"
    )]
    Foreign {
        /// The volume.
        name: String,
        /// What was found.
        what: String,
    },
    /// The machine's cluster is elsewhere.
    #[error(
        "this machine's cluster is on the file system {recorded}, but the data volume {name} holds {found}; attach the volume that it is on"
    )]
    Replaced {
        /// The volume.
        name: String,
        /// The UUID in the record.
        recorded: String,
        /// What was found.
        found: String,
    },
    /// There would be two sets of data.
    #[error(
        "{ETCD_MEMBER} on this machine's own disk holds a cluster already, which the data volume {0} would hide; remove control_plane.data_volume, or move that folder to the volume (README, Data volume)"
    )]
    OldData(String),
    /// Something else is mounted there.
    #[error("something other than the data volume {0} is mounted at {MOUNT}; unmount it")]
    Elsewhere(String),
    /// The record is broken.
    #[error("{NOTE} is not what kiln writes: {0}; look at it, and remove it if it is nobody's")]
    Note(String),
    /// etcd would have no data.
    #[error(
        "the data volume {0} is not mounted at {MOUNT}; kiln-volume.service mounts it: see 'journalctl -u kiln-volume'"
    )]
    Unmounted(String),
    /// The settings have lost it.
    #[error(
        "this machine's cluster is on a data volume ({NOTE}), and the settings name none; give control_plane.data_volume again"
    )]
    Unnamed,
}

impl Trouble {
    /// Returns whether waiting can't help.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Absent(_) | Self::Busy(_))
    }
}
