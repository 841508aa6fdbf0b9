// SPDX-License-Identifier: Apache-2.0
//! What a baked image is, by e2fsck, cmp, sgdisk, qemu-img, the kernel and systemd.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::Command;

use super::shop::{FIRSTBOOT, Shop, is_firstboot, succeeded};
use crate::disk::bases::{self, Layout, run};

/// Where ROOT lies on a disk, in bytes, as sgdisk sees it.
pub fn root(image: &Path) -> (u64, u64) {
    let told = run(Command::new("sgdisk").args(["-i", "9"]).arg(image));
    let sector = |label: &str| -> u64 {
        let line = told.lines().find(|line| line.starts_with(label)).unwrap();
        line.split_whitespace().nth(2).unwrap().parse().unwrap()
    };
    (sector("First sector:") * 512, (sector("Last sector:") + 1) * 512)
}

fn judge(layout: Layout, size: Option<u64>) {
    let shop = Shop::new(layout);
    if let Some(size) = size {
        shop.edit("formats: [raw, qcow2]", &format!("formats: [raw, qcow2]\n  size: {size}B"));
    }
    shop.bake("out", &[]);
    let (raw, qcow2, base) = (shop.path("out/node.raw"), shop.path("out/node.qcow2"), bases::flatcar(layout));
    assert_eq!(raw.metadata().unwrap().len(), size.unwrap_or(layout.size()));
    let (start, end) = root(&raw);
    assert_eq!(start, root(&base).0);

    let said = run(Command::new("e2fsck").args(["-fn", &format!("{}?offset={start}", raw.display())]));
    assert!(!said.contains("WARNING"), "{said}");
    let said = run(Command::new("sgdisk").arg("-v").arg(&raw));
    assert!(said.contains("No problems found"), "{said}");
    let said = run(Command::new("qemu-img").args(["check", "--output=json"]).arg(&qcow2));
    assert!(!said.contains("leaks") && !said.contains("corruptions"), "{said}");
    run(Command::new("qemu-img").args(["compare", "-f", "raw", "-F", "qcow2"]).args([&raw, &qcow2]));

    // All before ROOT but the primary table (34 sectors, of which sector 0 holds boot code and the size).
    let (boot_code, table) = (446, 34 * 512);
    same_bytes(&base, &raw, 0, boot_code);
    same_bytes(&base, &raw, table, start - table);
    if size.is_none() {
        same_bytes(&base, &raw, 0, table);
        same_bytes(&base, &raw, end, layout.size() - end);
    }
    let guid = |image: &Path| run(Command::new("sfdisk").arg("--disk-id").arg(image));
    assert_eq!(guid(&base), guid(&raw));
    mounted(&raw, start, end - start);
}

/// Compares by cmp(1).
fn same_bytes(a: &Path, b: &Path, skip: u64, count: u64) {
    let (skip, count) = (format!("--ignore-initial={skip}"), format!("--bytes={count}"));
    run(Command::new("cmp").args([skip, count]).args([a, b]));
}

/// Lets the kernel mount ROOT and looks at what is there. Needs root.
fn mounted(raw: &Path, start: u64, size: u64) {
    let place = tempfile::tempdir().unwrap();
    let options = format!("ro,noload,loop,offset={start},sizelimit={size}");
    run(Command::new("mount").args(["-t", "ext4", "-o", &options]).arg(raw).arg(place.path()));
    let path = |name: &str| place.path().join(name);
    let check = || {
        assert_eq!(fs::read(path("opt/bin/tool")).unwrap(), fs::read(FIRSTBOOT).unwrap());
        assert_eq!(fs::read_to_string(path("etc/notes.txt")).unwrap(), "no secret here\n");
        let big = path("opt/big.bin").metadata().unwrap();
        assert_eq!((big.mode() & 0o7777, big.uid(), big.gid(), big.len()), (0o600, 1000, 70000, 3 << 20));
        assert_eq!(big.blocks() * 512, 2 << 20, "the hole is kept");
        assert_eq!(fs::read_link(path("opt/link")).unwrap(), Path::new("/opt/bin/tool"));
        let wants = path("etc/systemd/system/multi-user.target.wants/tool.service");
        assert!(wants.symlink_metadata().unwrap().is_symlink());
        for absent in ["etc/machine-id", "etc/ssh", "etc/passwd", "etc/shadow"] {
            assert!(!path(absent).exists(), "{absent}");
        }
        let image: serde_json::Value =
            serde_json::from_slice(&fs::read(path("opt/kiln/image.json")).unwrap()).unwrap();
        assert_eq!(image["name"], "node");
        assert!(image["lock"]["inputs"]["base"].is_object());
        let sbom = fs::read(path("opt/kiln/sbom.cdx.json")).unwrap();
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&sbom).unwrap()["bomFormat"], "CycloneDX");
    };
    let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
    run(Command::new("umount").arg(place.path()));
    checked.unwrap();
}

