// SPDX-License-Identifier: Apache-2.0
//! A file as a value: what the decisions render and `apply` writes.

/// A file that is to be as it stands here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Absolute, as the node sees it; everything hangs from a root folder when it is written.
    pub path: String,
    /// Permission bits; 0o600 where it holds a key, and then its text never goes into a log.
    pub mode: u32,
    /// All of it.
    pub text: String,
}

impl File {
    /// Returns a file that every program may read and only root may write.
    pub fn readable(path: &str, text: String) -> Self {
        Self { path: path.to_owned(), mode: 0o644, text }
    }
}
