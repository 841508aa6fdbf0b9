// SPDX-License-Identifier: Apache-2.0
//! What a comparison has found, as values and for programs; [`super::text`] says it to people.

use serde::Serialize;

use super::account::Carried;
use super::files::Files;
use super::transfer::Transfer;
use super::values::{Change, changes};

/// How two images differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diff {
    /// What was pinned.
    pub lock: Level,
    /// What was wanted.
    pub manifest: Level,
    /// The files, by partition.
    pub files: Vec<PartitionDiff>,
    /// The disk.
    pub blocks: Transfer,
}

/// A level that an image may not carry.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Both carry it.
    Changes(Vec<Change>),
    /// One of them does not, for these reasons.
    Missing {
        /// Why the first does not.
        first: Option<String>,
        /// Why the second does not.
        second: Option<String>,
    },
}

/// The partitions of one label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartitionDiff {
    /// The label.
    pub label: String,
    /// What is in them.
    pub contents: Contents,
}

/// What two partitions hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contents {
    /// The same bytes at the same place.
    Same,
    /// Filesystems.
    Files(Files),
    /// Bytes that differ, but no filesystem that kiln knows.
    NoFilesystem,
    /// A filesystem that the second does not have.
    FilesystemOnlyInFirst,
    /// A filesystem that the first does not have.
    FilesystemOnlyInSecond,
    /// The second has no such partition.
    OnlyInFirst,
    /// The first has no such partition.
    OnlyInSecond,
}

impl Level {
    /// Compares what two images carry.
    pub(super) fn of(first: &Carried, second: &Carried) -> Self {
        match (first, second) {
            (Ok(first), Ok(second)) => Self::Changes(changes(first, second)),
            (first, second) => Self::Missing { first: first.clone().err(), second: second.clone().err() },
        }
    }
}

impl Diff {
    /// Tells whether both are the same disk, byte for byte.
    pub fn is_same(&self) -> bool {
        self.blocks.blocks == 0 && self.blocks.sizes[0] == self.blocks.sizes[1]
    }
}
