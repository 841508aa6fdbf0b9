// SPDX-License-Identifier: Apache-2.0
//! `kiln verify`: an image that is what it carries, and every way not to be.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use kiln::bake::Desk;
use kiln::bake::verify::verify;
use kiln::disk::ReadAt;
use kiln::host::cache::Cache;
use kiln::host::disk::open_image;
use kiln::progress::Silent;

use super::{first_block, flip, json, told};
use crate::bake::shop::{FIRSTBOOT, Shop, published_base};
use crate::bake::trouble::names;
use crate::disk::bases::{self, Layout};

/// First byte of USR-A in the former layout.
const USR_A: u64 = 270_336 * 512;

#[test]
fn a_baked_image_is_what_it_carries() {
    let shop = Shop::new(Layout::Former);
    shop.bake("out", &[]);
    let before = names(&shop.path("out"));
    for image in ["out/node.raw", "out/node.qcow2"] {
        let (code, out, err) = told(&shop, &["verify", image, "--folder", "image", "--offline"]);
        assert_eq!(code, 0, "{out}{err}");
        let version = kiln::mark::VERSION;
        assert!(
            out.starts_with(&format!("{image}: every byte is what kiln {version} bakes as node\n")),
            "{out}"
        );
    }
    let (code, verified) = json(&shop, &["verify", "out/node.raw", "--folder", "image"]);
    assert_eq!((code, &verified["is_same"], &verified["blocks"]), (0, &true.into(), &0.into()));
    let description: serde_json::Value =
        serde_json::from_slice(&fs::read(shop.path("out/node.json")).unwrap()).unwrap();
    assert_eq!(verified["plan"], description["plan"]);
    assert_eq!(names(&shop.path("out")), before, "nothing is written");
}

#[test]
fn one_byte_is_found_wherever_it_is() {
    let shop = Shop::new(Layout::Former);
    shop.edit("outputs:", "sysext: true\noutputs:");
    shop.bake("out", &[]);
    let raw = shop.path("out/node.raw");
    let verified = |offset: u64| {
        flip(&raw, offset);
        let (code, verified) = json(&shop, &["verify", "out/node.raw", "--folder", "image"]);
        flip(&raw, offset);
        assert_eq!((code, &verified["blocks"]), (1, &1.into()), "{verified}");
        let differences = verified["differences"].as_array().unwrap();
        assert_eq!(differences.len(), 1, "{verified}");
        assert_eq!((&differences[0]["offset"], &differences[0]["bytes"]), (&offset.into(), &1.into()));
        differences[0].clone()
    };
    let big = first_block(&raw, "/opt/big.bin") + 5000;
    let found = verified(big);
    assert_eq!((found["in"].as_str(), found["path"].as_str()), (Some("file"), Some("/opt/big.bin")));
    assert_eq!((found["part"].as_str(), found["file_offset"].as_u64()), (Some("contents"), Some(5000)));
    flip(&raw, big);
    let (code, out, _) = told(&shop, &["verify", "out/node.raw", "--folder", "image"]);
    flip(&raw, big);
    let line = format!("  ROOT:/opt/big.bin, from byte 5000 on: 1 byte, at offset {big} of the disk\n");
    assert!(code == 1 && out.contains(&line), "{out}");

    let extension = "/opt/extensions/kiln/node.raw";
    let found = verified(first_block(&raw, extension) + 96);
    assert_eq!(found["path"], extension);
    // A folder's entries, and behind the last file nothing that anybody owns.
    assert_eq!(verified(first_block(&raw, "/opt/bin") + 100)["path"], "/opt/bin");
    let free = verified(Layout::Former.size() - (3 << 20));
    assert_eq!(
        (&free["in"], &free["label"], &free["number"]),
        (&"partition".into(), &"ROOT".into(), &9.into())
    );

    let usr = verified(USR_A + 70_000);
    assert_eq!((&usr["label"], &usr["number"]), (&"USR-A".into(), &3.into()));
    assert_eq!(usr["partition_offset"], 70_000);
    for table in [446 + 4, 512 + 60, 1024 + 130, Layout::Former.size() - 512 + 17] {
        assert_eq!(verified(table)["in"], "table");
    }
}

#[test]
fn another_mode_of_a_file_is_its_inode() {
    use crate::bake::proof::root;
    use crate::disk::bases::run;
    let shop = Shop::new(Layout::Former);
    shop.bake("out", &[]);
    let raw = shop.path("out/node.raw");
    let disk = format!("{}?offset={}", raw.display(), root(&raw).0);
    let change = "set_inode_field /etc/notes.txt mode 0100755";
    run(std::process::Command::new("debugfs").args(["-w", "-R", change]).arg(disk));
    let (code, verified) = json(&shop, &["verify", "out/node.raw", "--folder", "image"]);
    assert_eq!(code, 1);
    let found: Vec<&serde_json::Value> = verified["differences"].as_array().unwrap().iter().collect();
    let is_inode = |it: &&&serde_json::Value| it["path"] == "/etc/notes.txt" && it["part"] == "inode";
    assert_eq!(found.iter().filter(is_inode).count(), 1, "{verified}");
}

