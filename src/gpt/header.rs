// SPDX-License-Identifier: Apache-2.0
//! The bytes of one header and of one entry (UEFI 2.10, tables 5.5 and 5.6). Each is checked alone here; that the two
//! copies fit together is [`super::parse`]'s to find out.

use uuid::Uuid;

use super::{ENTRY, Partition, SECTOR};

const SIGNATURE: &[u8; 8] = b"EFI PART";
const REVISION: u32 = 0x0001_0000;
const HEADER_BYTES: usize = 92;

/// Entries that a table may have: firmware reserves 128, and nobody makes more than a few hundred. The bound keeps a
/// wrong table from asking for gigabytes.
const ENTRIES_MAX: u32 = 1024;

/// One copy of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub my_lba: u64,
    pub alternate_lba: u64,
    pub first_usable: u64,
    pub last_usable: u64,
    pub disk_guid: Uuid,
    pub entries_lba: u64,
    pub entry_count: u32,
    pub entries_crc: u32,
}

impl Header {
    /// Reads a header; what is wrong with its form comes back as words.
    pub fn decode(sector: &[u8]) -> Result<Self, String> {
        if &sector[..8] != SIGNATURE {
            return Err("there is no \"EFI PART\" signature".into());
        }
        let size = u32_at(sector, 12) as usize;
        if !(HEADER_BYTES..=SECTOR as usize).contains(&size) {
            return Err(format!("its size field is {size}, not between {HEADER_BYTES} and {SECTOR}"));
        }
        let (said, found) = (u32_at(sector, 16), checksum(&sector[..size]));
        if said != found {
            return Err(format!("its checksum field is {said:#010x}, but its bytes give {found:#010x}"));
        }
        if u32_at(sector, 8) != REVISION {
            return Err(format!("its revision is {:#010x}, not {REVISION:#010x}", u32_at(sector, 8)));
        }
        let (count, entry_size) = (u32_at(sector, 80), u32_at(sector, 84));
        if entry_size as usize != ENTRY {
            return Err(format!("its entries have {entry_size} bytes each, not {ENTRY}"));
        }
        if !(1..=ENTRIES_MAX).contains(&count) {
            return Err(format!("it announces {count} entries, not 1 to {ENTRIES_MAX}"));
        }
        Ok(Self::of_sector(sector))
    }

    fn of_sector(sector: &[u8]) -> Self {
        Self {
            my_lba: u64_at(sector, 24),
            alternate_lba: u64_at(sector, 32),
            first_usable: u64_at(sector, 40),
            last_usable: u64_at(sector, 48),
            disk_guid: guid_at(sector, 56),
            entries_lba: u64_at(sector, 72),
            entry_count: u32_at(sector, 80),
            entries_crc: u32_at(sector, 88),
        }
    }

    /// Returns the sector that holds this header.
    pub fn encode(&self) -> Vec<u8> {
        let mut sector = vec![0; SECTOR as usize];
        sector[..8].copy_from_slice(SIGNATURE);
        sector[8..12].copy_from_slice(&REVISION.to_le_bytes());
        sector[12..16].copy_from_slice(&(HEADER_BYTES as u32).to_le_bytes());
        sector[24..32].copy_from_slice(&self.my_lba.to_le_bytes());
        sector[32..40].copy_from_slice(&self.alternate_lba.to_le_bytes());
        sector[40..48].copy_from_slice(&self.first_usable.to_le_bytes());
        sector[48..56].copy_from_slice(&self.last_usable.to_le_bytes());
        sector[56..72].copy_from_slice(&self.disk_guid.to_bytes_le());
        sector[72..80].copy_from_slice(&self.entries_lba.to_le_bytes());
        sector[80..84].copy_from_slice(&self.entry_count.to_le_bytes());
        sector[84..88].copy_from_slice(&(ENTRY as u32).to_le_bytes());
        sector[88..92].copy_from_slice(&self.entries_crc.to_le_bytes());
        let crc = checksum(&sector[..HEADER_BYTES]);
        sector[16..20].copy_from_slice(&crc.to_le_bytes());
        sector
    }

    /// Returns the backup of this primary header; its entries end where it begins.
    pub fn mirrored(&self) -> Self {
        Self {
            my_lba: self.alternate_lba,
            alternate_lba: self.my_lba,
            entries_lba: self.alternate_lba - self.entries_sectors(),
            ..*self
        }
    }

    pub fn entries_bytes(&self) -> usize {
        self.entry_count as usize * ENTRY
    }

    pub fn entries_sectors(&self) -> u64 {
        (self.entries_bytes() as u64).div_ceil(SECTOR)
    }
}

/// Reads the used entries of an array.
pub(super) fn decode_entries(entries: &[u8]) -> Vec<Partition> {
    let used = entries.chunks_exact(ENTRY).zip(1..).filter(|(entry, _)| !guid_at(entry, 0).is_nil());
    used.map(|(entry, number)| Partition {
        number,
        kind: guid_at(entry, 0),
        id: guid_at(entry, 16),
        first: u64_at(entry, 32),
        last: u64_at(entry, 40),
        attributes: u64_at(entry, 48),
        label: decode_name(&entry[56..]),
    })
    .collect()
}

fn decode_name(name: &[u8]) -> String {
    let units = name.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    String::from_utf16_lossy(&units)
}

/// The header's CRC-32 with its own field taken as zero.
fn checksum(header: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&header[..16]);
    hasher.update(&[0; 4]);
    hasher.update(&header[20..]);
    hasher.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn guid_at(bytes: &[u8], at: usize) -> Uuid {
    Uuid::from_bytes_le(bytes[at..at + 16].try_into().expect("sixteen bytes"))
}
