// SPDX-License-Identifier: Apache-2.0
//! What publishing the second image on a snapshot of the first would send: the blocks that differ, those that became zero
//! included, because a snapshot made on another one shows the other's bytes wherever it has none of its own.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::blocks::{BLOCK, Changed};
use crate::read::Partition;

/// One of the images.
#[derive(Debug, Clone)]
pub struct Side {
    /// Size of the disk in bytes.
    pub size: u64,
    /// Its partitions.
    pub partitions: Vec<Partition>,
}

/// What would be sent, in blocks of 512 KiB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Transfer {
    /// Sizes of both disks in bytes.
    pub sizes: [u64; 2],
    /// Whether the second can be published on the first: a disk can't become smaller than the snapshot that it is made of.
    pub is_possible: bool,
    /// Blocks that differ.
    pub blocks: u64,
    /// Those of them that became zero.
    pub zeroed: u64,
    /// Bytes to send.
    pub bytes: u64,
    /// Blocks to send without the first: those of the second that hold more than zeros.
    pub whole_blocks: u64,
    /// The bytes of those.
    pub whole_bytes: u64,
    /// By label of the second's partitions, how many blocks that touch it differ; the partition table and what else lies
    /// outside is an empty label.
    pub partitions: BTreeMap<String, u64>,
}

impl Transfer {
    /// Counts the blocks `changed`; `used` blocks of the second image hold data.
    pub fn of(changed: &[Changed], used: u64, first: &Side, second: &Side) -> Self {
        let blocks = changed.len() as u64;
        let mut partitions = BTreeMap::new();
        for label in changed.iter().flat_map(|changed| second.labels(changed)) {
            *partitions.entry(label).or_insert(0) += 1;
        }
        Self {
            sizes: [first.size, second.size],
            is_possible: second.size >= first.size,
            blocks,
            zeroed: changed.iter().filter(|changed| changed.is_zero).count() as u64,
            bytes: blocks * BLOCK,
            whole_blocks: used,
            whole_bytes: used * BLOCK,
            partitions,
        }
    }
}

impl Side {
    /// Returns the labels of the partitions in which a block differs, each once; empty for what lies in none.
    fn labels(&self, changed: &Changed) -> Vec<String> {
        let touched = |partition: &&Partition| {
            let end = partition.start + partition.size;
            changed.ranges.iter().any(|range| range.start < end && partition.start < range.end)
        };
        let is_inside =
            |at: u64| self.partitions.iter().any(|it| (it.start..it.start + it.size).contains(&at));
        let mut labels: Vec<String> =
            self.partitions.iter().filter(touched).map(|partition| partition.label.clone()).collect();
        if !changed.ranges.iter().all(|range| is_inside(range.start) && is_inside(range.end - 1)) {
            labels.push(String::new());
        }
        labels.sort();
        labels.dedup();
        labels
    }
}
