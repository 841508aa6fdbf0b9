// SPDX-License-Identifier: Apache-2.0
//! Block digests of an image, computed on several threads; [`crate::blocks`] says which and what they mean.

use std::io;
use std::ops::Range;

use super::blockwise::{Next, data_blocks, on_threads, read_block};
use super::{DiskReader, is_zero};
use crate::blocks::{self, BLOCK, BlockList, Plan};
use crate::digest::Digest;
use crate::disk::ReadAt;
use crate::progress::Progress;

/// Digests of a disk's blocks within a range.
#[derive(Debug, Default)]
pub struct Hashed {
    /// Indexes of the blocks that were looked at.
    indexes: Range<u64>,
    /// Those that are not zero.
    found: Vec<(u64, Digest)>,
}

/// Returns the block list of a disk. Only blocks that are not the base's own are read, and no block of `before`; `base`
/// is the base's list.
///
/// # Errors
/// If a source can't be read.
pub fn digests(
    disk: &DiskReader,
    base: &BlockList,
    before: Hashed,
    jobs: usize,
    progress: &dyn Progress,
) -> io::Result<BlockList> {
    let mut plan = blocks::plan(disk.disk(), base);
    plan.open.retain(|index| !before.indexes.contains(index));
    plan.known.extend(before.found);
    complete(disk, plan, jobs, progress)
}

/// Hashes the blocks that lie whole within `bytes` of a disk, where nothing is the base's.
///
/// # Errors
/// If a source can't be read.
pub fn digests_within(disk: &DiskReader, bytes: &Range<u64>, jobs: usize) -> io::Result<Hashed> {
    let indexes = bytes.start.div_ceil(BLOCK)..bytes.end / BLOCK;
    let nothing = BlockList { size: disk.size(), blocks: Vec::new() };
    let mut open = blocks::plan(disk.disk(), &nothing).open;
    open.retain(|index| indexes.contains(index));
    let found = on_threads(&open, jobs, |next| hash_some(disk, next, || {}))?;
    Ok(Hashed { indexes, found })
}

/// Returns the block list of an image of which nothing is known: that of a base, to be kept with it.
///
/// # Errors
/// If the image can't be read.
pub fn image_digests(image: &dyn ReadAt, jobs: usize, progress: &dyn Progress) -> io::Result<BlockList> {
    complete(image, Plan { known: Vec::new(), open: data_blocks(image)? }, jobs, progress)
}

fn complete(image: &dyn ReadAt, plan: Plan, jobs: usize, progress: &dyn Progress) -> io::Result<BlockList> {
    const ID: &str = "digest";
    progress.begin(ID, "hashing blocks", Some(plan.open.len() as u64 * BLOCK));
    let done = || progress.advance(ID, BLOCK);
    let hashed = on_threads(&plan.open, jobs, |next| hash_some(image, next, done))?;
    progress.end(ID, "");
    Ok(plan.complete(image.size(), hashed))
}

/// Hashes blocks until none is left.
fn hash_some(image: &dyn ReadAt, next: Next<'_>, done: impl Fn()) -> io::Result<Vec<(u64, Digest)>> {
    let mut hashed = Vec::new();
    let mut block = vec![0; BLOCK as usize];
    while let Some(index) = next() {
        read_block(image, index, &mut block)?;
        if !is_zero(&block) {
            hashed.push((index, Digest::of(&block)));
        }
        done();
    }
    Ok(hashed)
}
