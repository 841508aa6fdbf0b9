// SPDX-License-Identifier: Apache-2.0
//! A local file as an input: copied into the cache by content, so that what is baked can't change under the bake.
//!
//! A file that has not been touched since it was hashed last is not read again; its inode says so, as for git's index.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{InputError, World, keep, single};
use crate::digest::Digest;
use crate::host::cache::{Blob, Cache, CacheError};
use crate::host::files::Stamp;
use crate::lock::{Input, Locked, Trust};

/// The kind of the records that remember digests of local files.
const KIND: &str = "local";

pub(super) fn pin(
    input: &Input<'_>,
    path: &Path,
    sha256: Option<Digest>,
    kept: Option<&Locked>,
    world: &World<'_>,
) -> Result<Locked, InputError> {
    let whole = world.folder.join(path);
    let blob = blob(world.cache, &whole, world.now_s)?;
    let (shown, found) = (whole.display().to_string(), blob.digest);
    if let Some(expected) = sha256.filter(|expected| *expected != found) {
        return Err(InputError::NotAsGiven { path: shown, expected, found });
    }
    let pinned = kept.and_then(|kept| kept.files.values().next()).map(|file| file.sha256);
    if let Some(expected) = pinned.filter(|expected| *expected != found) {
        let name = input.name.to_owned();
        return Err(InputError::FileChanged { name, path: shown, expected, found });
    }
    let trust = if sha256.is_some() { Trust::Given } else { Trust::FirstUse };
    let name = path.file_name().map_or(input.name.into(), |name| name.to_string_lossy());
    kept.map_or(Ok(()), |kept| keep::check_name(input, kept, &name))?;
    Ok(single(input, name.into_owned(), &blob, trust))
}

/// What is remembered of a file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    #[serde(flatten)]
    stamp: Stamp,
    sha256: Digest,
}

/// Returns the blob of a local file; the file is read only if it has been touched since it was put into the cache.
///
/// # Errors
/// As the system says.
pub fn blob(cache: &Cache, path: &Path, now_s: u64) -> Result<Blob, CacheError> {
    let key = Digest::of(path.as_os_str().as_encoded_bytes()).to_string();
    let before = cache.record_get(KIND, &key)?.and_then(|json| serde_json::from_slice::<Seen>(&json).ok());
    let start = Stamp::of(path)?;
    if let Some(before) = before.filter(|before| before.stamp == start)
        && let Some(blob) = cache.get(&before.sha256)
    {
        return Ok(blob);
    }
    let blob = cache.put_file(path)?;
    let stamp = Stamp::of(path)?;
    if stamp.is_settled(now_s) && start == stamp {
        let json = serde_json::to_vec(&Seen { stamp, sha256: blob.digest });
        cache.record_put(KIND, &key, &json.expect("numbers and strings are always JSON"))?;
    }
    Ok(blob)
}
