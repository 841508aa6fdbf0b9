// SPDX-License-Identifier: Apache-2.0
//! The base as the ground of a bake: decoded, its layout known, its ROOT found empty, its block digests at hand.
//!
//! What was found out once is kept in the cache under the base's digest, so that a warm bake reads next to nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::desk::Desk;
use super::error::BakeError;
use crate::base::{self, Base, ROOT_LABEL};
use crate::blocks::BlockList;
use crate::decode::{Format, Limits};
use crate::digest::Digest;
use crate::gpt;
use crate::host::cache::{Blob, Keeping};
use crate::host::decode::{self, Kept};
use crate::host::disk::{Image, image_digests, image_in, open_image};
use crate::host::files::{FileError, Pending};
use crate::lock::{BASE, Lock};
use crate::read::{self, Fault, FileSystem, Slice};
use crate::tree::TreePath;

/// Kind of decoded bases among the derived files.
const DECODED: &str = "base";

/// Kind of the records of what was found out; the number changes when something else is found out.
const RECORDS: &str = "base-1";

/// Label of the partition that is /usr when a new image boots first.
const USR_LABEL: &str = "USR-A";

/// Longest wait for another kiln that decodes the same base.
const DECODE_LIMIT: std::time::Duration = std::time::Duration::from_secs(1800);

/// The base, ready to be written over.
pub(super) struct Ground {
    /// Its layout and table.
    pub base: Base,
    /// Its bytes.
    pub image: Arc<dyn Image>,
    /// Digests of its blocks.
    pub blocks: BlockList,
    /// A file that holds the same bytes, if it was decoded just now and one was wanted.
    pub twin: Option<Pending>,
    key: Digest,
    asked: Mutex<Asked>,
    keeping: Option<Keeping>,
}

/// The base as a disk and, if it was decoded just now, what is known of it already.
struct Decoded {
    image: Arc<dyn Image>,
    blocks: Option<BlockList>,
    twin: Option<Pending>,
    keeping: Option<Keeping>,
}

impl From<Arc<dyn Image>> for Decoded {
    fn from(image: Arc<dyn Image>) -> Self {
        Self { image, blocks: None, twin: None, keeping: None }
    }
}

/// Makes an empty file for a second copy of a base that is decoded now, if one is of use.
pub(super) type Twin<'a> = &'a dyn Fn() -> Option<Pending>;

