// SPDX-License-Identifier: Apache-2.0
//! A cache whose files were changed by something else than kiln: none of them is baked, and none is verified as right.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use kiln::digest::Digest;

use super::shop::Shop;
use super::trouble::names;
use crate::disk::bases::{Layout, run};

/// A shop whose cache is its own, and which bakes what is quick to compare.
fn shop() -> Shop {
    let shop = Shop::with_cold_cache(Layout::Former);
    shop.edit("formats: [raw, qcow2]", "formats: [raw]");
    shop
}

fn blob(shop: &Shop, digest: &Digest) -> PathBuf {
    let hex = digest.to_string();
    shop.cache.join("kiln/blobs/sha256").join(&hex[..2]).join(hex)
}

/// Changes one byte, and has mtime be what it was.
fn damage(path: &Path, offset: u64) {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 1], offset).unwrap();
    file.set_modified(modified).unwrap();
}

fn same(shop: &Shop, one: &str, two: &str) {
    run(Command::new("cmp").arg(shop.path(one).join("node.raw")).arg(shop.path(two).join("node.raw")));
}

/// Has the record of a blob say that it was hashed as it is now: what a disk does that loses bits by itself.
fn believe(shop: &Shop, digest: &Digest) {
    let about = blob(shop, digest).metadata().unwrap();
    let stamp = serde_json::json!({
        "device": about.dev(), "inode": about.ino(), "size": about.size(),
        "mtime": [about.mtime(), about.mtime_nsec()], "ctime": [about.ctime(), about.ctime_nsec()],
    });
    let record = shop.cache.join("kiln/records/stamp-blob").join(digest.to_string());
    assert!(record.exists());
    fs::write(record, stamp.to_string()).unwrap();
}

fn of(shop: &Shop, name: &str) -> Digest {
    Digest::of(&fs::read(shop.path("image/files").join(name)).unwrap())
}

#[test]
fn a_damaged_blob_is_put_again_from_the_file_that_it_is_of() {
    let shop = shop();
    shop.bake("first", &[]);
    let notes = blob(&shop, &of(&shop, "notes.txt"));
    let inode = notes.metadata().unwrap().ino();
    damage(&notes, 3);
    shop.bake("second", &["--offline", "--locked"]);
    same(&shop, "first", "second");
    assert_ne!(notes.metadata().unwrap().ino(), inode);
    // Shorter, and all that was known of anything is lost.
    fs::File::options().write(true).open(&notes).unwrap().set_len(3).unwrap();
    fs::remove_dir_all(shop.cache.join("kiln/records")).unwrap();
    shop.bake("third", &["--offline", "--locked"]);
    same(&shop, "first", "third");
    // Touched, and right: hashed again, and kept.
    let inode = notes.metadata().unwrap().ino();
    run(Command::new("touch").arg(&notes));
    shop.bake("fourth", &["--offline", "--locked"]);
    assert_eq!(notes.metadata().unwrap().ino(), inode);
    same(&shop, "first", "fourth");
}

#[test]
fn a_damaged_base_is_never_baked() {
    let shop = shop();
    shop.bake("first", &[]);
    let packed = fs::read(super::shop::published_base(Layout::Former)).unwrap();
    let packed = blob(&shop, &Digest::of(&packed));
    fs::File::options().write(true).open(&packed).unwrap().set_len(8000).unwrap();
    shop.bake("second", &["--offline", "--locked"]);
    same(&shop, "first", "second");
    // By now it has been read through; what is decoded is judged by its blocks.
    let folder = shop.cache.join("kiln/derived/base");
    let [name] = names(&folder).try_into().unwrap();
    let [line] = partition_starts(&folder.join(&name), 1);
    damage(&folder.join(&name), line + 5000);
    shop.bake("third", &["--offline", "--locked"]);
    same(&shop, "first", "third");
}

/// Returns where a partition begins, in bytes.
fn partition_starts<const N: usize>(disk: &Path, number: u32) -> [u64; N] {
    let told = run(Command::new("sgdisk").args(["-i", &number.to_string()]).arg(disk));
    let first = told.lines().find_map(|line| line.strip_prefix("First sector: ")).unwrap();
    [first.split(' ').next().unwrap().parse::<u64>().unwrap() * 512; N]
}

#[test]
fn verify_believes_no_stamp() {
    let shop = shop();
    shop.bake("out", &[]);
    let big = of(&shop, "big.bin");
    damage(&blob(&shop, &big), 100);
    believe(&shop, &big);
    // Whoever believes the stamp bakes it; nothing else tells.
    shop.bake("wrong", &["--offline", "--locked"]);
    for (image, expected) in [("wrong/node.raw", 75), ("wrong/node.raw", 1), ("out/node.raw", 0)] {
        let verify = shop.kiln(&["verify", image, "--folder", "image", "--offline"]).output().unwrap();
        let (said, told) = (String::from_utf8_lossy(&verify.stderr), String::from_utf8_lossy(&verify.stdout));
        assert_eq!(verify.status.code(), Some(expected), "{image}: {told}{said}");
        if expected == 75 {
            assert!(
                said.contains(&format!("{} is damaged: its bytes are not", blob(&shop, &big).display())),
                "{said}"
            );
        } else if expected == 1 {
            assert!(told.contains("ROOT:/opt/big.bin"), "{told}");
        }
    }
}