#[test]
fn a_baked_current_flatcar_is_its_base_with_another_root() {
    judge(Layout::Current, None);
}

#[test]
fn a_baked_former_flatcar_may_grow() {
    judge(Layout::Former, Some(8 << 30));
}

#[test]
fn what_was_baked_can_be_read_back() {
    let shop = Shop::new(Layout::Former);
    shop.bake("out", &[]);
    for image in ["out/node.raw", "out/node.qcow2"] {
        let kiln = |words: &[&str]| succeeded(&shop.kiln(words).output().unwrap());
        assert_eq!(kiln(&["cat", image, "/etc/notes.txt"]), "no secret here\n");
        assert!(kiln(&["ls", image, "/opt/bin"]).contains("tool"));
        assert!(kiln(&["inspect", image]).contains("4459.2.4"));
        let inspected: serde_json::Value =
            serde_json::from_str(&kiln(&["inspect", "--format", "json", image])).unwrap();
        assert_eq!(inspected["partitions"].as_array().unwrap().len(), 7);
        let dest = format!("{}.d", image);
        kiln(&["extract", image, "/opt", &dest]);
        assert_eq!(fs::read(shop.path(&dest).join("bin/tool")).unwrap(), fs::read(FIRSTBOOT).unwrap());
    }
}

#[test]
fn an_extension_holds_the_programs_and_root_only_links_to_them() {
    let shop = Shop::new(Layout::Former);
    shop.edit("outputs:", "sysext: true\noutputs:");
    shop.bake("out", &[]);
    let kiln = |words: &[&str]| succeeded(&shop.kiln(words).output().unwrap());
    kiln(&["extract", "out/node.qcow2", "ROOT:/", "root"]);
    let root = shop.path("root");
    let extension = root.join("opt/extensions/kiln/node.raw");
    assert_eq!(
        fs::read_link(root.join("etc/extensions/node.raw")).unwrap(),
        Path::new("/opt/extensions/kiln/node.raw")
    );
    run(Command::new("unsquashfs").arg("-q").arg("-d").arg(shop.path("extension")).arg(&extension));
    // Nowhere in ROOT lies a plain copy, under whatever name.
    let sizes = run(Command::new("find").arg(&root).args(["-type", "f", "-printf", "%s %P\n"]));
    for name in ["tool", "kiln-firstboot"] {
        let target = fs::read_link(root.join("opt/bin").join(name)).unwrap();
        let inside = target.strip_prefix("/").unwrap();
        assert!(inside.starts_with("usr"), "{target:?}");
        let program = fs::read(shop.path("extension").join(inside)).unwrap();
        // The tool is cargo's everyday build; kiln-firstboot itself may be the small one.
        assert!(name == "kiln-firstboot" || program == fs::read(FIRSTBOOT).unwrap(), "{name}");
        assert!(is_firstboot(&program), "{name}");
        let copy = format!("{} ", program.len());
        assert!(sizes.lines().all(|line| !line.starts_with(&copy)), "{sizes}");
    }
}

#[test]
fn every_byte_of_the_description_can_be_recomputed() {
    // SHA-256 of each non-zero 512 KiB block by sha256sum(1), over the raw image.
    let shop = Shop::new(Layout::Former);
    shop.bake("out", &[]);
    let description: serde_json::Value =
        serde_json::from_slice(&fs::read(shop.path("out/node.json")).unwrap()).unwrap();
    let raw = fs::File::open(shop.path("out/node.raw")).unwrap();
    let blocks = description["blocks"]["blocks"].as_array().unwrap();
    assert!(!blocks.is_empty());
    for block in [&blocks[0], &blocks[blocks.len() / 2], &blocks[blocks.len() - 1]] {
        let (index, sha256) = (block[0].as_u64().unwrap(), block[1].as_str().unwrap());
        let mut bytes = vec![0; 512 << 10];
        let end = description["size"].as_u64().unwrap();
        let len = (end - index * (512 << 10)).min(512 << 10) as usize;
        raw.read_exact_at(&mut bytes[..len], index * (512 << 10)).unwrap();
        let piece = shop.path("piece");
        fs::write(&piece, bytes).unwrap();
        assert!(run(Command::new("sha256sum").arg(&piece)).starts_with(sha256));
    }
}

#[test]
fn both_programs_are_static_and_first_boot_says_what_it_was_not_told() {
    for program in [super::shop::KILN, FIRSTBOOT] {
        let told = run(Command::new("readelf").args(["-lW", program]));
        assert!(!told.contains("INTERP"), "{program} needs a loader:\n{told}");
        let told = run(Command::new("readelf").args(["-dW", program]));
        assert!(!told.contains("NEEDED"), "{program} needs libraries:\n{told}");
    }
    let empty = tempfile::tempdir().unwrap();
    let output = Command::new(FIRSTBOOT).args(["run", "--root"]).arg(empty.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("api.endpoint: is missing, and a worker does not know where to go"), "{said}");
}
