// SPDX-License-Identifier: Apache-2.0
//! A disk that is full at every write of a whole bake in turn, and a cache on small disks that are really full.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use kiln::bake::{Baked, Desk, Order, bake};
use kiln::digest::Digest;
use kiln::host::cache::{Alone, Cache};
use kiln::host::fault;
use kiln::pin::Mode;
use kiln::progress::Silent;

use super::shop::{FIRSTBOOT, Shop, succeeded};
use super::trouble::names;
use crate::disk::bases::{Layout, run};

/// More writes than a bake needs.
const WRITES_MAX: u32 = 2000;

type Failure = Box<dyn std::error::Error>;

/// Bakes in this process, where writes can be made to fail.
fn bake_here(shop: &Shop, runtime: &tokio::runtime::Runtime) -> Result<Baked, Failure> {
    let cache = Cache::open(&shop.cache, Duration::ZERO)?;
    let desk = Desk {
        cache: &cache,
        downloads: None,
        runtime: runtime.handle(),
        environment: &[],
        firstboot: Path::new(FIRSTBOOT),
        kiln: kiln::mark::VERSION,
        jobs: 2,
        progress: &Silent,
    };
    let (manifest, folder) = (shop.path("image/node.yaml"), shop.path("out"));
    let order = Order { manifest: &manifest, folder: &folder, is_forced: false, with_sha256: false };
    Ok(bake(&order, &Mode::Make, &desk)?)
}

/// Digests of everything that a bake leaves outside the cache, by name.
fn made(shop: &Shop) -> BTreeMap<String, Digest> {
    let out = names(&shop.path("out")).into_iter().map(|name| format!("out/{name}"));
    let lock = Some("image/node.lock".to_owned()).filter(|name| shop.path(name).exists());
    let digest = |name: String| (name.clone(), Digest::of(&fs::read(shop.path(&name)).unwrap()));
    out.chain(lock).map(digest).collect()
}

/// Puts a base in place of the shop's own: of the lab's layout, which may be small, so that many bakes take little time.
fn small_base(shop: &Shop) {
    let base = shop.path("base.raw");
    fs::File::create(&base).unwrap().set_len(128 << 20).unwrap();
    let mut sgdisk = Command::new("sgdisk");
    for (number, place, kind, label) in [
        (1, "2048:+4M", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "EFI-SYSTEM"),
        (3, "16384:+16M", "5DFBF5F4-2848-4BAC-AA5E-0D9A20B745A6", "USR-A"),
        (9, "65536:+80M", "3884DD41-8582-4404-B9A8-E9B84F2DF50E", "ROOT"),
    ] {
        sgdisk.args(["-n", &format!("{number}:{place}"), "-t", &format!("{number}:{kind}")]);
        sgdisk.args(["-c", &format!("{number}:{label}")]);
    }
    run(sgdisk.args(["-u", "3:6b696c6e-6c61-4200-8000-000000000003"]).arg(&base));
    for (label, offset_bytes, size) in [("USR-A", 16384 * 512, "16M"), ("ROOT", 65536 * 512, "80M")] {
        let offset = format!("offset={offset_bytes}");
        let mut mke2fs = Command::new("mke2fs");
        mke2fs
            .args(["-q", "-t", "ext4", "-b", "4096", "-I", "256", "-i", "4096", "-L", label, "-E", &offset]);
        run(mke2fs.arg(&base).arg(size));
    }
    run(Command::new("zstd").args(["-q", "--rm"]).arg(&base));
    let published = super::shop::published_base(Layout::Former);
    shop.edit(&published.display().to_string(), "../base.raw.zst");
}

#[test]
#[ignore = "run by the test below"]
fn child() {
    let shop = Shop::with_cold_cache(Layout::Former);
    small_base(&shop);
    shop.edit("outputs:", "sysext: true\noutputs:");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    bake_here(&shop, &runtime).unwrap();
    let whole = made(&shop);
    assert_eq!(whole.len(), 4, "{whole:?}");
    let forget = |is_cold: bool| {
        fs::remove_dir_all(shop.path("out")).ok();
        if is_cold {
            fs::remove_dir_all(&shop.cache).ok();
            fs::remove_file(shop.path("image/node.lock")).ok();
        }
    };
    // Warm, each write is one of the outputs; cold, all others come before.
    for is_cold in [false, true] {
        let mut failures = 0;
        for writes in 0..WRITES_MAX {
            forget(is_cold);
            fault::arm(writes);
            let result = bake_here(&shop, &runtime);
            if !fault::disarm() {
                result.unwrap();
                assert_eq!(made(&shop), whole);
                break;
            }
            let words = words(&*result.err().unwrap_or_else(|| panic!("write {writes} was refused in vain")));
            assert!(words.contains("No space left on device"), "{writes}: {words}");
            assert!(made(&shop).iter().all(|(name, digest)| whole[name] == *digest), "{writes}");
            failures += 1;
            // What is left must not be in the way.
            if failures % 8 == 0 {
                bake_here(&shop, &runtime).unwrap();
                assert_eq!(made(&shop), whole, "{writes}");
                let alone = Alone::open(&shop.cache, Duration::ZERO).unwrap();
                assert!(alone.verify(&Silent).unwrap().bad.is_empty(), "{writes}");
            }
        }
        println!("{failures} writes failed");
        assert!(failures > 10 && failures < WRITES_MAX, "{failures}");
    }
}

fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let reasons = std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string);
    reasons.collect::<Vec<_>>().join(": ")
}

#[test]
fn a_bake_that_fails_at_any_write_leaves_nothing_half_made() {
    // The shortage holds for a whole process, so this one is run again for it.
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "bake::faults::child", "--ignored"]);
    let output = child.output().unwrap();
    let said =
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn a_cache_on_a_full_disk_is_good_once_there_is_space() {
    let other = Shop::new(Layout::Former);
    other.bake("out", &[]);
    let shop = Shop::with_cold_cache(Layout::Former);
    fs::create_dir(&shop.cache).unwrap();
    let mount = |options: &str| {
        run(Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&shop.cache));
    };
    mount("size=16k");
    let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        // Each larger one holds what the smaller ones could.
        for size in ["16k", "256k", "1m", "3m", "6m", "9m"] {
            mount(&format!("remount,size={size}"));
            let output = shop.kiln(&["bake", "image/node.yaml", "-o", "out"]).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success(), "{size}: {said}");
            assert!(said.contains("No space left on device"), "{size}: {said}");
            assert!(names(&shop.path("out")).is_empty(), "{size}");
        }
        mount("remount,size=1g");
        let verified = shop.kiln(&["cache", "verify"]).output().unwrap();
        assert!(succeeded(&verified).contains(" 0 damaged"));
        shop.bake("out", &[]);
        run(Command::new("cmp").arg(shop.path("out/node.qcow2")).arg(other.path("out/node.qcow2")));
    }));
    run(Command::new("umount").arg(&shop.cache));
    checked.unwrap();
}
