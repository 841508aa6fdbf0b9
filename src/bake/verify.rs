// SPDX-License-Identifier: Apache-2.0
//! Verify: bakes an image again, in memory, from the manifest and the lock that it carries, and compares every block.
//!
//! A flow beside [`super::bake`]: it looks (the image's account, inputs), decides as a bake does, and writes nothing but
//! the cache. The image is anything that reads as a disk. Nothing of it is believed but what is compared in the end.

mod account;
mod error;
mod local;
mod moved;
mod place;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::desk::Desk;
use super::wanted::Wanted;
use super::{Decided, Plan, makers};
use crate::digest::Digest;
use crate::disk::ReadAt;
use crate::host::disk::{CompareError, Compared, DiskReader, Sources, compare};
use crate::marks::index::Index;
use crate::pin::{self, Mode};
use crate::{ext4, gpt};

pub use account::Account;
pub use error::VerifyError;
pub use moved::Moved;
pub use place::{Difference, Where};

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Whether every byte is as it should be.
    pub is_same: bool,
    /// The image's name.
    pub name: String,
    /// Version of the kiln that baked it, which is the running one's.
    pub kiln: String,
    /// Digest of the plan.
    pub plan: Digest,
    /// Size of the disk in bytes as it should be.
    pub size: u64,
    /// Its size as it is.
    pub found_size: u64,
    /// How many blocks of 512 KiB differ.
    pub blocks: usize,
    /// What differs, by place on the disk.
    pub differences: Vec<Difference>,
    /// Files of this machine that are not what was baked; the cache still had that.
    pub moved: Vec<Moved>,
}

/// Verifies the image `disk`, which errors call `image`. The paths in its manifest are relative to `folder`.
///
/// # Errors
/// If the image can't be read, or carries nothing that can be baked again here: then with the reason.
pub fn verify(
    disk: &Arc<dyn ReadAt>,
    image: &Path,
    folder: &Path,
    desk: &Desk<'_>,
) -> Result<Verified, VerifyError> {
    let account = account::read(disk, image, desk.kiln)?;
    let (plan, expected, moved) = rebake(&account, folder, desk)?;
    let compared = compare(&expected, &**disk, desk.jobs, desk.progress).map_err(|error| match error {
        CompareError::First(source) => VerifyError::Inputs(source),
        CompareError::Second(source) => VerifyError::Read { image: image.to_owned(), source },
    })?;
    Ok(Verified {
        is_same: compared.changed.is_empty() && disk.size() == expected.size(),
        name: plan.name.clone(),
        kiln: account.kiln,
        plan: plan.digest,
        size: expected.size(),
        found_size: disk.size(),
        blocks: compared.changed.len(),
        differences: differences(&plan, &expected, &compared)?,
        moved,
    })
}

/// Decides the image once more; its bytes come from the cache.
fn rebake(
    account: &Account,
    folder: &Path,
    desk: &Desk<'_>,
) -> Result<(Plan, DiskReader, Vec<Moved>), VerifyError> {
    let wanted = Wanted {
        path: PathBuf::from(super::carried::MANIFEST_PATH),
        folder: folder.to_owned(),
        manifest: account.carried.manifest.clone(),
        warnings: Vec::new(),
        places: Index::default(),
        lock_path: PathBuf::from(super::provenance::IMAGE_PATH),
        lock: Some(account.lock.clone()),
    };
    let (local_files, moved) = local::find(&account.carried, &account.lock, folder, desk)?;
    let pin = |world: &pin::World<'_>| pin::pin(&wanted.manifest, wanted.lock.as_ref(), &Mode::Replay, world);
    let pinned = makers::with_world(desk, &wanted, &Mode::Replay, pin).map_err(VerifyError::Pin)?;
    // Whatever the bake believed of the cache: here it is hashed.
    let cache = desk.cache.doubting();
    let desk = &Desk { cache: &cache, ..*desk };
    let Decided { plan, ground, .. } =
        super::decide(&wanted, &pinned.lock, local_files, None, desk).map_err(VerifyError::Rebake)?;
    let sources = Sources::new(Some(ground.image.clone()), Box::new(cache.clone()));
    let expected = DiskReader::new(plan.disk.clone(), Arc::new(sources));
    Ok((plan, expected, moved))
}

/// Says what the bytes that differ belong to.
fn differences(
    plan: &Plan,
    expected: &DiskReader,
    compared: &Compared,
) -> Result<Vec<Difference>, VerifyError> {
    if compared.changed.is_empty() {
        return Ok(Vec::new());
    }
    let table = gpt::parse(expected, Path::new("what was baked"))
        .map_err(|error| VerifyError::Rebake(error.into()))?;
    let owners = ext4::owners(&plan.tree, &plan.spec).map_err(|error| VerifyError::Rebake(error.into()))?;
    Ok(place::locate(&compared.changed, &table, plan.root.start, &owners))
}
