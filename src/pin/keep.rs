// SPDX-License-Identifier: Apache-2.0
//! A pin that stays: its bytes are brought into the cache, and must be the pinned ones.

use std::path::PathBuf;

use super::{InputError, World, fetch};
use crate::host::cache::{Cache, Found};
use crate::host::download::{DownloadErrorKind, Want};
use crate::lock::{Input, Locked};

/// Whether all files of a pin are in the cache.
pub(super) fn is_there(locked: &Locked, cache: &Cache) -> bool {
    locked.files.values().all(|file| cache.get(&file.sha256).is_some_and(|blob| blob.size == file.size))
}

/// Refuses a pin whose sizes are not those of what has its digests: nobody has written it so but by hand.
pub(super) fn check_sizes(input: &Input<'_>, locked: &Locked, cache: &Cache) -> Result<(), InputError> {
    for (file, pinned) in &locked.files {
        if let Some(blob) = cache.get(&pinned.sha256).filter(|blob| blob.size != pinned.size) {
            let what = format!("{file} has {} bytes, not {}", blob.size, pinned.size);
            return Err(InputError::Edited { name: input.name.to_owned(), what });
        }
    }
    Ok(())
}

/// Refuses a pin that calls its file otherwise than it is called.
pub(super) fn check_name(input: &Input<'_>, locked: &Locked, file: &str) -> Result<(), InputError> {
    if locked.files.keys().eq([file]) {
        return Ok(());
    }
    let names: Vec<&str> = locked.files.keys().map(String::as_str).collect();
    let what = format!("its file is {file}, not {}", names.join(", "));
    Err(InputError::Edited { name: input.name.to_owned(), what })
}

/// Brings a pin of something that is fetched into the cache.
pub(super) fn fetched(input: &Input<'_>, kept: &Locked, world: &World<'_>) -> Result<Locked, InputError> {
    let place = fetch::place(input, kept.version.as_deref())?;
    check_name(input, kept, &place.file)?;
    if is_there(kept, world.cache) {
        return Ok(kept.clone());
    }
    let damaged = damaged(kept, world.cache);
    let Some(downloads) = world.downloads else {
        return Err(damaged.map_or(InputError::Offline, |path| InputError::Damaged { path }));
    };
    if let Some(path) = damaged {
        let text = format!("{}: {} is damaged, fetching it again", input.name, path.display());
        world.progress.say(&text);
    }
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

/// Returns the first of a pin's files of which the cache has something else by now.
fn damaged(locked: &Locked, cache: &Cache) -> Option<PathBuf> {
    locked.files.values().find_map(|file| match cache.look(&file.sha256) {
        Found::Damaged(path) => Some(path),
        Found::Sound(_) | Found::Nothing => None,
    })
}
