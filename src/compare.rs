// SPDX-License-Identifier: Apache-2.0
//! Compare: how one image differs from another, at four levels: what was pinned, what was wanted, which files there are,
//! which blocks publishing would send.
//!
//! A flow: it reads two images and decides nothing but what to read next. Images need not be kiln's; what one of them does
//! not carry is said to be missing. Times are not compared: a bake gives all files the same.

mod account;
mod files;
mod report;
mod text;
mod transfer;
mod values;

use std::ops::Range;

use crate::blocks::Changed;
use crate::host::disk::{self, CompareError};
use crate::progress::Progress;
use crate::read::{self, Fault, Image, Partition};

use account::Account;
pub use files::{Aspect, FileChange, Files, What};
pub use report::{Contents, Diff, Level, PartitionDiff};
pub use transfer::{Side, Transfer};
pub use values::Change;

/// Why two images can't be compared.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// The bytes of one.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// Something in a filesystem.
    #[error(transparent)]
    Read(#[from] read::Error),
}

/// Compares two images.
///
/// # Errors
/// If one can't be read, or a filesystem of one is damaged.
pub fn diff(first: &Image, second: &Image, jobs: usize, progress: &dyn Progress) -> Result<Diff, DiffError> {
    let compared = disk::compare(first.disk(), second.disk(), jobs, progress)?;
    let (one, other) = (Account::read(first)?, Account::read(second)?);
    let side = |image: &Image| Side { size: image.size(), partitions: image.partitions().to_vec() };
    Ok(Diff {
        lock: Level::of(&one.lock, &other.lock),
        manifest: Level::of(&one.manifest, &other.manifest),
        files: partitions(first, second, &compared.changed)?,
        blocks: Transfer::of(&compared.changed, compared.used, &side(first), &side(second)),
    })
}

/// Compares the partitions by label, in the order of the first image, then those that only the second has.
fn partitions(first: &Image, second: &Image, changed: &[Changed]) -> Result<Vec<PartitionDiff>, DiffError> {
    let mut diffs = Vec::new();
    for one in first.partitions() {
        let contents = match by_label(second, &one.label) {
            Some(other) if is_same(one, other, changed) => Contents::Same,
            Some(other) => contents((first, one), (second, other))?,
            None => Contents::OnlyInFirst,
        };
        diffs.push(PartitionDiff { label: one.label.clone(), contents });
    }
    let added = second.partitions().iter().filter(|other| by_label(first, &other.label).is_none());
    diffs.extend(
        added.map(|other| PartitionDiff { label: other.label.clone(), contents: Contents::OnlyInSecond }),
    );
    Ok(diffs)
}

fn by_label<'a>(image: &'a Image, label: &str) -> Option<&'a Partition> {
    image.partitions().iter().find(|partition| partition.label == label)
}

/// Tells whether two partitions hold the same bytes at the same place, so that no filesystem need be read.
fn is_same(one: &Partition, other: &Partition, changed: &[Changed]) -> bool {
    let place = one.start..one.start + one.size;
    let touches = |range: &Range<u64>| range.start < place.end && place.start < range.end;
    (one.start, one.size) == (other.start, other.size)
        && !changed.iter().flat_map(|changed| &changed.ranges).any(touches)
}

fn contents(
    (first, one): (&Image, &Partition),
    (second, other): (&Image, &Partition),
) -> Result<Contents, DiffError> {
    let open = |image: &Image, partition: &Partition| {
        let failed = |fault: Fault| read::Error { place: format!("{}:", partition.label), source: fault };
        read::open(image.slice(partition)).map_err(failed)
    };
    match (open(first, one)?, open(second, other)?) {
        (Some(first), Some(second)) => Ok(Contents::Files(files::compare(&*first, &*second, &one.label)?)),
        (None, None) => Ok(Contents::NoFilesystem),
        (Some(_), None) => Ok(Contents::FilesystemOnlyInFirst),
        (None, Some(_)) => Ok(Contents::FilesystemOnlyInSecond),
    }
}
