// SPDX-License-Identifier: Apache-2.0
//! Pin: from a manifest to its lock. Every input is fetched, built or hashed, judged, and pinned; a pin that holds
//! stays as it is, and its bytes are in the cache afterwards.
//!
//! This is a flow: it decides with [`crate::lock`] and acts through [`crate::host`]. It reads and writes no lock file.

mod attested;
mod build;
mod error;
mod fetch;
mod keep;
mod local;
mod moved;
mod newest;
mod require;
mod signed;
mod unused;
mod upstream;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

use crate::digest::Digest;
use crate::host::cache::Cache;
use crate::host::download::Downloader;
use crate::lock::{self, Input, Lock, Locked, LockedFile, Trust};
use crate::manifest::{Manifest, Source};
use crate::progress::Progress;

pub use error::{InputError, PinError};
pub use local::blob as local_blob;
pub use moved::{Move, moves};
pub use newest::{Newest, newest};
pub use unused::{Bounds, keep_lock, kept, unused};

/// What may happen to an old lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Make one where there is none; one that does not fit its manifest is an error (`kiln bake`).
    Make,
    /// Neither make nor change one (`--locked`).
    Locked,
    /// As `Locked`, and what is in the cache is enough, whatever has become of where it came from (`kiln verify`).
    Replay,
    /// Keep the pins that fit, make the others anew (`kiln lock`).
    Renew,
    /// As `Renew`, and make these anew as well; none named: all (`kiln lock --upgrade [NAME]...`).
    Upgrade(BTreeSet<String>),
}

/// What building an input has given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The files, by name; all are in the cache.
    pub files: BTreeMap<String, LockedFile>,
    /// What shaped them, for [`Trust::Built`].
    pub from: BTreeMap<String, String>,
}

/// An error of any maker.
pub type MakeError = Box<dyn std::error::Error + Send + Sync>;

/// Builds inputs here: Go programs, recipes, the running kiln's own parts. It returns quickly what it has built before
/// from the same things.
pub trait Makers: Sync {
    /// Builds `input`, whose source is `Go`, `Recipe` or `Itself`, into the cache. `is_offline`: without network.
    ///
    /// # Errors
    /// As the maker says; the text names the fix.
    fn make(&self, input: &Input<'_>, is_offline: bool) -> Result<Made, MakeError>;
}

/// What pinning works with.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// Where everything ends up.
    pub cache: &'a Cache,
    /// Fetches; none: `--offline`.
    pub downloads: Option<&'a Downloader>,
    /// Runs the fetching.
    pub runtime: &'a tokio::runtime::Handle,
    /// Build.
    pub makers: &'a dyn Makers,
    /// The manifest's folder, which its paths are relative to.
    pub folder: &'a Path,
    /// Hears how it goes.
    pub progress: &'a dyn Progress,
    /// Seconds since 1970.
    pub now_s: u64,
}

impl std::fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("cache", self.cache)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// A lock, and how it differs from the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// All inputs, all in the cache.
    pub lock: Lock,
    /// What has moved, sorted by name; empty: the old lock still holds.
    pub moves: Vec<Move>,
}

/// Pins every input of `manifest`, with all bytes in the cache afterwards. Inputs are fetched side by side, and built one
/// after the other meanwhile.
///
/// # Errors
/// If the old lock does not do for `mode`; or the problems of all inputs at once.
pub fn pin(
    manifest: &Manifest,
    old: Option<&Lock>,
    mode: &Mode,
    world: &World<'_>,
) -> Result<Pinned, PinError> {
    let inputs = lock::inputs(manifest);
    check_lock(&inputs, old, mode)?;
    let (built, fetched): (Vec<_>, Vec<_>) = inputs.iter().partition(|input| is_built(input.source));
    let results = Mutex::new(BTreeMap::new());
    let work = |input: &Input<'_>| {
        let old = old.and_then(|old| old.inputs.get(input.name)).filter(|old| old.want == input.want());
        let result = pin_one(input, old, mode, &manifest.keys, world);
        let result = result.and_then(|locked| require::check(input, locked));
        results.lock().expect("no other input panics").insert(input.name.to_owned(), result);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| built.into_iter().for_each(work));
        fetched.into_iter().for_each(|input| {
            scope.spawn(move || work(input));
        });
    });
    let results = results.into_inner().expect("no input panics");
    finish(results, old, mode)
}

