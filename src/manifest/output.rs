// SPDX-License-Identifier: Apache-2.0
//! What `kiln bake` writes.

use serde::{Deserialize, Serialize};

/// What `kiln bake` writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outputs {
    /// Formats, without repetition.
    pub formats: Vec<Format>,
    /// Size of the disk in bytes; none: the base's.
    pub size: Option<u64>,
}

/// A format of disk image files.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The disk's bytes, with holes.
    Raw,
    /// QEMU's, version 3, with zstd clusters.
    Qcow2,
}

impl Format {
    /// Returns its name, which is also the suffix of its files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }
}
