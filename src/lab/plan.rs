// SPDX-License-Identifier: Apache-2.0
//! What a lab and its nodes are called, where everything of them lies, and the records that say so. Names decide all:
//! whoever knows a lab's name can remove it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::body::Body;
use super::ground::Ground;
use super::shape::Shape;

/// The name of a lab or of one of its nodes: a host name's letters, short enough for both in one machine name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// A name that can't be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no name: up to {NAME_MAX} of a-z, 0-9 and -, a letter first, no - last")]
pub struct NameError(String);

/// A machine's name has at most 64 characters, and is made of two of these and a hyphen.
const NAME_MAX: usize = 24;

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        let is_fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let starts = text.starts_with(|c: char| c.is_ascii_lowercase());
        match starts && !text.ends_with('-') && text.len() <= NAME_MAX && text.chars().all(is_fine) {
            true => Ok(Self(text)),
            false => Err(NameError(text)),
        }
    }
}

impl std::str::FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        text.to_owned().try_into()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The two folders of the machine below which labs lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Locks, records, secrets: `/run/kiln-lab`.
    pub run: PathBuf,
    /// Disks and logs: `/var/lib/kiln-lab`.
    pub disks: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self { run: "/run/kiln-lab".into(), disks: "/var/lib/kiln-lab".into() }
    }
}

/// The file that every process of a lab is handed, each in its folder.
const ALIVE: &str = "alive";

/// One lab: a name and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lab {
    /// Its name.
    pub name: Name,
    /// Where labs lie on this machine.
    pub places: Places,
}

impl Lab {
    /// Returns the file that is made before all else and locked by whoever changes the lab.
    pub fn lock(&self) -> PathBuf {
        self.places.run.join(format!("{}.lock", self.name))
    }

    /// Returns the folder that a tmpfs is mounted on: records, settings, tokens.
    pub fn state(&self) -> PathBuf {
        self.places.run.join(&self.name.0)
    }

    /// Returns the record. While it is there nodes may start; its removal is the beginning of the end.
    pub fn record(&self) -> PathBuf {
        self.state().join("lab.json")
    }

    /// Returns the file that holds the network namespace.
    pub fn network(&self) -> PathBuf {
        self.state().join("network")
    }

    /// Returns the folder of a node's record and secrets.
    pub fn node(&self, node: &Name) -> PathBuf {
        self.state().join("nodes").join(&node.0)
    }

    /// Returns the kubeconfig of the lab's administrator; whoever can read it rules the cluster.
    pub fn kubeconfig(&self) -> PathBuf {
        self.state().join("kubeconfig")
    }

    /// Returns the folder of the forwarder's record.
    pub fn forwarder(&self) -> PathBuf {
        self.state().join("forwarder")
    }

    /// Returns the socket of the switch that virtual machines are linked by.
    pub fn switch(&self) -> PathBuf {
        self.state().join("switch")
    }

    /// Returns the folder of a process of the lab that is no node: `switch`, or a gateway.
    pub fn helper(&self, name: &str) -> PathBuf {
        self.state().join("helpers").join(name)
    }

    /// Returns whether whoever holds this file open is a process of the lab: keepers, machines, forwarders are handed a
    /// file of this name.
    pub fn is_hold(&self, path: &Path) -> bool {
        path.file_name().is_some_and(|name| name == ALIVE) && path.starts_with(self.state())
    }

    /// Returns the folder of disks and logs.
    pub fn disks(&self) -> PathBuf {
        self.places.disks.join(&self.name.0)
    }

    /// Returns the name by which virtual machines find the image, also when the next bake has taken its own.
    pub fn image(&self) -> PathBuf {
        self.disks().join("image")
    }

    /// Returns the control group, below the root of each hierarchy.
    pub fn cgroup(&self) -> String {
        format!("kiln-lab-{}", self.name)
    }
}

/// What is known of a lab, as JSON in its tmpfs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What runs its nodes, and what they hang on.
    #[serde(flatten)]
    pub ground: Ground,
    /// What its nodes have in common.
    pub shape: Shape,
    /// The image that its nodes are booted from.
    pub image: PathBuf,
    /// Whether all that was asked for has been made: a lab without is a half-made one.
    pub is_whole: bool,
}

/// Where a node is on its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// The node's address with the prefix of its segment.
    pub address: IpNet,
    /// Its way out of the segment, if there is one.
    pub gateway: Option<IpAddr>,
}

/// Everything that the keeper of a node needs to know, as JSON in the lab's tmpfs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// The node, which is its host name too.
    pub name: Name,
    /// The lab's record: no node runs without it.
    pub lab: PathBuf,
    /// The image that its disk is made from.
    pub image: PathBuf,
    /// Its own disk, made by the keeper where missing.
    pub disk: PathBuf,
    /// Size of the disk in bytes.
    pub disk_bytes: u64,
    /// What the console says, in the order of its boots.
    pub console: PathBuf,
    /// Its place in the network.
    pub network: Network,
    /// Its system credentials: name and file.
    pub credentials: BTreeMap<String, PathBuf>,
    /// What it is.
    pub body: Body,
}

impl NodeRecord {
    /// Returns the file of a record in a node's folder.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join("node.json")
    }

    /// Returns the file in a node's folder that is locked while its keeper lives.
    pub fn alive(folder: &Path) -> PathBuf {
        folder.join(ALIVE)
    }

    /// Returns where the keeper's own words go.
    pub fn keeper_log(&self) -> PathBuf {
        self.disk.with_extension("keeper.log")
    }
}

#[cfg(test)]
mod tests {
    use super::super::ground::{Likeness, Link, Machines};
    use super::*;
    use crate::settings::{Fabric, Runtime};
    use crate::vm::{Accelerator, Firmware, Flash};

    /// On both grounds: what is recorded can be read again.
    #[test]
    fn a_record_is_read_as_it_was_written() {
        let flash = |name: &str| Flash { file: name.into(), format: "raw".into() };
        let image = std::fs::metadata("/").unwrap();
        let machines = Machines {
            qemu: "/usr/bin/qemu-system-x86_64".into(),
            firmware: Firmware { code: flash("code"), variables: flash("variables") },
            accelerator: Accelerator::Tcg,
            switch: "/run/switch".into(),
            kiln: "/opt/bin/kiln".into(),
            likeness: Likeness::of(&image),
        };
        let link = Link { namespace: "/run/netns/lab".into(), bridge: "kiln0".into() };
        for ground in [Ground::Nspawn { link }, Ground::Qemu(machines)] {
            let shape = Shape { fabric: Fabric::Vxlan, runtime: Runtime::Containerd };
            let record = Record { ground, shape, image: "/lab.raw".into(), is_whole: false };
            let text = serde_json::to_string_pretty(&record).unwrap();
            assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record, "{text}");
        }
    }

    #[test]
    fn names_are_host_names_and_short() {
        for good in ["lab", "a", "node-1", "x234567890123456789-1234"] {
            assert_eq!(good.parse::<Name>().unwrap().to_string(), good);
        }
        for bad in ["", "1a", "-a", "a-", "A", "a/b", "..", "a.b", "x2345678901234567890-1234"] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
