// SPDX-License-Identifier: Apache-2.0
//! Reading a table: both copies whole, against each other, and the partitions against the disk. All that is wrong is
//! told at once, because each repair of a disk image costs a person a download.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use super::grow::is_protective;
use super::header::{Header, decode_entries};
use super::{Partition, SECTOR, Table};
use crate::disk::ReadAt;
use crate::problem::{Problem, Problems};

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image could not be read.
    #[error("can't read the partition table of {}", image.display())]
    Read {
        /// The image.
        image: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The table is not sound.
    #[error(transparent)]
    Unsound(#[from] Problems),
}

/// Where a copy of the table must stand.
struct Place {
    name: &'static str,
    lba: u64,
    alternate_lba: u64,
}

/// One copy of the table that is sound by itself.
struct Copy {
    header: Header,
    entries: Vec<u8>,
}

impl Copy {
    fn table(self, mbr: Vec<u8>, sectors: u64) -> Table {
        let Header { first_usable, last_usable, disk_guid, entries_lba, .. } = self.header;
        let (partitions, entries) = (decode_entries(&self.entries), self.entries);
        Table { disk_guid, sectors, first_usable, last_usable, partitions, mbr, entries_lba, entries }
    }
}

/// Reads the partition table of `image`, which errors call `name`.
///
/// # Errors
/// If the image can't be read, and with every problem found if either copy of the table is damaged or misplaced, if the
/// copies differ, or if partitions overlap, share a GUID or lie outside the usable sectors.
pub fn parse(image: &dyn ReadAt, name: &Path) -> Result<Table, Error> {
    let mut reader = Reader { image, name, problems: Vec::new() };
    let table = reader.table().map_err(|source| Error::Read { image: name.to_owned(), source })?;
    match table {
        Some(table) if reader.problems.is_empty() => Ok(table),
        _ => Err(Problems(reader.problems).into()),
    }
}

/// Reads what can be made out of a table, from its backup where the primary copy is damaged; none: both are. For looking
/// at a disk that is known not to be as it should; nothing may be written by it.
///
/// # Errors
/// If the image can't be read.
pub fn salvage(image: &dyn ReadAt) -> io::Result<Option<Table>> {
    let mut table = Reader { image, name: Path::new(""), problems: Vec::new() }.table()?;
    if let Some(table) = &mut table {
        let sectors = table.sectors;
        table.partitions.retain(|partition| partition.first <= partition.last && partition.last < sectors);
    }
    Ok(table)
}

/// Returns the table that the first sectors of a disk promise, of which no more than these may be there yet; none, if
/// nothing sound is in them. Only [`parse`] on the whole disk tells whether it is true.
pub fn foretell(first: &dyn ReadAt) -> Option<Table> {
    let mut reader = Reader { image: first, name: Path::new(""), problems: Vec::new() };
    let mbr = reader.read(0, SECTOR as usize).ok()?;
    let last = Header::decode(&reader.read(1, SECTOR as usize).ok()?).ok()?.alternate_lba;
    let place = Place { name: "primary GPT header", lba: 1, alternate_lba: last };
    let copy = reader.copy(&place).ok()??;
    Some(copy.table(mbr, last.checked_add(1)?))
}

struct Reader<'a> {
    image: &'a dyn ReadAt,
    name: &'a Path,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn table(&mut self) -> io::Result<Option<Table>> {
        let size = self.image.size();
        // Two headers and the MBR are three sectors; less can't hold a table, and sums below would wrap.
        if !size.is_multiple_of(SECTOR) || size < 3 * SECTOR {
            self.wrong(
                "disk",
                format!("its size, {size} bytes, is not that of a disk of {SECTOR}-byte sectors"),
            );
            return Ok(None);
        }
        let last = size / SECTOR - 1;
        let mbr = self.read(0, SECTOR as usize)?;
        self.check_mbr(&mbr);
        let primary = self.copy(&Place { name: "primary GPT header", lba: 1, alternate_lba: last })?;
        let backup = self.copy(&Place { name: "backup GPT header", lba: last, alternate_lba: 1 })?;
        if let (Some(primary), Some(backup)) = (&primary, &backup) {
            self.check_agreement(primary, backup);
        }
        let Some(copy) = primary.or(backup) else { return Ok(None) };
        let header = copy.header;
        let table = copy.table(mbr, last + 1);
        self.check_partitions(&header, &table.partitions);
        Ok(Some(table))
    }

    fn check_mbr(&mut self, mbr: &[u8]) {
        if mbr[510..] != [0x55, 0xAA] {
            self.wrong("protective MBR", "sector 0 does not end with the boot signature 55 aa".into());
        } else if !mbr[446..510].chunks_exact(16).any(is_protective) {
            self.wrong("protective MBR", "no record has type 0xee and begins at sector 1".into());
        }
    }

    fn copy(&mut self, place: &Place) -> io::Result<Option<Copy>> {
        let sector = self.read(place.lba, SECTOR as usize)?;
        let header = match Header::decode(&sector) {
            Ok(header) => header,
            Err(what) => {
                self.wrong(place.name, format!("sector {}: {what}", place.lba));
                return Ok(None);
            }
        };
        if !self.check_places(place, &header) {
            return Ok(None);
        }
        let entries = self.read(header.entries_lba, header.entries_bytes())?;
        let found = crc32fast::hash(&entries);
        if found != header.entries_crc {
            let said = header.entries_crc;
            self.wrong(
                place.name,
                format!("its entries' checksum field is {said:#010x}, but their bytes give {found:#010x}"),
            );
            return Ok(None);
        }
        Ok(Some(Copy { header, entries }))
    }

    /// Checks where a header says that things are; returns whether all is in its place.
    fn check_places(&mut self, place: &Place, header: &Header) -> bool {
        let before = self.problems.len();
        let Header { my_lba, alternate_lba, first_usable, last_usable, entries_lba, .. } = *header;
        if my_lba != place.lba {
            self.wrong(
                place.name,
                format!("sector {}: it says that it belongs in sector {my_lba}", place.lba),
            );
        }
        if alternate_lba != place.alternate_lba {
            let right = place.alternate_lba;
            self.wrong(
                place.name,
                format!("it says that the other copy is in sector {alternate_lba}, not in {right}"),
            );
        }
        // Whichever copy it is, the larger of the two places is the last sector.
        let last = place.lba.max(place.alternate_lba);
        if first_usable < 2 || first_usable > last_usable || last_usable >= last {
            self.wrong(
                place.name,
                format!("its usable sectors, {first_usable} to {last_usable}, are not inside the disk"),
            );
        }
        let room = if place.lba == 1 { 2..first_usable } else { last_usable.saturating_add(1)..last };
        let end = entries_lba.checked_add(header.entries_sectors());
        if entries_lba < room.start || end.is_none_or(|end| end > room.end) {
            let count = header.entry_count;
            self.wrong(
                place.name,
                format!(
                    "its {count} entries, from sector {entries_lba} on, are not beside the usable sectors"
                ),
            );
        }
        self.problems.len() == before
    }

    fn check_agreement(&mut self, primary: &Copy, backup: &Copy) {
        let mut differing = Vec::new();
        let (one, other) = (&primary.header, &backup.header);
        if one.disk_guid != other.disk_guid {
            differing.push(format!("disk GUID {} and {}", one.disk_guid, other.disk_guid));
        }
        if (one.first_usable, one.last_usable) != (other.first_usable, other.last_usable) {
            differing.push(format!(
                "usable sectors {} to {} and {} to {}",
                one.first_usable, one.last_usable, other.first_usable, other.last_usable
            ));
        }
        if primary.entries != backup.entries {
            differing.push("entries".into());
        }
        if !differing.is_empty() {
            self.wrong("GPT", format!("the primary and the backup copy disagree: {}", differing.join(", ")));
        }
    }

    fn check_partitions(&mut self, header: &Header, partitions: &[Partition]) {
        let mut owners: HashMap<uuid::Uuid, u32> = HashMap::new();
        for partition in partitions {
            let Partition { number, id, first, last, label, .. } = partition;
            let key = format!("partition {number} \"{label}\"");
            if first > last || *first < header.first_usable || *last > header.last_usable {
                let (from, to) = (header.first_usable, header.last_usable);
                self.wrong(
                    &key,
                    format!("sectors {first} to {last} are not within the usable sectors {from} to {to}"),
                );
            }
            if id.is_nil() {
                self.wrong(&key, "it has no GUID of its own".into());
            } else if let Some(other) = owners.insert(*id, *number) {
                self.wrong(&key, format!("its GUID {id} is also that of partition {other}"));
            }
        }
        self.check_overlaps(partitions);
    }

    fn check_overlaps(&mut self, partitions: &[Partition]) {
        let mut order: Vec<&Partition> = partitions.iter().collect();
        order.sort_by_key(|partition| partition.first);
        let Some((mut furthest, rest)) = order.split_first().map(|(first, rest)| (*first, rest)) else {
            return;
        };
        for partition in rest {
            if partition.first <= furthest.last {
                let Partition { number, first, last, label, .. } = furthest;
                let (from, to) = (partition.first, partition.last);
                let what = format!(
                    "sectors {from} to {to} overlap partition {number} \"{label}\", sectors {first} to {last}"
                );
                self.wrong(&format!("partition {} \"{}\"", partition.number, partition.label), what);
            }
            if partition.last > furthest.last {
                furthest = partition;
            }
        }
    }

    fn read(&self, lba: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.image.read_at(&mut bytes, lba * SECTOR)?;
        Ok(bytes)
    }

    fn wrong(&mut self, key: &str, what: String) {
        self.problems.push(Problem {
            file: self.name.to_owned(),
            place: None,
            key: key.into(),
            what,
            fix: None,
        });
    }
}
