// SPDX-License-Identifier: Apache-2.0
//! What an image says of itself: its manifest, its lock and who baked it, read without trusting the rest of it.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::VerifyError;
use crate::bake::carried::{Carried, MANIFEST_PATH};
use crate::bake::provenance::IMAGE_PATH;
use crate::digest::Digest;
use crate::disk::ReadAt;
use crate::gpt;
use crate::lock::Lock;
use crate::read::{self, Fault, Image, Place};

/// Both are far smaller; more is not read into memory.
const TEXT_MAX_BYTES: u64 = 64 << 20;

/// An image's account of itself, as far as baking it again needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Version of the kiln that baked.
    pub kiln: String,
    /// What every input was pinned to.
    pub lock: Lock,
    /// What was asked for.
    pub carried: Carried,
}

/// Who baked, which every version of the account says.
#[derive(Deserialize)]
struct Baker {
    kiln: String,
}

/// The part of the account that a plan is made of.
#[derive(Deserialize)]
struct Pinned {
    plan: Digest,
    lock: Lock,
}

/// Reads the account of the image `disk`, which errors call `name`, and judges whether the running kiln, of version
/// `running`, can bake it again. A damaged copy of the partition table is no obstacle.
pub(super) fn read(disk: &Arc<dyn ReadAt>, name: &Path, running: &str) -> Result<Account, VerifyError> {
    let salvaged =
        gpt::salvage(&**disk).map_err(|source| VerifyError::Read { image: name.to_owned(), source })?;
    let Some(table) = salvaged else {
        // Read once more, for all that is wrong with it.
        return Err(gpt::parse(&**disk, name).map_or_else(VerifyError::Table, |_| VerifyError::NoAccount));
    };
    let image = Image::new(disk.clone(), table.partitions.iter().map(Into::into).collect());
    let text = |path| text(&image, path).map_err(|error| unreadable(error, name));
    let account = text(IMAGE_PATH)?;
    // First, because another version may write all else in another way.
    let Baker { kiln } = parsed(&account, IMAGE_PATH)?;
    if kiln != running {
        return Err(VerifyError::OtherKiln { baked: kiln, running: running.to_owned() });
    }
    let carried = text(MANIFEST_PATH).map_err(|error| match error {
        VerifyError::NoAccount => VerifyError::NoManifest { kiln: kiln.clone() },
        error => error,
    })?;
    let Pinned { plan, lock } = parsed(&account, IMAGE_PATH)?;
    let carried: Carried = parsed(&carried, MANIFEST_PATH)?;
    let made = carried.plan(&lock, &kiln);
    if made != plan {
        return Err(VerifyError::Plan { said: plan, made });
    }
    Ok(Account { kiln, lock, carried })
}

fn text(image: &Image, path: &str) -> Result<Vec<u8>, VerifyError> {
    let place = Place::parse(format!("ROOT:{path}")).map_err(VerifyError::Account)?;
    image.read(&place, TEXT_MAX_BYTES).map_err(|error| match error.source {
        Fault::NotFound | Fault::NoPartition(..) | Fault::NoFilesystem(_) => VerifyError::NoAccount,
        _ => VerifyError::Account(error),
    })
}

/// Bytes that did not come say nothing of what the image is.
fn unreadable(error: VerifyError, name: &Path) -> VerifyError {
    match error {
        VerifyError::Account(read::Error { source: Fault::Io(source), .. }) => {
            VerifyError::Read { image: name.to_owned(), source }
        }
        error => error,
    }
}

fn parsed<T: DeserializeOwned>(json: &[u8], path: &'static str) -> Result<T, VerifyError> {
    serde_json::from_slice(json).map_err(|source| VerifyError::Garbled { path, source })
}
