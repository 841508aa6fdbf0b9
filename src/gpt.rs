// SPDX-License-Identifier: Apache-2.0
//! The GUID partition table (UEFI specification 2.10, chapter 5): read strictly, grown, rendered as extents.
//!
//! Both copies must be sound and say the same: a table that firmware or the kernel would have to repair is refused, with
//! everything that is wrong with it. Nothing here chooses a partition; [`crate::base`] knows what they are for.

mod grow;
mod header;
mod parse;
#[cfg(test)]
pub(crate) mod sample;

pub use grow::GrowError;
pub use parse::{Error, foretell, parse, salvage};
use uuid::Uuid;

use crate::disk::Extent;
use header::Header;

/// Bytes in a sector. Cloud disks, QEMU and every Flatcar image use 512; 4096 is not supported.
pub const SECTOR: u64 = 512;

/// Bytes of one partition entry. The specification allows more; no tool writes more.
const ENTRY: usize = 128;

/// A sound partition table, and what is needed to write it again without losing a bit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The disk's own GUID.
    pub disk_guid: Uuid,
    /// Size of the disk in sectors.
    pub sectors: u64,
    /// The first sector that a partition may use.
    pub first_usable: u64,
    /// The last sector that a partition may use.
    pub last_usable: u64,
    /// The partitions in the order of their numbers.
    pub partitions: Vec<Partition>,
    /// Sector 0 as it was found: boot code and the protective record.
    mbr: Vec<u8>,
    /// Where the primary entries begin, in sectors: 2 nearly always.
    entries_lba: u64,
    /// The entry array as it was found, also the bits that this module has no name for.
    entries: Vec<u8>,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number from 1: the place of its entry, as in `/dev/vda9`.
    pub number: u32,
    /// The partition type GUID.
    pub kind: Uuid,
    /// The partition's own GUID.
    pub id: Uuid,
    /// First sector.
    pub first: u64,
    /// Last sector, inclusive.
    pub last: u64,
    /// Attribute bits; 48 to 63 belong to the type (Flatcar: priority, tries, successful).
    pub attributes: u64,
    /// The label.
    pub label: String,
}

impl Partition {
    /// Returns the offset of its first byte.
    pub fn start_bytes(&self) -> u64 {
        self.first * SECTOR
    }

    /// Returns its size in bytes.
    pub fn size_bytes(&self) -> u64 {
        (self.last - self.first + 1) * SECTOR
    }

    /// Returns the offset of the byte after its last.
    pub fn end_bytes(&self) -> u64 {
        self.start_bytes() + self.size_bytes()
    }
}