/// Which paths below /usr there are, as far as anybody has asked.
#[derive(Debug, Default)]
struct Asked {
    answers: BTreeMap<String, bool>,
    is_new: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Found {
    blocks: BlockList,
    answers: BTreeMap<String, bool>,
}

pub(super) fn open(lock: &Lock, twin: Twin<'_>, desk: &Desk<'_>) -> Result<Ground, BakeError> {
    let blob = base_blob(lock, desk)?;
    let Decoded { image, blocks, twin, keeping } = decoded(&blob, twin, desk)?;
    let name = Path::new("the base image");
    let base = base::recognise(gpt::parse(&*image, name)?, name)?;
    let known = desk.cache.record_get(RECORDS, &blob.digest.to_string())?;
    let known = known.and_then(|json| serde_json::from_slice::<Found>(&json).ok());
    let is_new = known.is_none();
    let Found { blocks, answers } = match known {
        Some(known) => known,
        None => find_out(&base, &image, blocks, desk)?,
    };
    let asked = Mutex::new(Asked { answers, is_new });
    Ok(Ground { base, image, blocks, twin, key: blob.digest, asked, keeping })
}

fn base_blob(lock: &Lock, desk: &Desk<'_>) -> Result<Blob, BakeError> {
    let gone = || BakeError::Gone { input: "the base image".into() };
    let file = lock.inputs.get(BASE).and_then(|base| base.files.values().next()).ok_or_else(gone)?;
    desk.cache.get(&file.sha256).ok_or_else(gone)
}

/// Opens the base as a disk, decoded into the cache where it is compressed.
fn decoded(blob: &Blob, twin: Twin<'_>, desk: &Desk<'_>) -> Result<Decoded, BakeError> {
    match decode::sniff(&blob.path)? {
        Format::Raw | Format::Qcow2 => return Ok(open_image(&blob.path)?.into()),
        Format::Foreign(_) | Format::Bzip2 | Format::Gzip | Format::Zstd => {}
    }
    let say = |text: &str| desk.progress.say(text);
    let alone = desk.cache.lock(&format!("the decoded base {}", blob.digest), DECODE_LIMIT, &say)?;
    if let Some(path) = desk.cache.derived_get(DECODED, &blob.digest) {
        return Ok(open_image(&path)?.into());
    }
    let mut kept = Kept::new(desk.cache.derived_pending(DECODED, &blob.digest)?, twin());
    decode::decode(&blob.path, Limits::default(), &mut kept, desk.jobs, desk.progress)?;
    let (pending, twin, blocks) = kept.into_parts();
    let file = pending.file().try_clone().map_err(FileError::at("open", pending.path()))?;
    let image = image_in(file, pending.path())?;
    let keeping = desk.cache.derived_put_beside(pending, blocks.digest(), alone);
    // Blocks and bytes of a qcow2 file are not those of its disk.
    let is_raw = image.file().is_some();
    let (blocks, twin) = (is_raw.then_some(blocks), twin.filter(|_| is_raw));
    Ok(Decoded { image, blocks, twin, keeping: Some(keeping) })
}

fn find_out(
    base: &Base,
    image: &Arc<dyn Image>,
    blocks: Option<BlockList>,
    desk: &Desk<'_>,
) -> Result<Found, BakeError> {
    let root = filesystem(base, image, ROOT_LABEL)?;
    let found =
        read::root_foreign(&*root).map_err(|source| BakeError::Base { partition: ROOT_LABEL, source })?;
    if !found.is_empty() {
        return Err(BakeError::Foreign { found });
    }
    let blocks = match blocks {
        Some(blocks) => blocks,
        None => image_digests(&**image, desk.jobs, desk.progress).map_err(BakeError::Read)?,
    };
    Ok(Found { blocks, answers: BTreeMap::new() })
}

fn filesystem(
    base: &Base,
    image: &Arc<dyn Image>,
    partition: &'static str,
) -> Result<Box<dyn FileSystem>, BakeError> {
    let failed = |source| BakeError::Base { partition, source };
    let place = base.partition(partition).expect("every layout has it");
    let slice = Slice::new(image.clone(), place.start_bytes(), place.size_bytes());
    let found = read::open(slice).map_err(failed)?;
    found.ok_or_else(|| failed(Fault::NoFilesystem(partition.to_owned())))
}

impl Ground {
    /// Tells whether the booted base has `path`, which lies below /usr.
    ///
    /// An error of the filesystem counts as no: the check that asks then says which path it misses.
    pub fn has(&self, path: &str) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = asked.answers.get(path) {
            return *answer;
        }
        let answer = self.look(path);
        asked.answers.insert(path.to_owned(), answer);
        asked.is_new = true;
        answer
    }

    fn look(&self, path: &str) -> bool {
        let inside = TreePath::parse(path.strip_prefix("/usr").unwrap_or(path));
        let Ok(inside) = inside else { return false };
        filesystem(&self.base, &self.image, USR_LABEL).is_ok_and(|usr| usr.stat(&inside).is_ok())
    }

    /// Waits until a base that was decoded just now is in the cache.
    pub fn keep(&mut self) -> Result<(), BakeError> {
        Ok(self.keeping.take().map_or(Ok(()), Keeping::finish)?)
    }

    /// Keeps what was found out for the next bake.
    pub fn remember(&self, desk: &Desk<'_>) -> Result<(), BakeError> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.is_new {
            let found = Found { blocks: self.blocks.clone(), answers: asked.answers.clone() };
            let json = serde_json::to_vec(&found).expect("digests and strings are always JSON");
            desk.cache.record_put(RECORDS, &self.key.to_string(), &json)?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Ground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ground").field("base", &self.base).finish_non_exhaustive()
    }
}