fn finish(
    results: BTreeMap<String, Result<Locked, InputError>>,
    old: Option<&Lock>,
    mode: &Mode,
) -> Result<Pinned, PinError> {
    let (mut inputs, mut errors) = (BTreeMap::new(), Vec::new());
    for (name, result) in results {
        match result {
            Ok(locked) => drop(inputs.insert(name, locked)),
            Err(error) => errors.push((name, error)),
        }
    }
    if !errors.is_empty() {
        return Err(PinError::Inputs(errors));
    }
    let lock = Lock { version: lock::VERSION, inputs };
    let moves = moves(old, &lock);
    if matches!(mode, Mode::Locked | Mode::Replay) && !moves.is_empty() {
        return Err(PinError::Moves(moves));
    }
    Ok(Pinned { lock, moves })
}

/// Judges the lock as a whole, before anything is fetched.
fn check_lock(inputs: &[Input<'_>], old: Option<&Lock>, mode: &Mode) -> Result<(), PinError> {
    if let Mode::Upgrade(names) = mode {
        let unknown = names.iter().find(|name| !inputs.iter().any(|input| input.name == *name));
        if let Some(name) = unknown {
            let known = inputs.iter().map(|input| input.name).collect::<Vec<_>>().join(", ");
            return Err(PinError::NoInput { name: name.clone(), known });
        }
    }
    match (old, mode) {
        (None, Mode::Locked | Mode::Replay) => Err(PinError::NoLock),
        (Some(old), Mode::Make | Mode::Locked | Mode::Replay) => match lock::misfits(inputs, old) {
            misfits if misfits.is_empty() => Ok(()),
            misfits => Err(PinError::Misfits(misfits)),
        },
        _ => Ok(()),
    }
}

/// Pins one input; `old` is its pin if that still fits.
fn pin_one(
    input: &Input<'_>,
    old: Option<&Locked>,
    mode: &Mode,
    keys: &[String],
    world: &World<'_>,
) -> Result<Locked, InputError> {
    let is_upgrade = matches!(mode, Mode::Upgrade(names) if names.is_empty() || names.contains(input.name));
    let kept = old.filter(|_| !is_upgrade);
    kept.map_or(Ok(()), |kept| keep::check_sizes(input, kept, world.cache))?;
    if let Some(kept) = kept.filter(|kept| *mode == Mode::Replay && keep::is_there(kept, world.cache)) {
        return Ok(kept.clone());
    }
    match input.source {
        Source::Release(_) | Source::Url { .. } => match kept {
            Some(kept) => keep::fetched(input, kept, world),
            None => fetch::fresh(input, old, keys, world),
        },
        Source::File { path, sha256 } => local::pin(input, path, *sha256, kept, world),
        Source::Itself | Source::Recipe { .. } | Source::Go(_) => build::pin(input, kept, mode, world),
    }
}

fn is_built(source: &Source) -> bool {
    matches!(source, Source::Itself | Source::Recipe { .. } | Source::Go(_))
}

/// Returns the pin of one file that was fetched or hashed.
fn single(input: &Input<'_>, file: String, blob: &crate::host::cache::Blob, trust: Trust) -> Locked {
    let files = [(file, LockedFile { size: blob.size, sha256: blob.digest })].into();
    Locked { want: input.want(), version: None, url: None, files, trust }
}

/// All digests that a lock names.
fn digests(lock: &Lock) -> impl Iterator<Item = Digest> {
    lock.inputs.values().flat_map(|locked| locked.files.values().map(|file| file.sha256))
}
