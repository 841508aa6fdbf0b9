// SPDX-License-Identifier: Apache-2.0
//! Block digests of an image, computed on several threads; [`crate::blocks`] says which and what they mean.

use std::io;

use super::blockwise::{Next, data_blocks, on_threads, read_block};
use super::{DiskReader, is_zero};
use crate::blocks::{self, BLOCK, BlockList, Plan};
use crate::digest::Digest;
use crate::disk::ReadAt;
use crate::progress::Progress;

/// Returns the block list of a disk. Only blocks that are not the base's own are read; `base` is the base's list.
///
/// # Errors
/// If a source can't be read.
pub fn digests(
    disk: &DiskReader,
    base: &BlockList,
    jobs: usize,
    progress: &dyn Progress,
) -> io::Result<BlockList> {
    complete(disk, blocks::plan(disk.disk(), base), jobs, progress)
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
