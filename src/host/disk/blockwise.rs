// SPDX-License-Identifier: Apache-2.0
//! Work on the blocks of an image, shared among threads: which blocks may hold data, and one block's bytes.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::blocks::BLOCK;
use crate::disk::ReadAt;

/// Gives one index after another until none is left.
pub(super) type Next<'a> = &'a dyn Fn() -> Option<u64>;

/// Returns the indexes of the blocks that may hold more than zeros, ascending.
pub(super) fn data_blocks(image: &dyn ReadAt) -> io::Result<Vec<u64>> {
    let mut indexes: Vec<u64> = Vec::new();
    let mut at = 0;
    while let Some(data) = image.next_data(at)? {
        let first = indexes.last().map_or(0, |last| last + 1).max(data.start / BLOCK);
        indexes.extend(first..data.end.div_ceil(BLOCK));
        at = data.end;
    }
    Ok(indexes)
}

/// Runs `work` on `jobs` threads, which take indexes from one list, and returns what all of them have found.
pub(super) fn on_threads<T: Send, E: Send>(
    indexes: &[u64],
    jobs: usize,
    work: impl Fn(Next<'_>) -> Result<Vec<T>, E> + Sync,
) -> Result<Vec<T>, E> {
    let left = Mutex::new(indexes.iter().copied());
    // Whoever panicked, the list is whole.
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    let parts: Vec<Result<Vec<T>, E>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(|| work(&next))).collect();
        threads.into_iter().map(|thread| thread.join().expect("work on blocks does not panic")).collect()
    });
    let mut found = Vec::new();
    for part in parts {
        found.extend(part?);
    }
    Ok(found)
}

/// Fills `block` with the image's bytes of the block `index`; what lies beyond the image's end is zero.
pub(super) fn read_block(image: &dyn ReadAt, index: u64, block: &mut [u8]) -> io::Result<()> {
    let len = image.size().saturating_sub(index * BLOCK).min(BLOCK) as usize;
    if len > 0 {
        image.read_at(&mut block[..len], index * BLOCK)?;
    }
    block[len..].fill(0);
    Ok(())
}
