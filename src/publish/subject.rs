// SPDX-License-Identifier: Apache-2.0
//! The subject: the image file that is published, opened, with its facts; and its pristine base, where the cache has it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::PublishError;
use super::facts::Facts;
use crate::bake::description::Description;
use crate::bake::{self, BakeError, Desk, carried, provenance};
use crate::blocks::BlockList;
use crate::gpt;
use crate::host::disk::{Image, image_digests, open_image};
use crate::host::files;
use crate::lock::Lock;
use crate::progress::Progress;
use crate::read::{self, Fault, Place};

/// A list of 200 GiB of blocks has 30 MiB.
const DESCRIPTION_MAX_BYTES: u64 = 64 << 20;
/// Far more than an image's account of itself.
const ACCOUNT_MAX_BYTES: u64 = 64 << 20;

/// An image to be published.
#[derive(Clone)]
pub struct Subject {
    /// Its file.
    pub path: PathBuf,
    /// What it is.
    pub facts: Facts,
    /// Its bytes.
    pub image: Arc<dyn Image>,
    /// Its base.
    pub base: Option<Pristine>,
}

/// The base of an image, as the vendor ships it.
#[derive(Clone)]
pub struct Pristine {
    /// Its bytes.
    pub image: Arc<dyn Image>,
    /// The digests of its blocks.
    pub blocks: BlockList,
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subject").field("path", &self.path).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Pristine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pristine").finish_non_exhaustive()
    }
}

/// Opens an image and finds out what it is. The description that a bake leaves beside it spares hashing it now: each block
/// is hashed anyway when it is sent.
///
/// # Errors
/// If it can't be read, or is not one that kiln has baked for AWS.
pub fn open(path: &Path, jobs: usize, progress: &dyn Progress) -> Result<(Subject, Lock), PublishError> {
    let image = open_image(path)?;
    let table = gpt::parse(&*image, path)?;
    let disk = read::Image::new(image.clone(), table.partitions.iter().map(Into::into).collect());
    let json = carried_text(&disk, provenance::IMAGE_PATH)?;
    let account: provenance::Image = serde_json::from_slice(&json).map_err(PublishError::Json)?;
    let carried = match carried_text(&disk, carried::MANIFEST_PATH) {
        Ok(json) => Some(serde_json::from_slice(&json).map_err(PublishError::Json)?),
        Err(PublishError::Account(error)) if matches!(error.source, Fault::NotFound) => None,
        Err(error) => return Err(error),
    };
    // Before anything is hashed: an image that does not suit is refused at once.
    let empty = BlockList { size: image.size(), blocks: Vec::new() };
    Facts::of(path, &account, carried.as_ref(), empty)?;
    let described = description(path, &account).filter(|it| it.size == image.size());
    let blocks = match described {
        Some(described) => described.blocks,
        None => image_digests(&*image, jobs, progress)
            .map_err(|source| PublishError::Read { what: path.display().to_string(), source })?,
    };
    let facts = Facts::of(path, &account, carried.as_ref(), blocks)?;
    Ok((Subject { path: path.to_owned(), facts, image, base: None }, account.lock))
}

/// Reads what an image says of itself.
fn carried_text(disk: &read::Image, path: &str) -> Result<Vec<u8>, PublishError> {
    let place = Place::parse(format!("ROOT:{path}").as_str()).map_err(PublishError::Account)?;
    disk.read(&place, ACCOUNT_MAX_BYTES).map_err(PublishError::Account)
}

/// Returns the description beside an image, if it is of the same plan.
fn description(path: &Path, account: &provenance::Image) -> Option<Description> {
    let bytes = files::read(&path.with_extension("json"), DESCRIPTION_MAX_BYTES).ok()?;
    let described: Description = serde_json::from_slice(&bytes).ok()?;
    (described.plan == account.plan && described.image == described.blocks.digest()).then_some(described)
}

/// Returns the base that a lock pins, if the cache has it.
///
/// # Errors
/// If it is there and can't be read.
pub fn pristine(lock: &Lock, desk: &Desk<'_>) -> Result<Option<Pristine>, PublishError> {
    match bake::pristine(lock, desk) {
        Ok((image, blocks)) => Ok(Some(Pristine { image, blocks })),
        Err(BakeError::Gone { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
