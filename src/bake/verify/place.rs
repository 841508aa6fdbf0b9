// SPDX-License-Identifier: Apache-2.0
//! What bytes of a disk belong to: a file on ROOT, another partition, the partition table.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use serde::Serialize;

use crate::base::ROOT_NUMBER;
use crate::blocks::Changed;
use crate::ext4::{Owner, Part};
use crate::gpt::{Partition, SECTOR, Table};

/// Something that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What it is.
    #[serde(flatten)]
    pub place: Where,
    /// Offset on the disk of the first byte that differs.
    pub offset: u64,
    /// How many bytes there are in the ranges that differ. A range begins and ends with a byte that does.
    pub bytes: u64,
}

/// What bytes belong to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "in", rename_all = "kebab-case")]
pub enum Where {
    /// A file, folder or link on ROOT.
    File {
        /// Its path.
        path: String,
        /// What of it: `contents`, `inode` (mode, owner, times, size), `extents` (where its blocks lie), `attributes`.
        part: &'static str,
        /// For contents, the offset in them of the first byte that differs.
        #[serde(skip_serializing_if = "Option::is_none")]
        file_offset: Option<u64>,
    },
    /// A partition; of ROOT what belongs to none of its files.
    Partition {
        /// Its number.
        number: u32,
        /// Its label.
        label: String,
        /// Offset in it of the first byte that differs.
        partition_offset: u64,
    },
    /// Protective MBR, headers and entries of the partition table, or what lies beside them.
    Table,
    /// Space that no partition has.
    Unused,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, offset, bytes } = self;
        match place {
            Where::File { path, file_offset: Some(at), .. } => write!(f, "ROOT:{path}, from byte {at} on")?,
            Where::File { path, part, .. } => write!(f, "ROOT:{path}, its {part}")?,
            Where::Partition { number, label, partition_offset } => {
                write!(f, "partition {number} {label}, from byte {partition_offset} on")?;
            }
            Where::Table => f.write_str("the partition table")?,
            Where::Unused => f.write_str("space outside all partitions")?,
        }
        let ending = if *bytes == 1 { "" } else { "s" };
        write!(f, ": {bytes} byte{ending}, at offset {offset} of the disk")
    }
}

/// Says what the changed blocks of a disk with this `table` belong to, by place on the disk; what belongs together is told
/// once. `owners` are those of ROOT, which begins at `root`.
pub(super) fn locate(changed: &[Changed], table: &Table, root: u64, owners: &[Owner]) -> Vec<Difference> {
    let map = Map { table, root, owners };
    let mut found: Vec<Difference> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for range in changed.iter().flat_map(|changed| &changed.ranges) {
        let mut at = range.start;
        while at < range.end {
            let (key, place, end) = map.place(at);
            let bytes = end.min(range.end) - at;
            match known.get(&key) {
                Some(index) => found[*index].bytes += bytes,
                None => {
                    known.insert(key, found.len());
                    found.push(Difference { place, offset: at, bytes });
                }
            }
            at += bytes;
        }
    }
    found
}

struct Map<'a> {
    table: &'a Table,
    root: u64,
    owners: &'a [Owner],
}

impl Map<'_> {
    /// Returns what the byte at `at` belongs to: a name for what it is a part of, its place, and where that ends.
    fn place(&self, at: u64) -> (String, Where, u64) {
        let holds = |partition: &&Partition| (partition.start_bytes()..partition.end_bytes()).contains(&at);
        match self.table.partitions.iter().find(holds) {
            Some(root) if root.number == ROOT_NUMBER => self.in_root(root, at),
            Some(partition) => in_partition(partition, at, partition.end_bytes()),
            None => self.outside(at),
        }
    }

    fn in_root(&self, root: &Partition, at: u64) -> (String, Where, u64) {
        let inside = at - self.root;
        let next = self.owners.partition_point(|owner| owner.bytes.end <= inside);
        match self.owners.get(next) {
            Some(owner) if owner.bytes.start <= inside => {
                let (place, part) = (in_file(owner, inside), part_name(owner.part));
                (format!("{part} {}", owner.path), place, self.root + owner.bytes.end)
            }
            owner => {
                let end = owner.map_or(root.end_bytes(), |owner| self.root + owner.bytes.start);
                in_partition(root, at, end)
            }
        }
    }

    fn outside(&self, at: u64) -> (String, Where, u64) {
        let table = self.table;
        let usable: Range<u64> = table.first_usable * SECTOR..(table.last_usable + 1) * SECTOR;
        let starts = table.partitions.iter().map(Partition::start_bytes);
        let next = starts.chain([usable.start, usable.end]).filter(|start| *start > at).min();
        let end = next.unwrap_or(table.size_bytes().max(at + 1));
        match usable.contains(&at) {
            true => ("unused".to_owned(), Where::Unused, end),
            false => ("table".to_owned(), Where::Table, end),
        }
    }
}

fn in_partition(partition: &Partition, at: u64, end: u64) -> (String, Where, u64) {
    let Partition { number, label, .. } = partition;
    let partition_offset = at - partition.start_bytes();
    let place = Where::Partition { number: *number, label: label.clone(), partition_offset };
    (format!("partition {number}"), place, end)
}

fn in_file(owner: &Owner, inside: u64) -> Where {
    let file_offset = match owner.part {
        Part::Contents { offset } => Some(offset + inside - owner.bytes.start),
        Part::Inode | Part::Extents | Part::Attributes => None,
    };
    Where::File { path: owner.path.to_string(), part: part_name(owner.part), file_offset }
}

fn part_name(part: Part) -> &'static str {
    match part {
        Part::Contents { .. } => "contents",
        Part::Inode => "inode",
        Part::Extents => "extents",
        Part::Attributes => "attributes",
    }
}
