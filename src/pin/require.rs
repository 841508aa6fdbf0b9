// SPDX-License-Identifier: Apache-2.0
//! Whether an input is trusted far enough for what its manifest requires.

use super::InputError;
use crate::lock::{Input, Locked, TrustLevel};
use crate::manifest::Source;

/// Returns the pin, if its trust will do.
pub(super) fn check(input: &Input<'_>, locked: Locked) -> Result<Locked, InputError> {
    let has = locked.trust.level();
    match input.require {
        Some(needs) if has < needs => {
            Err(InputError::TooWeak { has, needs, fix: fix(input.source, has, needs) })
        }
        _ => Ok(locked),
    }
}

fn fix(source: &Source, has: TrustLevel, needs: TrustLevel) -> String {
    match (source, needs) {
        (Source::Url { sha256: None, .. } | Source::File { sha256: None, .. }, TrustLevel::Given) => {
            "name its 'sha256' in the manifest".to_owned()
        }
        (Source::Url { signature: None, .. }, TrustLevel::Signed) => {
            "name its 'signature' in the manifest, and the key's fingerprint in 'keys'".to_owned()
        }
        _ => format!("this source offers no more: use another one, or 'require: {has}'"),
    }
}
