// SPDX-License-Identifier: Apache-2.0
//! Each layout against disks that follow it and that do not, and the extents that a bake makes of one.

use std::path::Path;

use super::*;
use crate::disk::Source;
use crate::gpt::sample;

const SECTORS_PER_MIB: u64 = 2048;

/// Returns a disk that follows a layout: each partition of the least size, from 2 MiB on.
fn following(layout: &Layout) -> Table {
    let mut first = 2 * SECTORS_PER_MIB;
    let mut partitions = Vec::new();
    for expected in layout.partitions {
        let last = first + expected.size_mib.start() * SECTORS_PER_MIB - 1;
        let mut partition = sample::partition(expected.number, expected.label, expected.kind, first, last);
        partition.id = expected.id.unwrap_or(partition.id);
        partitions.push(partition);
        first = last + 1;
    }
    sample::table(first + 2 * SECTORS_PER_MIB, partitions)
}

fn refused(table: Table) -> String {
    recognise(table, Path::new("base.raw")).unwrap_err().to_string()
}

#[test]
fn each_layout_is_recognised_by_its_partitions() {
    for layout in &LAYOUTS {
        let base = recognise(following(layout), Path::new("base.raw")).unwrap();
        assert_eq!(base.layout.name, layout.name);
        assert_eq!(base.root().label, "ROOT");
        assert_eq!(base.partition("USR-A").unwrap().number, 3);
        assert!(base.untouched().all(|partition| partition.number <= 7));
    }
}

#[test]
fn another_layout_is_refused_with_all_that_was_found() {
    let mut table = following(&LAYOUTS[0]);
    table.partitions[2].id = table.partitions[0].kind;
    table.partitions[4].label = "DATA".into();
    let said = refused(table);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "base.raw: these partitions follow no layout that kiln knows:");
    assert_eq!(
        lines[5],
        "    6  DATA                 1048576 KiB  type 0fc63daf-8483-4772-8e79-3d69d8477de4  \
         id 00000000-0000-0006-0000-000000000007"
    );
    assert_eq!(
        lines[8],
        "not Flatcar from 4593 on: partition 3 has GUID c12a7328-f81f-11d2-ba4b-00a0c93ec93b, not \
         7130c94a-213a-4e5a-8e26-6cce9662f132; partition 6 is \"DATA\", not OEM"
    );
    assert!(lines[9].contains("partition 1 has 1073741824 bytes, not 128 MiB"));
    assert_eq!(lines.len(), 11);
}

#[test]
fn a_missing_a_foreign_and_a_moved_partition_are_refused() {
    let mut table = following(&LAYOUTS[1]);
    let root = table.partitions.pop().unwrap();
    assert!(refused(table.clone()).contains("partition 9 ROOT is absent"));
    table.partitions.push(root);
    table.partitions.push(sample::partition(10, "MORE", RESIZE_TYPE, 40, 41));
    assert!(refused(table.clone()).contains("partition 10 \"MORE\" is not part of it"));
    table.partitions[6].first = 1;
    assert!(refused(table).contains("partition 9 ROOT is not the last on the disk"));
}

#[test]
fn an_ungrown_disk_is_the_base_with_another_root() {
    let base = recognise(following(&LAYOUTS[1]), Path::new("base.raw")).unwrap();
    let grown = base.grow(base.table.size_bytes()).unwrap();
    let disk = base.assemble(&grown, vec![Extent::of_bytes(4096, vec![7; 10])]);
    let (start, end, size) = (base.root().start_bytes(), base.root().end_bytes(), base.table.size_bytes());
    let from_base = |offset, len| Extent { offset, len, source: Source::Base { offset } };
    assert_eq!(disk.size, size);
    assert_eq!(
        disk.extents,
        [from_base(0, start), Extent::of_bytes(start + 4096, vec![7; 10]), from_base(end, size - end)]
    );
}

#[test]
fn a_grown_disk_has_new_tables_and_nothing_of_the_old_backup() {
    let base = recognise(following(&LAYOUTS[0]), Path::new("base.raw")).unwrap();
    let size = base.table.size_bytes() + 100 * MIB;
    let disk = base.assemble(&base.grow(size).unwrap(), Vec::new());
    let places: Vec<(u64, u64, bool)> = disk
        .extents
        .iter()
        .map(|extent| (extent.offset, extent.end(), matches!(extent.source, Source::Base { .. })))
        .collect();
    let start = base.root().start_bytes();
    assert_eq!(
        places,
        [
            (0, 1024, false),
            (1024, 17408, false),
            (17408, start, true),
            (size - 512 - 16384, size - 512, false),
            (size - 512, size, false)
        ]
    );
}