impl Table {
    /// Returns the size of the disk in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.sectors * SECTOR
    }

    /// Returns the partition with this number.
    pub fn partition(&self, number: u32) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.number == number)
    }

    /// Returns the bytes of the table's two copies and of the protective MBR, as extents of the disk in order.
    pub fn render(&self) -> Vec<Extent> {
        let entries_crc = crc32fast::hash(&self.entries);
        let (primary, backup) = (self.header(entries_crc), self.header(entries_crc).mirrored());
        let mut front = self.mbr.clone();
        front.extend(primary.encode());
        vec![
            Extent::of_bytes(0, front),
            Extent::of_bytes(primary.entries_lba * SECTOR, self.entries.clone()),
            Extent::of_bytes(backup.entries_lba * SECTOR, self.entries.clone()),
            Extent::of_bytes(backup.my_lba * SECTOR, backup.encode()),
        ]
    }

    fn header(&self, entries_crc: u32) -> Header {
        Header {
            my_lba: 1,
            alternate_lba: self.sectors - 1,
            first_usable: self.first_usable,
            last_usable: self.last_usable,
            disk_guid: self.disk_guid,
            entries_lba: self.entries_lba,
            entry_count: (self.entries.len() / ENTRY) as u32,
            entries_crc,
        }
    }

    /// Sectors that one copy of the entries takes.
    fn entries_sectors(&self) -> u64 {
        (self.entries.len() as u64).div_ceil(SECTOR)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Parses an image and returns its problems as lines.
    fn problems(image: Vec<u8>) -> Vec<String> {
        match parse(&image, Path::new("disk.raw")) {
            Ok(table) => panic!("accepted: {table:?}"),
            Err(error) => error.to_string().lines().map(str::to_owned).collect(),
        }
    }

    /// Returns the small disk after a change of its table.
    fn changed(change: impl Fn(&mut Table)) -> Vec<u8> {
        let mut table = sample::small();
        change(&mut table);
        sample::image(&sample::table(table.sectors, table.partitions))
    }

    #[test]
    fn a_table_survives_its_bytes() {
        let table = sample::small();
        assert_eq!(parse(&sample::image(&table), Path::new("disk.raw")).unwrap(), table);
    }

    #[test]
    fn the_first_sectors_promise_what_the_whole_disk_holds() {
        let table = sample::small();
        let image = sample::image(&table);
        assert_eq!(foretell(&image[..34 * 512].to_vec()), Some(table));
        assert_eq!(foretell(&image[..33 * 512].to_vec()), None);
        assert_eq!(foretell(&Vec::new()), None);
        let mut damaged = image;
        damaged[2 * 512] ^= 1;
        assert_eq!(foretell(&damaged), None);
    }

    #[test]
    fn every_damaged_place_of_the_table_is_named() {
        let mut image = sample::image(&sample::small());
        let last = image.len() - 512;
        image[512 + 40] ^= 1;
        image[last - 32 * 512] ^= 1;
        image[510] = 0;
        let found = problems(image);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[0], "disk.raw: protective MBR: sector 0 does not end with the boot signature 55 aa");
        assert!(found[1].starts_with("disk.raw: primary GPT header: sector 1: its checksum field is 0x"));
        assert!(found[2].starts_with("disk.raw: backup GPT header: its entries' checksum field is 0x"));
    }

    #[test]
    fn swapped_headers_are_refused() {
        let mut image = sample::image(&sample::small());
        let last = image.len() - 512;
        let (front, back) = (image[512..1024].to_vec(), image[last..].to_vec());
        image[512..1024].copy_from_slice(&back);
        image[last..].copy_from_slice(&front);
        let found = problems(image);
        assert_eq!(
            found[0],
            "disk.raw: primary GPT header: sector 1: it says that it belongs in sector 8191"
        );
        assert!(found.contains(
            &"disk.raw: backup GPT header: it says that the other copy is in sector 8191, not in 1".into()
        ));
    }

    #[test]
    fn a_cut_or_longer_image_has_no_backup_at_its_end() {
        let whole = sample::image(&sample::small());
        let cut = problems(whole[..whole.len() - 512].to_vec());
        assert_eq!(
            cut[0],
            "disk.raw: primary GPT header: it says that the other copy is in sector 8191, not in 8190"
        );
        assert_eq!(cut[1], "disk.raw: backup GPT header: sector 8190: there is no \"EFI PART\" signature");
        let odd = problems(whole[..whole.len() - 1].to_vec());
        assert_eq!(
            odd,
            ["disk.raw: disk: its size, 4194303 bytes, is not that of a disk of 512-byte sectors"]
        );
    }

    #[test]
    fn copies_that_differ_are_refused() {
        let mut other = sample::small();
        other.disk_guid = Uuid::from_u128(2);
        let (mut image, other) = (sample::image(&sample::small()), sample::image(&other));
        let last = image.len() - 512;
        image[last..].copy_from_slice(&other[last..]);
        assert_eq!(
            problems(image),
            ["disk.raw: GPT: the primary and the backup copy disagree: disk GUID \
              00000000-0000-0000-0000-000000000001 and 00000000-0000-0000-0000-000000000002"]
        );
    }

    #[test]
    fn partitions_that_overlap_share_a_guid_or_lie_outside_are_all_told() {
        let found = problems(changed(|table| {
            table.partitions[0].last = 5000;
            table.partitions[1].last = 8190;
            table.partitions[1].id = table.partitions[0].id;
        }));
        assert_eq!(
            found,
            [
                "disk.raw: partition 9 \"ROOT\": sectors 4096 to 8190 are not within the usable sectors 34 to 8158",
                "disk.raw: partition 9 \"ROOT\": its GUID 00000000-0000-0001-0000-000000000007 is also that of partition 1",
                "disk.raw: partition 9 \"ROOT\": sectors 4096 to 8190 overlap partition 1 \"ESP\", sectors 64 to 5000",
            ]
        );
    }

    #[test]
    fn absurd_headers_ask_for_no_memory() {
        for (field, value, words) in [
            (80, u32::MAX, "it announces 4294967295 entries, not 1 to 1024"),
            (80, 0, "it announces 0 entries"),
            (84, 1 << 20, "its entries have 1048576 bytes each, not 128"),
            (12, 4096, "its size field is 4096, not between 92 and 512"),
        ] {
            let mut image = sample::image(&sample::small());
            image[512 + field..512 + field + 4].copy_from_slice(&value.to_le_bytes());
            image[512 + 16..512 + 20].fill(0);
            let crc = crc32fast::hash(&image[512..512 + 92]);
            image[512 + 16..512 + 20].copy_from_slice(&crc.to_le_bytes());
            let found = problems(image);
            assert!(found[0].contains(words), "{found:?}");
        }
    }

    #[test]
    fn growth_moves_the_backup_and_enlarges_the_last_partition() {
        let grown = sample::small().grow(9, 16 << 20).unwrap();
        assert_eq!((grown.sectors, grown.last_usable, grown.partitions[1].last), (32768, 32734, 28671));
        let image = sample::image(&grown);
        assert_eq!(parse(&image, Path::new("disk.raw")).unwrap(), grown);
        assert_eq!(&image[..4], b"boot");
        assert_eq!(u32::from_le_bytes(image[458..462].try_into().unwrap()), 32767);
    }

    #[test]
    fn growth_that_is_none_or_impossible() {
        let table = sample::small();
        assert_eq!(table.grow(9, 4 << 20).unwrap(), table);
        let refused = |number, size| table.grow(number, size).unwrap_err().to_string();
        assert_eq!(refused(9, 100), "the disk size 100 is not a multiple of 512 bytes");
        assert_eq!(
            refused(9, 1 << 20),
            "the disk size 1048576 is smaller than the base image, which has 4194304 bytes"
        );
        assert_eq!(refused(1, 8 << 20), "partition 1 can't grow: it is not the last one on the disk");
        assert_eq!(table.grow(9, (4 << 20) + 512).unwrap().partitions[1].last, 8158);
    }
}
