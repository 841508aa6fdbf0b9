// SPDX-License-Identifier: Apache-2.0
//! What a look at the machine found: the control plane's files as they are, nothing judged.

use std::collections::BTreeMap;
use std::fmt;

/// The control plane's files on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// By path as the node sees it; what is not there is not in it.
    pub files: BTreeMap<String, Found>,
    /// Whether etcd has made its data folder: then there is a cluster that these files are of.
    pub etcd_data: bool,
    /// Whether something is mounted where etcd's data lies.
    pub is_mounted: bool,
    /// Whether it is recorded that this machine's cluster is on a data volume.
    pub is_noted: bool,
}

/// What lies at a path.
#[derive(Clone, PartialEq, Eq)]
pub enum Found {
    /// A file.
    File {
        /// All of it.
        text: String,
        /// Permission bits.
        mode: u32,
    },
    /// A symbolic link.
    Link {
        /// What it says.
        target: String,
    },
    /// Something that can't be one of these files: "a folder", "a file of more than 1 MiB".
    Other(&'static str),
}

impl fmt::Debug for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Many hold keys.
            Self::File { text, mode } => write!(formatter, "File({} bytes, {mode:o})", text.len()),
            Self::Link { target } => write!(formatter, "Link({target})"),
            Self::Other(what) => write!(formatter, "Other({what})"),
        }
    }
}
