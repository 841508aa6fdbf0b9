// SPDX-License-Identifier: Apache-2.0
//! Two images block by block, on several threads. Each is anything that reads as a disk: a file, the extents of a plan,
//! a snapshot far away, of which then only blocks that hold data are asked for.

use std::io;

use super::blockwise::{Next, data_blocks, on_threads, read_block};
use super::is_zero;
use crate::blocks::{BLOCK, Changed};
use crate::disk::ReadAt;
use crate::progress::Progress;

/// How two images differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The blocks that differ, ascending; where one image ends before the other, it counts as zero.
    pub changed: Vec<Changed>,
    /// How many blocks of the second image hold more than zeros.
    pub used: u64,
}

/// Which of two images can't be read.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The first.
    #[error("can't read the first image")]
    First(#[source] io::Error),
    /// The second.
    #[error("can't read the second image")]
    Second(#[source] io::Error),
}

/// What one thread has seen of a block.
struct Seen {
    changed: Option<Changed>,
    is_used: bool,
}

/// Compares two images.
///
/// # Errors
/// If one of them can't be read.
pub fn compare(
    first: &dyn ReadAt,
    second: &dyn ReadAt,
    jobs: usize,
    progress: &dyn Progress,
) -> Result<Compared, CompareError> {
    const ID: &str = "compare";
    let mut open = data_blocks(first).map_err(CompareError::First)?;
    open.extend(data_blocks(second).map_err(CompareError::Second)?);
    open.sort_unstable();
    open.dedup();
    let jobs = jobs.max(first.reads_at_once()).max(second.reads_at_once());
    progress.begin(ID, "comparing blocks", Some(open.len() as u64 * BLOCK));
    let done = || progress.advance(ID, BLOCK);
    let seen = on_threads(&open, jobs, |next| compare_some(first, second, next, done))?;
    progress.end(ID, "");
    let used = seen.iter().filter(|seen| seen.is_used).count() as u64;
    let mut changed: Vec<Changed> = seen.into_iter().filter_map(|seen| seen.changed).collect();
    changed.sort_unstable_by_key(|changed| changed.index);
    Ok(Compared { changed, used })
}

/// Compares blocks until none is left.
fn compare_some(
    first: &dyn ReadAt,
    second: &dyn ReadAt,
    next: Next<'_>,
    done: impl Fn(),
) -> Result<Vec<Seen>, CompareError> {
    let mut seen = Vec::new();
    let (mut one, mut other) = (vec![0; BLOCK as usize], vec![0; BLOCK as usize]);
    while let Some(index) = next() {
        read_block(first, index, &mut one).map_err(CompareError::First)?;
        read_block(second, index, &mut other).map_err(CompareError::Second)?;
        seen.push(Seen { changed: Changed::of(index, &one, &other), is_used: !is_zero(&other) });
        done();
    }
    Ok(seen)
}
