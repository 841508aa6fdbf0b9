// SPDX-License-Identifier: Apache-2.0
//! A pin that stays: its bytes are brought into the cache, and must be the pinned ones.

use super::{InputError, World, fetch};
use crate::host::cache::Cache;
use crate::host::download::{DownloadErrorKind, Want};
use crate::lock::{Input, Locked};

/// Whether all files of a pin are in the cache.
pub(super) fn is_there(locked: &Locked, cache: &Cache) -> bool {
    locked.files.values().all(|file| cache.get(&file.sha256).is_some_and(|blob| blob.size == file.size))
}

/// Brings a pin of something that is fetched into the cache.
pub(super) fn fetched(input: &Input<'_>, kept: &Locked, world: &World<'_>) -> Result<Locked, InputError> {
    if is_there(kept, world.cache) {
        return Ok(kept.clone());
    }
    let Some(downloads) = world.downloads else { return Err(InputError::Offline) };
    let place = fetch::place(input, kept.version.as_deref())?;
    for file in kept.files.values() {
        let url = place.url.clone();
        let (sha256, size, size_max) = (Some(file.sha256), Some(file.size), file.size);
        let want = Want { url, sha256, sha512: None, size, size_max };
        let fetching = downloads.file(&want, world.progress);
        world.runtime.block_on(fetching).map_err(|error| match *error.kind {
            DownloadErrorKind::Sha256 { .. }
            | DownloadErrorKind::Size { .. }
            | DownloadErrorKind::TooLong { .. } => InputError::Changed { name: input.name.to_owned(), error },
            _ => error.into(),
        })?;
    }
    Ok(kept.clone())
}
