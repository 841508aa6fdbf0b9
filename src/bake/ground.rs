// SPDX-License-Identifier: Apache-2.0
//! The base as the ground of a bake: decoded, its layout known, its ROOT found empty, its block digests at hand.
//!
//! What was found out once is kept in the cache under the base's digest, so that a warm bake reads next to nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::check::facts::BaseFacts;
use super::decoding::{self, Ahead, Decoded};
use super::desk::Desk;
use super::error::BakeError;
use super::nature;
use crate::base::{self, Base, ROOT_LABEL};
use crate::blocks::BlockList;
use crate::decode::Format;
use crate::digest::Digest;
use crate::gpt;
use crate::host::cache::Blob;
use crate::host::decode;
use crate::host::disk::{Image, RawFile, image_digests, open_image};
use crate::host::files::{self, FileError};
use crate::lock::{BASE, Lock};
use crate::read::{self, Fault, FileSystem, Slice};
use crate::tree::TreePath;

/// What errors call it.
pub(super) const NAME: &str = "the base image";

/// Kind of decoded bases among the derived files.
pub(super) const DECODED: &str = "base";

/// Kind of the records of what was found out; the number changes when something else is found out.
const RECORDS: &str = "base-2";

/// Label of the partition that is /usr when a new image boots first.
const USR_LABEL: &str = "USR-A";

/// Label of the partition that names the platform.
const OEM_LABEL: &str = "OEM";

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
    /// What it says about itself.
    pub nature: BaseFacts,
    key: Digest,
    asked: Mutex<Asked>,
}

/// Which paths below /usr there are, as far as anybody has asked.
#[derive(Debug, Default)]
struct Asked {
    answers: BTreeMap<String, bool>,
    is_new: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Found {
    blocks: BlockList,
    nature: BaseFacts,
    answers: BTreeMap<String, bool>,
}

/// Opens the base. One that has to be decoded first is handed to `ahead` as soon as its first sectors tell its layout,
/// which works beside the decoding; what came of it is returned if the whole disk turned out to be as promised.
pub(super) fn open<T>(
    lock: &Lock,
    ahead: Ahead<'_, T>,
    desk: &Desk<'_>,
) -> Result<(Ground, Option<T>), BakeError> {
    let (blob, called) = (base_blob(lock, desk)?, called(lock));
    let known = desk.cache.record_get(RECORDS, &blob.digest.to_string())?;
    let known = known.and_then(|json| serde_json::from_slice::<Found>(&json).ok());
    let Decoded { image, blocks, begun } = decoded((&blob, &called), known.as_ref(), ahead, desk)?;
    let name = Path::new(NAME);
    let base = base::recognise(gpt::parse(&*image, name)?, name)?;
    let is_new = known.is_none();
    let Found { blocks, nature, answers } = match known {
        Some(known) => known,
        None => find_out(&base, &image, blocks, desk)?,
    };
    let begun = begun.filter(|(promised, _)| *promised == base).map(|(_, begun)| begun);
    let asked = Mutex::new(Asked { answers, is_new });
    Ok((Ground { base, image, blocks, nature, key: blob.digest, asked }, begun))
}

/// Returns what errors about its bytes call the base: where it was fetched from, or its file.
fn called(lock: &Lock) -> String {
    let locked = lock.inputs.get(BASE);
    let file = || locked.and_then(|base| base.files.keys().next());
    let name = locked.and_then(|base| base.url.as_ref()).or_else(file);
    format!("{BASE} {}", name.map_or("", String::as_str))
}

fn base_blob(lock: &Lock, desk: &Desk<'_>) -> Result<Blob, BakeError> {
    let gone = || BakeError::Gone { input: "the base image".into() };
    let file = lock.inputs.get(BASE).and_then(|base| base.files.values().next()).ok_or_else(gone)?;
    // Who doubts it looks at its blocks, if they are known: that leaves its zeros out.
    let cache = desk.cache.believing();
    cache.get(&file.sha256).ok_or_else(|| BakeError::lost(&cache, &file.sha256, NAME))
}

/// Hashes the base where nothing of earlier runs is believed.
fn doubt(
    blob: &Blob,
    image: Option<&dyn Image>,
    known: Option<&Found>,
    desk: &Desk<'_>,
) -> Result<(), BakeError> {
    if !desk.cache.is_doubting() {
        return Ok(());
    }
    let is_right = match (image, known) {
        (Some(image), Some(known)) => {
            image_digests(image, desk.jobs, desk.progress).map_err(BakeError::Read)? == known.blocks
        }
        _ => desk.cache.get(&blob.digest).is_some(),
    };
    if is_right {
        return Ok(());
    }
    desk.cache.distrust(&blob.digest);
    Err(BakeError::Damaged { input: NAME.to_owned(), path: blob.path.clone() })
}

/// Opens the base as a disk, decoded into the cache where it is compressed.
fn decoded<T>(
    (blob, called): (&Blob, &str),
    known: Option<&Found>,
    ahead: Ahead<'_, T>,
    desk: &Desk<'_>,
) -> Result<Decoded<T>, BakeError> {
    match decode::sniff(&blob.path).map_err(|error| error.called(called))? {
        Format::Raw | Format::Qcow2 => {
            let image = open_image(&blob.path).map_err(|error| error.called(called))?;
            doubt(blob, Some(&*image), known, desk)?;
            return Ok(image.into());
        }
        Format::Foreign(_) | Format::Bzip2 | Format::Gzip | Format::Zstd => {}
    }
    let say = |text: &str| desk.progress.say(text);
    let _alone = desk.cache.lock(&format!("the decoded base {}", blob.digest), DECODE_LIMIT, &say)?;
    match decoded_before(blob, desk)? {
        Some(image) => Ok(image.into()),
        None => {
            doubt(blob, None, None, desk)?;
            decoding::decode((blob, called), ahead, desk)
        }
    }
}

/// Returns what an earlier bake has decoded. Bytes that nobody has read since they were left to the kernel are read now: a
/// loss of power may have been faster than the disk.
fn decoded_before(blob: &Blob, desk: &Desk<'_>) -> Result<Option<Arc<dyn Image>>, BakeError> {
    if let Some(path) = desk.cache.derived_get(DECODED, &blob.digest) {
        return Ok(Some(open_image(&path)?));
    }
    let Some((path, blocks)) = desk.cache.derived_unproven(DECODED, &blob.digest) else { return Ok(None) };
    let file = RawFile::new(files::open(&path)?).map_err(FileError::at("read", &path))?;
    let found = image_digests(&file, desk.jobs, desk.progress);
    if !found.is_ok_and(|found| found.digest() == blocks) {
        files::remove(&path)?;
        return Ok(None);
    }
    let image = open_image(&path)?;
    // In a cache that can't be written, or on a full disk, it stays unproven, and as good as it is.
    let _ = desk.cache.derived_prove(DECODED, &blob.digest);
    Ok(Some(image))
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
    // Not every layout has an OEM, and what is there need not be readable.
    let open = |label| base.partition(label).and_then(|_| filesystem(base, image, label).ok());
    let [usr, oem] = [USR_LABEL, OEM_LABEL].map(open);
    let nature = nature::look(base.layout.family, usr.as_deref(), oem.as_deref());
    Ok(Found { blocks, nature, answers: BTreeMap::new() })
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

    /// Keeps what was found out for the next bake.
    pub fn remember(&self, desk: &Desk<'_>) -> Result<(), BakeError> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.is_new {
            let (blocks, nature) = (self.blocks.clone(), self.nature.clone());
            let found = Found { blocks, nature, answers: asked.answers.clone() };
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
