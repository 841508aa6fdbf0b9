// SPDX-License-Identifier: Apache-2.0
//! What lies where the outputs go. All of it is looked at before the first output is written, so that every one of them gets
//! its name or none: somebody's own file is never replaced without being told to, what the image is made from never at all.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::description::Description;
use super::desk::Desk;
use super::error::BakeError;
use super::write::State;
use super::{Order, Plan};
use crate::blocks::BlockList;
use crate::host::disk::{image_digests, open_image};
use crate::host::files::{self, FileError};

/// A list of 200 GiB of blocks has 30 MiB.
const DESCRIPTION_MAX_BYTES: u64 = 64 << 20;

/// What was found.
pub(super) struct Way {
    /// What is to be done about each output, in the plan's order.
    pub states: Vec<State>,
    /// The description of the same plan's image, if it lies there.
    pub before: Option<Description>,
    /// Where the description goes.
    pub description: PathBuf,
}

/// Looks at what lies where the outputs and their description go. `own` is what the image is made from.
pub(super) fn look(
    plan: &Plan,
    order: &Order<'_>,
    own: &[PathBuf],
    desk: &Desk<'_>,
) -> Result<Way, BakeError> {
    let description = order.folder.join(format!("{}.json", plan.name));
    let (found, is_there) = (read_description(&description), look_at(&description, own)?.is_some());
    if is_there && found.is_none() && !order.is_forced {
        return Err(BakeError::InTheWay { path: description });
    }
    let before = found.filter(|before| before.plan == plan.digest);
    let state = |path: PathBuf| match look_at(&path, own)? {
        None => Ok(State::Written),
        Some(()) if before.as_ref().is_some_and(|before| holds(&path, &before.blocks, desk)) => {
            Ok(State::UpToDate)
        }
        Some(()) if order.is_forced => Ok(State::Written),
        Some(()) => Err(BakeError::InTheWay { path }),
    };
    let paths = plan.formats.iter().map(|format| order.folder.join(plan.file_name(*format)));
    let states = paths.map(state).collect::<Result<_, _>>()?;
    Ok(Way { states, before, description })
}

/// Tells whether there is a file; one that can't be replaced is an error.
fn look_at(path: &Path, own: &[PathBuf]) -> Result<Option<()>, BakeError> {
    let found = match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        found => found.map_err(FileError::at("look at", path))?,
    };
    if !found.is_file() && !found.is_symlink() {
        return Err(BakeError::NoFile { path: path.to_owned() });
    }
    let is_same = |other: &PathBuf| other.metadata().is_ok_and(|other| identity(&other) == identity(&found));
    match own.iter().any(is_same) {
        true => Err(BakeError::OwnInput { path: path.to_owned() }),
        false => Ok(Some(())),
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Returns the description that lies at `path`; one that can't be understood is as good as none.
fn read_description(path: &Path) -> Option<Description> {
    serde_json::from_slice(&files::read(path, DESCRIPTION_MAX_BYTES).ok()?).ok()
}

/// Tells whether the image at `path` has exactly these blocks; one that can't be read has not.
fn holds(path: &Path, blocks: &BlockList, desk: &Desk<'_>) -> bool {
    let found = open_image(path).ok().and_then(|image| image_digests(&*image, desk.jobs, desk.progress).ok());
    found.as_ref() == Some(blocks)
}
