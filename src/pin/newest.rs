// SPDX-License-Identifier: Apache-2.0
//! What could move: what upstreams call newest, beside what is locked (`kiln lock --outdated`).

use std::collections::BTreeMap;

use serde::Serialize;

use super::{InputError, World};
use crate::host::download::DownloadError;
use crate::lock::{Lock, inputs};
use crate::manifest::{Manifest, Source};
use crate::release;

/// Something newer than what is locked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Newest {
    /// The input.
    pub name: String,
    /// The version that is locked; none: it is not locked.
    pub locked: Option<String>,
    /// What upstream says it is the newest of: "stable-1.34", "stable current".
    pub of: String,
    /// The newest version.
    pub newest: String,
}

impl std::fmt::Display for Newest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let locked = self.locked.as_deref().unwrap_or("not locked");
        write!(f, "{}: {locked}, {} is {}", self.name, self.of, self.newest)
    }
}

/// Asks every upstream that says what is newest, and returns what differs from the lock, in the manifest's order.
///
/// # Errors
/// If an upstream can't be asked.
pub fn newest(
    manifest: &Manifest,
    lock: Option<&Lock>,
    world: &World<'_>,
) -> Result<Vec<Newest>, InputError> {
    let mut known = BTreeMap::new();
    let mut all = Vec::new();
    for input in inputs(manifest) {
        let Source::Release(release) = input.source else { continue };
        let locked = lock.and_then(|lock| lock.inputs.get(input.name)?.version.clone());
        for pointer in release::pointers(release, input.arch) {
            let newest = match known.get(&pointer.url) {
                Some(newest) => String::clone(newest),
                None => ask(&pointer.url, world)?,
            };
            known.insert(pointer.url, newest.clone());
            if locked.as_ref() != Some(&newest) {
                let (name, locked) = (input.name.to_owned(), locked.clone());
                all.push(Newest { name, locked, of: pointer.label, newest });
            }
        }
    }
    Ok(all)
}

fn ask(url: &str, world: &World<'_>) -> Result<String, InputError> {
    let Some(downloads) = world.downloads else { return Err(InputError::Offline) };
    // A version file has some 100 bytes.
    let asked: Result<_, DownloadError> =
        world.runtime.block_on(downloads.small(url, 64 << 10, world.progress));
    let text = asked?;
    let version = release::pointer_version(&String::from_utf8_lossy(&text));
    version.ok_or_else(|| InputError::Pointer { url: url.to_owned() })
}
