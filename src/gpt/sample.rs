// SPDX-License-Identifier: Apache-2.0
//! Tables for tests.

use uuid::Uuid;

use super::grow::write_mbr_size;
use super::{ENTRY, Partition, SECTOR, Table};
use crate::disk::{Extent, Source};

/// Returns a table of these partitions on a disk of `sectors`, as sgdisk lays it out.
pub(crate) fn table(sectors: u64, partitions: Vec<Partition>) -> Table {
    let mut mbr = vec![0; SECTOR as usize];
    mbr[..4].copy_from_slice(b"boot");
    mbr[446 + 4] = 0xEE;
    mbr[446 + 8] = 1;
    mbr[510..].copy_from_slice(&[0x55, 0xAA]);
    write_mbr_size(&mut mbr, sectors);
    Table {
        disk_guid: Uuid::from_u128(1),
        sectors,
        first_usable: 34,
        last_usable: sectors - 34,
        entries: entries(&partitions),
        partitions,
        mbr,
        entries_lba: 2,
    }
}

/// Returns a partition with a GUID made from its number.
pub(crate) fn partition(number: u32, label: &str, kind: Uuid, first: u64, last: u64) -> Partition {
    let id = Uuid::from_u128(u128::from(number) << 64 | 7);
    Partition { number, kind, id, first, last, attributes: 1 << 56, label: label.into() }
}

/// Returns a disk of 8192 sectors with an ESP and a ROOT.
pub(crate) fn small() -> Table {
    let kind = Uuid::from_u128(0xC0FFEE);
    table(8192, vec![partition(1, "ESP", kind, 64, 127), partition(9, "ROOT", kind, 4096, 8158)])
}

/// Returns the whole disk's bytes.
pub(crate) fn image(table: &Table) -> Vec<u8> {
    let mut image = vec![0; table.size_bytes() as usize];
    for Extent { offset, len, source } in table.render() {
        let Source::Bytes { bytes, start } = source else { unreachable!("tables are made of bytes") };
        image[offset as usize..(offset + len) as usize].copy_from_slice(&bytes[start..start + len as usize]);
    }
    image
}

fn entries(partitions: &[Partition]) -> Vec<u8> {
    let mut entries = vec![0; 128 * ENTRY];
    for Partition { number, kind, id, first, last, attributes, label } in partitions {
        let at = (*number as usize - 1) * ENTRY;
        let name: Vec<u8> = label.encode_utf16().flat_map(u16::to_le_bytes).collect();
        entries[at..at + 16].copy_from_slice(&kind.to_bytes_le());
        entries[at + 16..at + 32].copy_from_slice(&id.to_bytes_le());
        entries[at + 32..at + 40].copy_from_slice(&first.to_le_bytes());
        entries[at + 40..at + 48].copy_from_slice(&last.to_le_bytes());
        entries[at + 48..at + 56].copy_from_slice(&attributes.to_le_bytes());
        entries[at + 56..at + 56 + name.len()].copy_from_slice(&name);
    }
    entries
}
