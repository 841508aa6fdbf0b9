// SPDX-License-Identifier: Apache-2.0
//! The lines of a journal: one durable fact each.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Record {
    /// The first line.
    Begin {
        /// Version of this format: 1.
        version: u32,
        /// The digest of the image.
        image: Digest,
        /// Chance, so that nobody else's tokens are the same.
        nonce: String,
    },
    /// A snapshot is about to be started.
    Start {
        /// Of what and where.
        upload: Upload,
        /// How many were started before it.
        attempt: u32,
        /// The snapshot that it differs from.
        parent: Option<String>,
        /// Whether it is encrypted.
        is_encrypted: bool,
    },
    /// It has an id.
    Started {
        /// Of what and where.
        upload: Upload,
        /// `snap-...`
        snapshot: String,
    },
    /// It has these blocks: first and last index.
    Sent {
        /// Of what and where.
        upload: Upload,
        /// Ranges of indexes, both ends among them.
        blocks: Vec<(u64, u64)>,
    },
    /// It is whole.
    Completed {
        /// Of what and where.
        upload: Upload,
    },
    /// It has gone: it expired, failed or was deleted.
    Lost {
        /// Of what and where.
        upload: Upload,
    },
    /// An image was registered.
    Registered {
        /// Where.
        region: String,
        /// Its name.
        name: String,
        /// `ami-...`
        image: String,
    },
    /// An image was deregistered.
    Deregistered {
        /// Where.
        region: String,
        /// `ami-...`
        image: String,
    },
}

/// What is uploaded, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Upload {
    /// The region.
    pub region: String,
    /// What.
    pub piece: Piece,
}

/// What is uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Piece {
    /// The pristine base, for later images to build upon.
    Base,
    /// The image.
    Image,
}

impl fmt::Display for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.piece {
            Piece::Base => "the base",
            Piece::Image => "the image",
        };
        write!(f, "{what} to {}", self.region)
    }
}
