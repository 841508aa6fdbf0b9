// SPDX-License-Identifier: Apache-2.0
//! Bake: the flow from a manifest to image files. Look (manifest, lock, stock, base), decide (plan), check, do (outputs).
//!
//! The only room beside [`crate::pin`] where decisions and the outside meet; what can be decided is decided in its pure
//! sub-modules.

pub mod carried;
pub mod check;
pub mod content;
mod decoding;
pub mod description;
mod desk;
mod early;
mod error;
mod facts;
mod ground;
mod images;
mod makers;
mod members;
mod nature;
pub mod origin;
pub mod plan;
pub mod provenance;
pub mod sbom;
pub mod settings;
mod stock;
pub mod sysext;
pub mod units;
pub mod verify;
mod wanted;
mod way;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::Base;
use crate::blocks::BlockList;
use crate::host::disk::Image;
use crate::lock::Lock;
use crate::manifest::Manifest;
use crate::pin::{self, Mode, Move, Newest};
use crate::problem::{Problem, Problems};
use crate::tree::Content;

use decoding::Ahead;
use early::{Done, Start};
use ground::Ground;

pub use desk::Desk;
pub use error::BakeError;
pub use plan::{Action, Plan};
pub use wanted::{Wanted, lock_path};
pub use write::{Baked, Output, State};

/// What to bake and where to.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The manifest's file.
    pub manifest: &'a Path,
    /// The folder for the image files.
    pub folder: &'a Path,
    /// Replace existing files.
    pub is_forced: bool,
    /// Also compute the whole files' sha256.
    pub with_sha256: bool,
}

/// A manifest with its lock, and everything it names in the cache.
#[derive(Debug, Clone)]
pub struct Stocked {
    /// What is wanted.
    pub wanted: Wanted,
    /// What is pinned.
    pub lock: Lock,
    /// How the lock differs from the one that was there.
    pub moves: Vec<Move>,
}

/// Everything decided, nothing written yet.
#[derive(Debug)]
pub struct Prepared {
    /// The decisions.
    pub plan: Plan,
    /// What is pinned.
    pub lock: Lock,
    /// How the lock differs from the one that was there.
    pub moves: Vec<Move>,
    /// What is odd but not wrong.
    pub warnings: Vec<Problem>,
    own: Vec<PathBuf>,
    done: Done,
    ground: Ground,
}

/// Reads manifest and lock, pins what is open, fills the cache, and writes the lock where it has changed.
///
/// # Errors
/// All problems of the manifest; a lock that does not do; inputs that can't be had.
pub fn stock(manifest: &Path, mode: &Mode, desk: &Desk<'_>) -> Result<Stocked, BakeError> {
    let wanted = wanted::read(manifest)?;
    let pin = |world: &pin::World<'_>| pin::pin(&wanted.manifest, wanted.lock.as_ref(), mode, world);
    let pinned = makers::with_world(desk, &wanted, mode, pin)?;
    if wanted.lock.as_ref() != Some(&pinned.lock) {
        wanted::write_lock(&wanted, &pinned.lock)?;
    }
    pin::keep_lock(desk.cache, &wanted.lock_path, &pinned.lock)?;
    Ok(Stocked { wanted, lock: pinned.lock, moves: pinned.moves })
}

/// Asks upstreams what is newer than what is locked.
///
/// # Errors
/// All problems of the manifest; upstreams that can't be asked.
pub fn outdated(manifest: &Path, desk: &Desk<'_>) -> Result<Vec<Newest>, BakeError> {
    let wanted = wanted::read(manifest)?;
    let newest = |world: &pin::World<'_>| pin::newest(&wanted.manifest, wanted.lock.as_ref(), world);
    Ok(makers::with_world(desk, &wanted, &Mode::Make, newest)?)
}

