// SPDX-License-Identifier: Apache-2.0
//! A file of this machine that is not what was baked, as a value.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::digest::Digest;

/// A file that is not what was baked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Where it should be.
    pub path: PathBuf,
    /// What was baked.
    pub baked: Digest,
    /// What is there; none: nothing.
    pub found: Option<Digest>,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, baked, found } = self;
        match found {
            Some(found) => {
                write!(f, "{} has changed: its sha256 is {found} instead of {baked}", path.display())
            }
            None => write!(f, "{} is missing; its sha256 was {baked}", path.display()),
        }
    }
}
