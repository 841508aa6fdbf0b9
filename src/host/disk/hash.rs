// SPDX-License-Identifier: Apache-2.0
//! Block digests of an image, computed on several threads; [`crate::blocks`] says which and what they mean.

use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

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
    let mut open: Vec<u64> = Vec::new();
    let mut at = 0;
    while let Some(data) = image.next_data(at)? {
        let first = open.last().map_or(0, |last| last + 1).max(data.start / BLOCK);
        open.extend(first..data.end.div_ceil(BLOCK));
        at = data.end;
    }
    complete(image, Plan { known: Vec::new(), open }, jobs, progress)
}

fn complete(image: &dyn ReadAt, plan: Plan, jobs: usize, progress: &dyn Progress) -> io::Result<BlockList> {
    const ID: &str = "digest";
    progress.begin(ID, "hashing blocks", Some(plan.open.len() as u64 * BLOCK));
    let next = Mutex::new(plan.open.iter().copied());
    let parts: Vec<io::Result<Vec<(u64, Digest)>>> = thread::scope(|scope| {
        let work = || scope.spawn(|| hash_some(image, &next, || progress.advance(ID, BLOCK)));
        let threads: Vec<_> = (0..jobs.max(1)).map(|_| work()).collect();
        threads.into_iter().map(|thread| thread.join().expect("hashing does not panic")).collect()
    });
    let hashed = parts.into_iter().collect::<io::Result<Vec<_>>>()?.concat();
    progress.end(ID, "");
    Ok(plan.complete(image.size(), hashed))
}

/// Hashes blocks until none is left.
fn hash_some(
    image: &dyn ReadAt,
    next: &Mutex<impl Iterator<Item = u64>>,
    done: impl Fn(),
) -> io::Result<Vec<(u64, Digest)>> {
    let mut hashed = Vec::new();
    let mut block = vec![0; BLOCK as usize];
    let take = || next.lock().unwrap_or_else(PoisonError::into_inner).next();
    while let Some(index) = take() {
        let len = (image.size() - index * BLOCK).min(BLOCK) as usize;
        image.read_at(&mut block[..len], index * BLOCK)?;
        block[len..].fill(0);
        if !is_zero(&block) {
            hashed.push((index, Digest::of(&block)));
        }
        done();
    }
    Ok(hashed)
}
