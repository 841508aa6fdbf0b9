// SPDX-License-Identifier: Apache-2.0
//! The base image: which of the known layouts its partitions follow, what of it stays, and the disk that a bake makes
//! of it.
//!
//! Nothing is assumed from a version: a disk is what its partition table says, and one of no known layout is refused.
//! What lies inside the partitions is [`crate::read`]'s to judge.

mod assemble;
mod layout;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::disk::{Disk, Extent};
use crate::gpt::{GrowError, Partition, Table};

pub use layout::{Expected, Family, LAB_USR_A, LAYOUTS, Layout, MIB, RESIZE_TYPE, ROOT_LABEL, ROOT_NUMBER};

/// A base image whose layout is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The layout that it follows.
    pub layout: &'static Layout,
    /// Its partition table.
    pub table: Table,
}

/// A disk that follows none of the known layouts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct UnknownLayout {
    /// The image.
    pub image: PathBuf,
    /// Its partitions.
    pub found: Vec<Partition>,
    /// For each known layout, how the disk differs from it.
    pub differences: Vec<(&'static str, Vec<String>)>,
}

/// Finds the layout that a disk follows; errors call it `name`.
///
/// # Errors
/// With what was found, and how it differs from each known layout, if it follows none.
pub fn recognise(table: Table, name: &Path) -> Result<Base, UnknownLayout> {
    let judged = LAYOUTS.iter().map(|layout| (layout, layout.differences(&table))).collect::<Vec<_>>();
    if let Some((layout, _)) = judged.iter().find(|(_, differences)| differences.is_empty()) {
        return Ok(Base { layout, table });
    }
    let differences = judged.into_iter().map(|(layout, differences)| (layout.name, differences)).collect();
    Err(UnknownLayout { image: name.to_owned(), found: table.partitions, differences })
}

impl Base {
    /// Returns the partition that a bake writes.
    pub fn root(&self) -> &Partition {
        self.table.partition(ROOT_NUMBER).expect("every layout has ROOT")
    }

    /// Returns the partition with this label; labels of a known layout are unique.
    pub fn partition(&self, label: &str) -> Option<&Partition> {
        self.table.partitions.iter().find(|partition| partition.label == label)
    }

    /// Returns the partitions that no bake changes.
    pub fn untouched(&self) -> impl Iterator<Item = &Partition> {
        self.table.partitions.iter().filter(|partition| partition.number != ROOT_NUMBER)
    }

    /// Returns the table of a disk of `size_bytes` with ROOT enlarged to its end: what tells the ROOT writer its size.
    ///
    /// # Errors
    /// If the size is unaligned or smaller than the base.
    pub fn grow(&self, size_bytes: u64) -> Result<Table, GrowError> {
        self.table.grow(ROOT_NUMBER, size_bytes)
    }

    /// Returns the whole disk: `root`, whose offsets count from the start of the partition, in the place that `grown`
    /// (from [`Base::grow`]) gives it; the table where it differs; all else from the base.
    ///
    /// # Panics
    /// If `root` does not fit into its partition: the ROOT writer was told another size.
    pub fn assemble(&self, grown: &Table, root: Vec<Extent>) -> Disk {
        assemble::assemble(&self.table, grown, root)
    }
}

impl fmt::Display for UnknownLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: these partitions follow no layout that kiln knows:", self.image.display())?;
        for partition in &self.found {
            let Partition { number, label, kind, id, .. } = partition;
            let kib = partition.size_bytes() / 1024;
            write!(f, "\n  {number:>3}  {label:<16}  {kib:>10} KiB  type {kind}  id {id}")?;
        }
        for (layout, differences) in &self.differences {
            write!(f, "\nnot {layout}: {}", differences.join("; "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
