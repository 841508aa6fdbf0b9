// SPDX-License-Identifier: Apache-2.0
//! The known layouts, as data. Flatcar's are those of `build_library/disk_layout.json` in flatcar/scripts (sizes changed
//! in 4593, pull request 3027), with the type GUIDs of flatcar/seismograph's `gpt.h`.

use std::ops::RangeInclusive;

use uuid::{Uuid, uuid};

use crate::gpt::{Partition, Table};

/// Bytes in a MiB, the unit of the sizes below.
pub const MIB: u64 = 1 << 20;
/// The number of the partition that a bake writes.
pub const ROOT_NUMBER: u32 = 9;
/// Its label, and that of the filesystem in it.
pub const ROOT_LABEL: &str = "ROOT";
/// Flatcar's type of a partition that the first boot enlarges (`flatcar-resize`).
pub const RESIZE_TYPE: Uuid = uuid!("3884dd41-8582-4404-b9a8-e9b84f2df50e");
/// The partition GUID of USR-A on kiln's own lab image (`image/lab/build`); nobody else uses it.
pub const LAB_USR_A: Uuid = uuid!("6b696c6e-6c61-4200-8000-000000000003");

const EFI: Uuid = uuid!("c12a7328-f81f-11d2-ba4b-00a0c93ec93b");
const BIOS: Uuid = uuid!("21686148-6449-6e6f-744e-656564454649");
const FLATCAR_USR: Uuid = uuid!("5dfbf5f4-2848-4bac-aa5e-0d9a20b745a6");
const DATA: Uuid = uuid!("0fc63daf-8483-4772-8e79-3d69d8477de4");
const RESERVED: Uuid = uuid!("c95dc21a-df0e-4340-8d7b-26cbfa9a03e0");
const FLATCAR_USR_A: Uuid = uuid!("7130c94a-213a-4e5a-8e26-6cce9662f132");
const FLATCAR_USR_B: Uuid = uuid!("e03dd35c-7c2d-4a47-b3fe-27f15780a57c");

/// Where an image with a known layout comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Flatcar Container Linux.
    Flatcar,
    /// kiln's own lab image.
    Lab,
}

/// One known layout.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    /// What people call it.
    pub name: &'static str,
    /// Whose it is.
    pub family: Family,
    /// Its partitions, all of them.
    pub partitions: &'static [Expected],
}

/// What a layout expects of one partition.
#[derive(Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its number.
    pub number: u32,
    /// Its label.
    pub label: &'static str,
    /// Its type GUID.
    pub kind: Uuid,
    /// Its own GUID, where it is the same in every image.
    pub id: Option<Uuid>,
    /// Its size in MiB.
    pub size_mib: RangeInclusive<u64>,
    /// Whether an image without it still follows the layout.
    pub optional: bool,
}

/// The layouts that kiln bakes on.
pub static LAYOUTS: [Layout; 3] = [
    Layout {
        name: "Flatcar from 4593 on",
        family: Family::Flatcar,
        partitions: &[
            fixed(1, "EFI-SYSTEM", EFI, 1024),
            fixed(2, "BIOS-BOOT", BIOS, 2),
            fixed(3, "USR-A", FLATCAR_USR, 2048).with_id(FLATCAR_USR_A),
            fixed(4, "USR-B", FLATCAR_USR, 2048).with_id(FLATCAR_USR_B),
            fixed(6, "OEM", DATA, 1024),
            fixed(7, "OEM-CONFIG", RESERVED, 64),
            ROOT,
        ],
    },
    Layout {
        name: "Flatcar up to 4459",
        family: Family::Flatcar,
        partitions: &[
            fixed(1, "EFI-SYSTEM", EFI, 128),
            fixed(2, "BIOS-BOOT", BIOS, 2),
            fixed(3, "USR-A", FLATCAR_USR, 1024).with_id(FLATCAR_USR_A),
            fixed(4, "USR-B", FLATCAR_USR, 1024).with_id(FLATCAR_USR_B),
            fixed(6, "OEM", DATA, 128),
            fixed(7, "OEM-CONFIG", RESERVED, 64),
            ROOT,
        ],
    },
    // The recipe in image/lab may move sizes and leave out what it has no use for; USR-A's GUID makes it the lab's.
    Layout {
        name: "kiln's lab image",
        family: Family::Lab,
        partitions: &[
            any_size(1, "EFI-SYSTEM", EFI),
            any_size(2, "BIOS-BOOT", BIOS).or_absent(),
            any_size(3, "USR-A", FLATCAR_USR).with_id(LAB_USR_A),
            any_size(4, "USR-B", FLATCAR_USR).or_absent(),
            any_size(6, "OEM", DATA).or_absent(),
            any_size(7, "OEM-CONFIG", RESERVED).or_absent(),
            any_size(ROOT_NUMBER, ROOT_LABEL, RESIZE_TYPE),
        ],
    },
];

