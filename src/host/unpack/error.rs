// SPDX-License-Identifier: Apache-2.0
//! Why an archive was refused, in words.

use std::io;

use super::limited::Exceeded;
use crate::host::cache::CacheError;

/// Why an archive was refused.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// It can't be decompressed or parsed.
    #[error("{name} is no sound archive")]
    Malformed {
        /// The archive.
        name: String,
        /// What the parser says.
        #[source]
        source: io::Error,
    },
    /// A member's path leads outside.
    #[error("{name} is refused: its member '{member}' has a path that leads outside")]
    Outside {
        /// The archive.
        name: String,
        /// The path.
        member: String,
    },
    /// A member that is no file, folder or link.
    #[error("{name} is refused: its member '{member}' is no file, folder or link")]
    Special {
        /// The archive.
        name: String,
        /// The path.
        member: String,
    },
    /// The same path twice.
    #[error("{name} is refused: it has the member '{member}' twice")]
    Twice {
        /// The archive.
        name: String,
        /// The path.
        member: String,
    },
    /// More than makes sense.
    #[error("{name} is refused: it has more than {limit}")]
    TooMuch {
        /// The archive.
        name: String,
        /// Of what.
        limit: &'static str,
    },
    /// One file that is compressed.
    #[error(
        "{name} is one file compressed by {packed}, and no archive; kiln unpacks .tar, .tar.gz and .tar.zst: unpack it, and \
         name what comes out"
    )]
    OneFile {
        /// The file.
        name: String,
        /// By what.
        packed: &'static str,
    },
    /// An archive of another kind.
    #[error(
        "{name} is in {what} format, which kiln does not unpack; it unpacks .tar, .tar.gz and .tar.zst: pack it so, or \
         install '{name}' itself"
    )]
    Foreign {
        /// The archive.
        name: String,
        /// What it is.
        what: String,
    },
    /// Members that are wanted and give no file.
    #[error("{name} has members that give no file:\n{why}")]
    Unfit {
        /// The archive.
        name: String,
        /// One a line.
        why: String,
    },
    /// This machine's cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// Sorts what reading an archive gives.
pub(super) fn malformed(name: &str) -> impl Fn(io::Error) -> UnpackError {
    move |source| {
        if source.get_ref().is_some_and(|inner| inner.is::<Exceeded>()) {
            return UnpackError::TooMuch { name: name.to_owned(), limit: "8 GiB unpacked" };
        }
        UnpackError::Malformed { name: name.to_owned(), source }
    }
}