#[test]
fn files_of_this_machine_that_moved_are_named() {
    let mut shop = Shop::with_cold_cache(Layout::Former);
    shop.bake("out", &[]);
    fs::remove_file(shop.path("image/files/notes.txt")).unwrap();
    fs::write(shop.path("image/files/big.bin"), "small").unwrap();
    // The cache has what they were.
    let (code, out, err) = told(&shop, &["verify", "out/node.raw", "--folder", "image"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("note: image/files/big.bin has changed: its sha256 is "), "{out}");
    assert!(out.contains("note: image/files/notes.txt is missing; its sha256 was "), "{out}");
    assert!(out.contains("every byte is what kiln"), "{out}");
    // Another machine's has not.
    shop.cache = shop.path("other cache");
    let (code, out, err) = told(&shop, &["verify", "out/node.raw", "--folder", "image"]);
    assert_eq!((code, out.as_str()), (78, ""), "{err}");
    let lines: Vec<&str> = err.lines().map(str::trim_start).collect();
    assert_eq!(
        lines[0],
        "it can't be baked again from the files of this machine, and the cache has no copy of what they were:"
    );
    assert!(lines[1].starts_with("image/files/big.bin has changed: its sha256 is "), "{err}");
    assert!(lines[2].starts_with("image/files/notes.txt is missing; its sha256 was "), "{err}");
    assert_eq!(lines[3], "name the folder of its manifest with --folder, in the state that was baked");
    assert_eq!(lines.len(), 4, "{err}");
}

#[test]
fn a_base_that_is_a_raw_disk_is_hashed_again() {
    let mut shop = Shop::with_cold_cache(Layout::Former);
    let base = shop.path("image/base.raw");
    let copy =
        Command::new("cp").arg("--sparse=always").arg(bases::flatcar(Layout::Former)).arg(&base).status();
    assert!(copy.unwrap().success());
    shop.edit(&published_base(Layout::Former).display().to_string(), "base.raw");
    shop.bake("out", &[]);
    let words = ["verify", "out/node.raw", "--folder", "image", "--offline"];
    let (code, out, err) = told(&shop, &words);
    assert_eq!(code, 0, "{out}{err}");
    // The cache has what it was; another machine's has not.
    flip(&base, USR_A);
    let (code, out, err) = told(&shop, &words);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("note: image/base.raw has changed: its sha256 is "), "{out}");
    shop.cache = shop.path("other cache");
    let (code, out, err) = told(&shop, &words);
    assert_eq!((code, out.as_str()), (78, ""), "{err}");
    assert!(err.contains("image/base.raw has changed: its sha256 is "), "{err}");
}

#[test]
fn a_machine_that_has_never_baked_it_can_verify_it() {
    let mut shop = Shop::with_cold_cache(Layout::Former);
    shop.bake("out", &[]);
    shop.cache = shop.path("other cache");
    fs::remove_file(shop.path("image/node.yaml")).unwrap();
    fs::remove_file(shop.path("image/node.lock")).unwrap();
    let (code, out, err) = told(&shop, &["verify", "out/node.qcow2", "--folder", "image"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(!shop.path("image/node.lock").exists());
}

#[test]
fn what_can_not_be_baked_again_says_why() {
    let shop = Shop::new(Layout::Former);
    shop.bake("out", &[]);
    let base = bases::flatcar(Layout::Former).display().to_string();
    let (code, _, err) = told(&shop, &["verify", &base]);
    let why = "it can't be baked again: it has no /opt/kiln/image.json on ROOT, so kiln has not baked it";
    assert_eq!((code, err.as_str()), (78, why));

    let raw = shop.path("out/node.raw");
    let account = first_block(&raw, "/opt/kiln/image.json");
    flip(&raw, account);
    let (code, _, err) = told(&shop, &["verify", "out/node.raw"]);
    flip(&raw, account);
    assert!(err.starts_with("it can't be baked again: can't understand its /opt/kiln/image.json: "), "{err}");
    assert_eq!(code, 78);

    let disk = fs::OpenOptions::new().read(true).write(true).open(&raw).unwrap();
    let mut block = vec![0; 4096];
    disk.read_exact_at(&mut block, account).unwrap();
    let plan = memchr::memmem::find(&block, b"\"plan\": \"").unwrap() + 9;
    let digit = if block[plan] == b'0' { b"1" } else { b"0" };
    disk.write_all_at(digit, account + plan as u64).unwrap();
    let (code, _, err) = told(&shop, &["verify", "out/node.raw", "--folder", "image"]);
    assert!(err.starts_with("it can't be baked again: its account was changed after the bake: "), "{err}");
    assert_eq!(code, 78);
}

#[test]
fn another_kiln_is_named() {
    let shop = Shop::new(Layout::Former);
    shop.bake("out", &[]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cache = Cache::open(&shop.cache.join("kiln"), Duration::from_secs(60)).unwrap();
    let desk = Desk {
        cache: &cache,
        downloads: None,
        runtime: runtime.handle(),
        environment: &[],
        firstboot: Path::new(FIRSTBOOT),
        kiln: "0.0.7",
        jobs: 2,
        progress: &Silent,
    };
    let image = shop.path("out/node.raw");
    let disk: Arc<dyn ReadAt> = open_image(&image).unwrap();
    let error = verify(&disk, &image, &shop.path("image"), &desk).unwrap_err();
    let version = kiln::mark::VERSION;
    assert_eq!(
        error.to_string(),
        format!(
            "it can't be baked again: it was baked by kiln {version}, and this is kiln 0.0.7, which may lay the same \
             things out in another way; verify it with kiln {version}"
        )
    );
    assert_eq!(error.exit(), kiln::exit::Exit::Config);
}
