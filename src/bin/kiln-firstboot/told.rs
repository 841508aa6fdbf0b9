// SPDX-License-Identifier: Apache-2.0
//! What the node is told: settings from their layers, and the token from systemd's credential or a provisioner's file.

use std::path::Path;

use kiln::host::layers::{self, TokenError};
use kiln::settings::token::{Found, Token};
use kiln::settings::{Settings, merge};

use crate::{Failure, chain};

/// What the node is told.
pub struct Told {
    /// All layers, merged and found valid.
    pub settings: Settings,
    /// The bootstrap token; it never leaves the memory.
    pub token: Option<Token>,
    /// What works but should be otherwise.
    pub warnings: Vec<String>,
}

/// Reads all of it; what is wrong with it is a text, for that has an exit code of its own.
pub fn read(root: &Path, credentials: Option<&Path>) -> Result<Result<Told, String>, Failure> {
    let merged = match merge(&layers::read(root, credentials)?) {
        Ok(merged) => merged,
        Err(problems) => return Ok(Err(problems.to_string())),
    };
    let mut warnings: Vec<String> = merged.warnings.iter().map(ToString::to_string).collect();
    let found = match layers::token(root, credentials, &merged.settings) {
        Ok(found) => found,
        Err(error @ TokenError::Form { .. }) => return Ok(Err(chain(&error))),
        Err(error) => return Err(error.into()),
    };
    if let Some(Found { is_exposed: true, .. }) = &found {
        warnings.push("the token's file can be read by others than its owner; give it mode 0600".to_owned());
    }
    Ok(Ok(Told { settings: merged.settings, token: found.map(|found| found.token), warnings }))
}