/// Opens the base that a lock pins, decoded, with the digests of its blocks.
///
/// # Errors
/// [`BakeError::Gone`], if the cache does not have it; if it can't be read.
pub fn pristine(lock: &Lock, desk: &Desk<'_>) -> Result<(Arc<dyn Image>, BlockList), BakeError> {
    let nothing = Ahead { twin: None, work: &|_| () };
    let (ground, _) = ground::open(lock, nothing, desk)?;
    ground.remember(desk)?;
    Ok((ground.image.clone(), ground.blocks.clone()))
}

/// Decides everything, up to the last extent, and checks it.
fn prepare(
    order: &Order<'_>,
    mode: &Mode,
    start: fn(&Order<'_>, &Manifest) -> Option<Start>,
    desk: &Desk<'_>,
) -> Result<Prepared, BakeError> {
    let Stocked { wanted, lock, moves } = stock(order.manifest, mode, desk)?;
    let local_files = stock::local_files(&wanted, desk)?;
    let start = start(order, &wanted.manifest);
    let decided = decide(&wanted, &lock, local_files, start, desk);
    let Decided { plan, done, ground } = decided.map_err(|error| placed(error, &wanted))?;
    let facts = facts::look(&plan.trees(), desk)?;
    let findings = plan.check(&wanted, &facts, &ground.nature, &|path| ground.has(path));
    ground.remember(desk)?;
    if !findings.errors.is_empty() {
        return Err(placed(Problems(findings.errors).into(), &wanted));
    }
    let own = wanted.own_files();
    let found = wanted.placed(findings.warnings);
    let warnings = [wanted.warnings, found].concat();
    Ok(Prepared { plan, lock, moves, warnings, own, done, ground })
}

/// What is wrong with the manifest is told with its place there, however late it is found.
fn placed(error: BakeError, wanted: &Wanted) -> BakeError {
    match error {
        BakeError::Problems(Problems(problems)) => Problems(wanted.placed(problems)).into(),
        error => error,
    }
}

/// A decided image, on its base.
struct Decided {
    plan: Plan,
    done: Done,
    ground: Ground,
}

/// Decides everything about an image from inputs that are all in the cache, and makes what `start` can take meanwhile.
fn decide(
    wanted: &Wanted,
    lock: &Lock,
    local_files: BTreeMap<PathBuf, Content>,
    start: Option<Start>,
    desk: &Desk<'_>,
) -> Result<Decided, BakeError> {
    let stock = stock::open(wanted, lock, local_files, desk)?;
    let draft = plan::draft(wanted, lock, &stock, desk.kiln)?;
    let packed = stock::pack(&draft, desk)?;
    let plan_on =
        |base: &Base| plan::plan(draft.clone(), packed.clone(), wanted, lock, &stock, base, desk.kiln);
    let work = |base: &Base| {
        let plan = plan_on(base)?;
        let hashed = start.as_ref().map(|start| early::begin(&plan, start, desk)).transpose()?;
        Ok::<_, BakeError>((plan, hashed.unwrap_or_default()))
    };
    let twin = start.as_ref().and_then(|start| start.0.as_ref());
    let (ground, begun) = ground::open(lock, Ahead { twin, work: &work }, desk)?;
    let (plan, done) = match begun.transpose()? {
        Some((plan, hashed)) => (plan, Done { raw: start.and_then(|start| start.0), hashed }),
        None => (plan_on(&ground.base)?, Done::default()),
    };
    Ok(Decided { plan, done, ground })
}

/// Decides everything and writes nothing: `kiln plan`.
///
/// # Errors
/// As [`stock`]; what can't be placed; what the checks refuse; a base that was decoded for it and can't be kept.
pub fn plan(order: &Order<'_>, mode: &Mode, desk: &Desk<'_>) -> Result<Prepared, BakeError> {
    prepare(order, mode, |_, _| None, desk)
}

/// Bakes: prepares and writes the image files.
///
/// # Errors
/// As [`plan`]; files that are in the way; a full disk. No file then has a final name that was not whole.
pub fn bake(order: &Order<'_>, mode: &Mode, desk: &Desk<'_>) -> Result<Baked, BakeError> {
    let prepared = prepare(order, mode, |order, manifest| Some(write::begin(order, manifest)), desk)?;
    write::write(prepared, order, desk)
}
