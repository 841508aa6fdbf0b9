// SPDX-License-Identifier: Apache-2.0
//! Does what the plan says: writes the image files and what lies beside them. Chooses nothing.
//!
//! A file that holds the same plan's image already, block by block, is left alone; any other file is never written over
//! without being told to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::description::{self, Description};
use super::desk::Desk;
use super::early::{Done, Start};
use super::error::BakeError;
use super::way::{self, Way};
use super::{Order, Plan, Prepared, plan};
use crate::blocks::BlockList;
use crate::digest::{Digest, Hasher};
use crate::host::disk::{DiskReader, Sources, digests, write_qcow2, write_raw, write_raw_rest};
use crate::host::files::{self, Existing, FileError, Pending};
use crate::lock::Lock;
use crate::manifest::{Format, Manifest};
use crate::pin::Move;
use crate::problem::Problem;

/// What a bake has made.
#[derive(Debug, Clone, Serialize)]
pub struct Baked {
    /// The image files.
    pub outputs: Vec<Output>,
    /// What lies beside them.
    pub description: Description,
    /// Where.
    pub description_path: PathBuf,
    /// How the lock has changed.
    pub moves: Vec<Move>,
    /// What is odd but not wrong.
    pub warnings: Vec<Problem>,
}

/// One image file.
#[derive(Debug, Clone, Serialize)]
pub struct Output {
    /// Where it lies.
    pub path: PathBuf,
    /// Its format.
    pub format: Format,
    /// What was done.
    pub state: State,
    /// Its size in bytes as a reader sees it.
    pub size: u64,
    /// The bytes that it takes on the disk, holes not counted.
    pub disk_bytes: u64,
    /// SHA-256 of the whole file, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
}

/// What was done about an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It was written.
    Written,
    /// It was there, and every block of it was as it should be.
    UpToDate,
}

/// Begins the raw output while nothing of it is known but that it will hold most of the base, which is being decoded.
/// Nothing where no raw output will be written.
pub(super) fn begin(order: &Order<'_>, manifest: &Manifest) -> Start {
    let path = order.folder.join(plan::file_name(&manifest.name, Format::Raw));
    let is_open = order.is_forced || path.symlink_metadata().is_err();
    let is_wanted = is_open && manifest.outputs.formats.contains(&Format::Raw);
    Start(is_wanted.then(|| Pending::nameless(&path, IMAGE_MODE)).flatten())
}

pub(super) fn write(prepared: Prepared, order: &Order<'_>, desk: &Desk<'_>) -> Result<Baked, BakeError> {
    let Prepared { plan, lock, moves, warnings, own, done, ground } = prepared;
    files::make_folder(order.folder)?;
    let Way { states, before, description: description_path } = way::look(&plan, order, &own, desk)?;
    let disk = DiskReader::new(
        plan.disk.clone(),
        Arc::new(Sources::new(Some(ground.image.clone()), Box::new(desk.cache.clone()))),
    );
    let (blocks, written) = match before {
        Some(before) if states.iter().all(|state| *state == State::UpToDate) => (before.blocks, Vec::new()),
        _ => write_open(&plan, &states, &disk, done, &ground.blocks, order, desk)?,
    };
    let description = describe(&plan, &lock, blocks, desk.kiln);
    // Before the images have names: a bake that ends between two of them is then known again by the next.
    write_description(&description_path, &description)?;
    let existing = if order.is_forced { Existing::Replace } else { Existing::Keep };
    written.into_iter().try_for_each(|pending| pending.commit(existing))?;
    let outputs =
        plan.formats.iter().zip(states).map(|(format, state)| output(&plan, *format, state, order, desk));
    let outputs = outputs.collect::<Result<_, _>>()?;
    Ok(Baked { outputs, description, description_path, moves, warnings })
}

/// Writes the outputs that are open, which get no names yet, and hashes the disk's blocks meanwhile.
fn write_open(
    plan: &Plan,
    states: &[State],
    disk: &DiskReader,
    Done { raw, hashed }: Done,
    base: &BlockList,
    order: &Order<'_>,
    desk: &Desk<'_>,
) -> Result<(BlockList, Vec<Pending>), BakeError> {
    let (blocks, written) = std::thread::scope(|scope| {
        let blocks = scope.spawn(|| digests(disk, base, hashed, desk.jobs, desk.progress));
        let written = write_formats(plan, states, disk, raw, order, desk);
        (blocks.join().expect("hashing does not panic"), written)
    });
    Ok((blocks.map_err(BakeError::Read)?, written?))
}

fn write_formats(
    plan: &Plan,
    states: &[State],
    disk: &DiskReader,
    mut begun: Option<Pending>,
    order: &Order<'_>,
    desk: &Desk<'_>,
) -> Result<Vec<Pending>, BakeError> {
    let open = plan.formats.iter().zip(states).filter(|(_, state)| **state == State::Written);
    let write = |(format, _): (&Format, &State)| {
        if let Some(begun) = begun.take_if(|_| *format == Format::Raw) {
            write_raw_rest(disk, &begun, &plan.root, desk.progress)?;
            return Ok(begun);
        }
        let pending = Pending::new(&order.folder.join(plan.file_name(*format)), IMAGE_MODE)?;
        match format {
            Format::Raw => write_raw(disk, &pending, desk.progress)?,
            Format::Qcow2 => write_qcow2(disk, &pending, desk.jobs, desk.progress)?,
        }
        Ok(pending)
    };
    open.map(write).collect()
}

/// An image holds no secret, but nobody but its owner has to write it.
const IMAGE_MODE: u32 = 0o644;

fn describe(plan: &Plan, lock: &Lock, blocks: BlockList, kiln: &str) -> Description {
    Description {
        version: 1,
        kiln: kiln.to_owned(),
        plan: plan.digest,
        image: blocks.digest(),
        size: plan.disk.size,
        inputs: description::inputs(lock),
        blocks,
    }
}

fn write_description(path: &Path, description: &Description) -> Result<(), BakeError> {
    let mut json = serde_json::to_vec(description).expect("a description is always JSON");
    json.push(b'\n');
    // What is there and right needs no folder that can be written to.
    match files::read(path, json.len() as u64) {
        Ok(found) if found == json => Ok(()),
        _ => Ok(files::replace(path, &json, IMAGE_MODE)?),
    }
}

fn output(
    plan: &Plan,
    format: Format,
    state: State,
    order: &Order<'_>,
    desk: &Desk<'_>,
) -> Result<Output, BakeError> {
    use std::os::unix::fs::MetadataExt;
    let path = order.folder.join(plan.file_name(format));
    let metadata = path.metadata().map_err(FileError::at("look at", &path))?;
    let sha256 = order.with_sha256.then(|| whole_sha256(&path, desk)).transpose()?;
    // stat(2): blocks are counted in units of 512 bytes.
    Ok(Output { path, format, state, size: metadata.len(), disk_bytes: metadata.blocks() * 512, sha256 })
}

fn whole_sha256(path: &Path, desk: &Desk<'_>) -> Result<Digest, BakeError> {
    use std::io::Read;
    let mut file = files::open(path)?;
    let total = file.metadata().map_err(FileError::at("look at", path))?.len();
    let id = format!("sha256 {}", path.display());
    desk.progress.begin(&id, &id, Some(total));
    let (mut hasher, mut buffer) = (Hasher::new(), vec![0; 1 << 20]);
    loop {
        let count = file.read(&mut buffer).map_err(FileError::at("read", path))?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        desk.progress.advance(&id, count as u64);
    }
    let digest = hasher.finish();
    desk.progress.end(&id, &digest.to_string());
    Ok(digest)
}
