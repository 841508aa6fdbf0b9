// SPDX-License-Identifier: Apache-2.0
//! An input that is built here: its result is the pin.

use super::{InputError, Made, Mode, World, keep, moved};
use crate::lock::{Input, Locked, Trust};

/// Builds an input. What the lock pins is used without building where nothing may change or be fetched; elsewhere what
/// comes out is pinned, also if compiler, libc or Debian has moved since.
pub(super) fn pin(
    input: &Input<'_>,
    kept: Option<&Locked>,
    mode: &Mode,
    world: &World<'_>,
) -> Result<Locked, InputError> {
    let (is_locked, is_offline) = (matches!(mode, Mode::Locked | Mode::Replay), world.downloads.is_none());
    if let Some(kept) = kept.filter(|kept| (is_locked || is_offline) && keep::is_there(kept, world.cache)) {
        return Ok(kept.clone());
    }
    let Made { files, from } = world.makers.make(input, is_offline).map_err(InputError::Make)?;
    let trust = Trust::Built { from };
    let version = input.version.map(str::to_owned);
    let made = Locked { want: input.want(), version, url: None, files, trust };
    match kept {
        Some(kept) if is_locked && kept.files != made.files => {
            Err(InputError::BuiltDiffers { why: moved::difference(kept, &made) })
        }
        // The same bytes from other tools: nothing that a lock should change for.
        Some(kept) if (&kept.files, &kept.version) == (&made.files, &made.version) => Ok(kept.clone()),
        _ => Ok(made),
    }
}
