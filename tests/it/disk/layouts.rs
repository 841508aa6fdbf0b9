// SPDX-License-Identifier: Apache-2.0

use std::path::Path;
use std::process::Command;

use kiln::base::{self, Base};
use kiln::disk::Extent;
use kiln::gpt;
use kiln::host::disk::open_image;

use super::bases::{self, Layout, noise, run};
use super::sample::{Store, raw, reader, write_both};

fn open(image: &Path) -> Base {
    let table = gpt::parse(&*open_image(image).unwrap(), image).unwrap();
    base::recognise(table, image).unwrap()
}

/// Bakes a ROOT of a few bytes on a base, enlarged by `growth` bytes; lets other tools judge the result.
fn check(layout: Layout, growth: u64) {
    let image = bases::flatcar(layout);
    let base = open(&image);
    let grown = base.grow(layout.size() + growth).unwrap();
    let size = grown.partition(9).unwrap().size_bytes();
    let root = vec![Extent::of_bytes(1024, noise(8, 100_000)), Extent::of_bytes(size - 4096, noise(9, 4096))];
    let disk = reader(base.assemble(&grown, root), Some(raw(&image)), Store::default());
    let folder = tempfile::tempdir().unwrap();
    let (raw, qcow2) = write_both(&disk, folder.path(), 2);

    let said = run(Command::new("sgdisk").arg("-v").arg(&raw));
    assert!(said.contains("No problems found"), "{said}");
    run(Command::new("sfdisk").args(["--verify", "-q"]).arg(&raw));
    let said = run(Command::new("sgdisk").args(["-i", "9"]).arg(&raw));
    assert!(said.contains("3884DD41-8582-4404-B9A8-E9B84F2DF50E") && said.contains("'ROOT'"), "{said}");
    let said = run(Command::new("sgdisk").arg("-p").arg(&raw));
    assert!(said.contains("Disk identifier (GUID): 00000000-0000-0000-0000-000000000001"), "{said}");
    run(Command::new("qemu-img").args(["check", "-q"]).arg(&qcow2));
    run(Command::new("qemu-img").args(["compare", "-q"]).args([&raw, &qcow2]));
    check_untouched(&base, &image, &raw, growth == 0);
    assert_eq!(gpt::parse(&*open_image(&qcow2).unwrap(), &qcow2).unwrap(), grown);
}

/// All but ROOT (and, on a larger disk, the table and the MBR's size field) equals the base.
fn check_untouched(base: &Base, image: &Path, raw: &Path, whole: bool) {
    let first = base.table.first_usable * 512;
    let (root, end) = (base.root().start_bytes(), base.table.size_bytes());
    if whole {
        same(image, raw, 0, root);
        same(image, raw, base.root().end_bytes(), end);
    } else {
        same(image, raw, 0, 446 + 12);
        same(image, raw, 446 + 16, 512);
        same(image, raw, first, root);
    }
}

fn same(one: &Path, other: &Path, from: u64, to: u64) {
    let (skip, len) = (from.to_string(), (to - from).to_string());
    run(Command::new("cmp").args(["-i", &skip, "-n", &len]).args([one, other]));
}

#[test]
fn the_current_layout_is_baked_at_its_own_size() {
    assert_eq!(open(&bases::flatcar(Layout::Current)).layout.name, "Flatcar from 4593 on");
    check(Layout::Current, 0);
}

#[test]
fn the_current_layout_grows() {
    check(Layout::Current, 4 << 30);
}

#[test]
fn the_former_layout_is_baked_at_its_own_size() {
    assert_eq!(open(&bases::flatcar(Layout::Former)).layout.name, "Flatcar up to 4459");
    check(Layout::Former, 0);
}

#[test]
fn the_former_layout_grows_by_an_odd_size() {
    check(Layout::Former, (126 << 20) + 512);
}

#[test]
fn a_disk_of_other_partitions_is_refused_with_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("other.raw");
    std::fs::File::create(&image).unwrap().set_len(1 << 30).unwrap();
    run(Command::new("sgdisk").args(["-n", "1:2048:+100M", "-c", "1:linux", "-t", "1:8300"]).arg(&image));
    let table = gpt::parse(&*open_image(&image).unwrap(), &image).unwrap();
    let said = base::recognise(table, &image).unwrap_err().to_string();
    assert!(said.contains("  1  linux                 102400 KiB  type 0fc63daf"), "{said}");
    assert!(said.contains("not Flatcar up to 4459: partition 1 is \"linux\", not EFI-SYSTEM;"), "{said}");
    assert!(said.contains("partition 9 ROOT is absent"), "{said}");
}

#[test]
fn a_table_that_sgdisk_damages_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("cut.raw");
    let file = std::fs::File::create(&image).unwrap();
    file.set_len(64 << 20).unwrap();
    run(Command::new("sgdisk").args(["-n", "9:2048:+10M"]).arg(&image));
    file.set_len(65 << 20).unwrap();
    let said = gpt::parse(&*open_image(&image).unwrap(), Path::new("cut.raw")).unwrap_err().to_string();
    assert!(
        said.contains(
            "cut.raw: primary GPT header: it says that the other copy is in sector 131071, not in 133119"
        ),
        "{said}"
    );
    assert!(
        said.contains("cut.raw: backup GPT header: sector 133119: there is no \"EFI PART\" signature"),
        "{said}"
    );
}