/// ROOT is 1784 MiB in the current base layout and 24842 in Azure's; less than 1 GiB was never shipped, and 64 TiB is
/// the largest cloud disk.
const ROOT: Expected =
    Expected { size_mib: 1024..=64 << 20, ..any_size(ROOT_NUMBER, ROOT_LABEL, RESIZE_TYPE) };

const fn fixed(number: u32, label: &'static str, kind: Uuid, mib: u64) -> Expected {
    Expected { number, label, kind, id: None, size_mib: mib..=mib, optional: false }
}

const fn any_size(number: u32, label: &'static str, kind: Uuid) -> Expected {
    Expected { number, label, kind, id: None, size_mib: 1..=64 << 20, optional: false }
}

impl Expected {
    const fn with_id(self, id: Uuid) -> Self {
        Self { id: Some(id), ..self }
    }

    const fn or_absent(self) -> Self {
        Self { optional: true, ..self }
    }

    fn differences(&self, found: &Partition) -> Vec<String> {
        let Self { number, label, kind, id, size_mib, optional: _ } = self;
        let mut differences = Vec::new();
        let mut differs = |what: String| differences.push(format!("partition {number} {what}"));
        if found.label != *label {
            differs(format!("is \"{}\", not {label}", found.label));
        }
        if found.kind != *kind {
            differs(format!("has type {}, not {kind}", found.kind));
        }
        if let Some(id) = id.filter(|id| *id != found.id) {
            differs(format!("has GUID {}, not {id}", found.id));
        }
        let bytes = found.size_bytes();
        if !(size_mib.start() * MIB..=size_mib.end() * MIB).contains(&bytes) {
            differs(format!("has {bytes} bytes, not {}", in_mib(size_mib)));
        }
        differences
    }
}

impl Layout {
    /// Returns how a disk differs from this layout; empty: it follows it.
    pub fn differences(&self, table: &Table) -> Vec<String> {
        let mut differences = Vec::new();
        for expected in self.partitions {
            match table.partition(expected.number) {
                Some(found) => differences.extend(expected.differences(found)),
                None if expected.optional => {}
                None => {
                    differences.push(format!("partition {} {} is absent", expected.number, expected.label))
                }
            }
        }
        let known = |number| self.partitions.iter().any(|expected| expected.number == number);
        for found in table.partitions.iter().filter(|found| !known(found.number)) {
            differences.push(format!("partition {} \"{}\" is not part of it", found.number, found.label));
        }
        let last = table.partitions.iter().max_by_key(|partition| partition.first);
        if last.is_some_and(|last| last.number != ROOT_NUMBER) {
            differences.push(format!("partition {ROOT_NUMBER} {ROOT_LABEL} is not the last on the disk"));
        }
        differences
    }
}

fn in_mib(range: &RangeInclusive<u64>) -> String {
    if range.start() == range.end() {
        format!("{} MiB", range.start())
    } else {
        format!("{} to {} MiB", range.start(), range.end())
    }
}
