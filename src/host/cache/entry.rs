// SPDX-License-Identifier: Apache-2.0
//! What lies in the cache, as values.

use std::path::PathBuf;

use serde::Serialize;

use crate::digest::Digest;

/// One file of the cache, or a folder that a program keeps there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Where it lies.
    pub path: PathBuf,
    /// Bytes that it takes on the disk, holes not counted.
    pub disk_bytes: u64,
    /// When it was last used, seconds since 1970.
    pub used_s: u64,
}

/// What a file of the cache is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// A whole file, by content.
    Blob {
        /// Its name.
        digest: Digest,
    },
    /// A file made from something.
    Derived {
        /// What sort of thing.
        kind: String,
        /// What it was made from.
        key: String,
    },
    /// A small JSON text.
    Record {
        /// What sort of thing.
        kind: String,
        /// Its name.
        key: String,
    },
    /// A folder that a program fills by itself, such as Go's modules.
    Folder {
        /// Its name below the cache's folder.
        name: String,
    },
    /// An unfinished download, or what a killed kiln left: nothing needs it.
    Leftover,
}
