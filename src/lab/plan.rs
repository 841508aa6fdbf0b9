// SPDX-License-Identifier: Apache-2.0
//! What a lab and its nodes are called, where everything of them lies, and the records that say so. Names decide all:
//! whoever knows a lab's name can remove it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::layout::Spans;
use super::shape::Shape;
use super::workaround::Workaround;

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

    /// Returns the folder of disks and logs.
    pub fn disks(&self) -> PathBuf {
        self.places.disks.join(&self.name.0)
    }

    /// Returns the control group, below the root of each hierarchy.
    pub fn cgroup(&self) -> String {
        format!("kiln-lab-{}", self.name)
    }
}

/// What runs a lab's nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// Containers of systemd-nspawn(1).
    Nspawn,
}

/// What is known of a lab, as JSON in its tmpfs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What runs its nodes.
    pub backend: Backend,
    /// What its nodes have in common.
    pub shape: Shape,
    /// Where its nodes' links go.
    pub link: Link,
    /// The image that its nodes are booted from.
    pub image: PathBuf,
    /// Whether all that was asked for has been made: a lab without is a half-made one.
    pub is_whole: bool,
}

/// A bridge to hang nodes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The file of the network namespace that has it.
    pub namespace: PathBuf,
    /// Its name.
    pub bridge: String,
}

/// Where a node's link goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// The bridge.
    #[serde(flatten)]
    pub link: Link,
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
    /// The machine's name to systemd-nspawn.
    pub machine: String,
    /// The lab's record: no node runs without it.
    pub lab: PathBuf,
    /// The image that its disk is a copy of.
    pub image: PathBuf,
    /// Its own disk, made by the keeper where missing.
    pub disk: PathBuf,
    /// Size of the disk in bytes.
    pub disk_bytes: u64,
    /// Where on the disk its partitions are.
    pub spans: Spans,
    /// What the console says, in the order of its boots.
    pub console: PathBuf,
    /// Its control group, below the root of each hierarchy.
    pub cgroup: String,
    /// Its link.
    pub network: Network,
    /// Its system credentials: name and file.
    pub credentials: BTreeMap<String, PathBuf>,
    /// What is added because of this machine or because it is a container.
    pub workarounds: Vec<Workaround>,
}

impl NodeRecord {
    /// Returns the file of a record in a node's folder.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join("node.json")
    }

    /// Returns the file in a node's folder that is locked while its keeper lives.
    pub fn alive(folder: &Path) -> PathBuf {
        folder.join("alive")
    }

    /// Returns where the keeper's own words go.
    pub fn keeper_log(&self) -> PathBuf {
        self.disk.with_extension("keeper.log")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
