// SPDX-License-Identifier: Apache-2.0
//! A table for a larger disk: the backup moves to the new end and the last partition takes the room.
//!
//! Disk GUID, partition GUIDs, boot code and attribute bits stay: Flatcar's initrd repairs and randomises the table of a
//! clone by its well-known disk GUID, and its boot loader finds /usr by partition GUID.

use super::{ENTRY, SECTOR, Table};

/// Flatcar aligns partitions to 4096 sectors (2 MiB).
const ALIGN_SECTORS: u64 = 4096;

/// Why a table can't be fitted to a disk size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrowError {
    /// Sizes are counted in sectors.
    #[error("the disk size {0} is not a multiple of {SECTOR} bytes")]
    Unaligned(u64),
    /// A disk never shrinks below its base.
    #[error("the disk size {wanted} is smaller than the base image, which has {base} bytes")]
    Smaller {
        /// What was asked for, in bytes.
        wanted: u64,
        /// The size of the base, in bytes.
        base: u64,
    },
    /// Only the last partition can take the room at the end.
    #[error("partition {0} can't grow: it is not the last one on the disk")]
    NotLast(u32),
}

impl Table {
    /// Returns this table for a disk of `size_bytes`, with partition `number` enlarged to the end, rounded down to 2 MiB.
    /// At the same size it is the same table.
    ///
    /// # Errors
    /// If the size is unaligned or smaller than now, or the partition is absent or not the last one on the disk.
    pub fn grow(&self, number: u32, size_bytes: u64) -> Result<Self, GrowError> {
        if !size_bytes.is_multiple_of(SECTOR) {
            return Err(GrowError::Unaligned(size_bytes));
        }
        if size_bytes < self.size_bytes() {
            return Err(GrowError::Smaller { wanted: size_bytes, base: self.size_bytes() });
        }
        let last_on_disk = self.partitions.iter().max_by_key(|partition| partition.first);
        if last_on_disk.map(|partition| partition.number) != Some(number) {
            return Err(GrowError::NotLast(number));
        }
        if size_bytes == self.size_bytes() {
            return Ok(self.clone());
        }
        Ok(self.grown(number, size_bytes / SECTOR))
    }

    fn grown(&self, number: u32, sectors: u64) -> Self {
        let mut table = self.clone();
        table.sectors = sectors;
        table.last_usable = sectors - 1 - self.entries_sectors() - 1;
        write_mbr_size(&mut table.mbr, sectors);
        let end = (table.last_usable + 1) / ALIGN_SECTORS * ALIGN_SECTORS;
        for partition in table.partitions.iter_mut().filter(|partition| partition.number == number) {
            // A growth by less than the alignment must not take away what the partition has.
            partition.last = partition.last.max(end - 1);
            let at = (number as usize - 1) * ENTRY + 40;
            table.entries[at..at + 8].copy_from_slice(&partition.last.to_le_bytes());
        }
        table
    }
}

/// Writes the size of the protective record: all but sector 0, or as much as the field holds (UEFI 2.10, table 5.4).
pub(super) fn write_mbr_size(mbr: &mut [u8], sectors: u64) {
    let size = u32::try_from(sectors - 1).unwrap_or(u32::MAX);
    for record in mbr[446..510].chunks_exact_mut(16).filter(|record| is_protective(record)) {
        record[12..16].copy_from_slice(&size.to_le_bytes());
    }
}

/// Returns whether an MBR record is the one that protects the GPT: type 0xEE, from sector 1 on.
pub(super) fn is_protective(record: &[u8]) -> bool {
    record[4] == 0xEE && record[8..12] == [1, 0, 0, 0]
}
