// SPDX-License-Identifier: Apache-2.0
//! Ways in which files of two filesystems differ, as values.

use serde::Serialize;

use crate::read::{FileKind, Stat};

/// How two filesystems differ.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Files {
    /// What differs, by path.
    pub changes: Vec<FileChange>,
    /// Whether extended attributes were compared: those of squashfs can't be read.
    pub with_xattrs: bool,
}

/// A path with a difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// The path in its partition.
    pub path: String,
    /// How.
    #[serde(flatten)]
    pub what: What,
}

/// How a path differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum What {
    /// Only the second has it.
    Added {
        /// What it is.
        kind: FileKind,
    },
    /// Only the first has it.
    Removed {
        /// What it was.
        kind: FileKind,
    },
    /// Both have it.
    Changed {
        /// In which ways it differs.
        aspects: Vec<Aspect>,
    },
}

/// One way in which something differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "aspect", rename_all = "kebab-case")]
pub enum Aspect {
    /// What it is.
    Kind {
        /// In the first.
        first: FileKind,
        /// In the second.
        second: FileKind,
    },
    /// Permission bits, in octal.
    Mode {
        /// In the first.
        first: String,
        /// In the second.
        second: String,
    },
    /// Owner and group, `0:0`.
    Owner {
        /// In the first.
        first: String,
        /// In the second.
        second: String,
    },
    /// A symbolic link's target.
    Link {
        /// In the first.
        first: String,
        /// In the second.
        second: String,
    },
    /// An extended attribute, its value in hex digits.
    Xattr {
        /// Its name.
        name: String,
        /// In the first; none: it is not there.
        first: Option<String>,
        /// In the second; none: it is not there.
        second: Option<String>,
    },
    /// A file's bytes.
    Content {
        /// Size in the first, in bytes.
        first: u64,
        /// Size in the second, in bytes.
        second: u64,
        /// Offset of the first byte that differs; where one ends before, its size.
        offset: u64,
    },
}

/// Compares what a listing shows.
pub(super) fn attributes(one: &Stat, other: &Stat) -> Vec<Aspect> {
    let mut aspects = Vec::new();
    if one.kind != other.kind {
        aspects.push(Aspect::Kind { first: one.kind, second: other.kind });
    }
    if one.mode != other.mode {
        let [first, second] = [one, other].map(|stat| format!("{:04o}", stat.mode));
        aspects.push(Aspect::Mode { first, second });
    }
    if (one.uid, one.gid) != (other.uid, other.gid) {
        let [first, second] = [one, other].map(|stat| format!("{}:{}", stat.uid, stat.gid));
        aspects.push(Aspect::Owner { first, second });
    }
    aspects
}
