// SPDX-License-Identifier: Apache-2.0
//! The same inputs give the same bytes: in another folder, as another user, with other threads, cold or warm.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::shop::{Shop, succeeded};
use crate::disk::bases::{Layout, run};

fn sha256(path: &Path) -> String {
    run(Command::new("sha256sum").arg(path)).split(' ').next().unwrap().to_owned()
}

fn outputs(shop: &Shop, out: &str) -> [String; 3] {
    ["node.raw", "node.qcow2", "node.json"].map(|name| sha256(&shop.path(out).join(name)))
}

#[test]
fn the_same_bytes_come_out_anywhere() {
    let first = Shop::new(Layout::Former);
    first.bake("out", &["--jobs", "1"]);
    let expected = outputs(&first, "out");

    // Another folder, a cold cache, more threads, another time zone, umask and folder for temporary files.
    let second = Shop::with_cold_cache(Layout::Former);
    fs::create_dir(second.path("tmp")).unwrap();
    fs::create_dir(second.path("elsewhere and farther")).unwrap();
    let script = "umask 077; exec \"$0\" bake ../image/node.yaml -o out --jobs 4";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, super::shop::KILN]).current_dir(second.path("elsewhere and farther"));
    shell.env("XDG_CACHE_HOME", &second.cache).env("TZ", "Asia/Kathmandu").env("TMPDIR", second.path("tmp"));
    succeeded(&shell.output().unwrap());
    assert_eq!(outputs(&second, "elsewhere and farther/out"), expected);

    // The same shop again, with a warm cache, over its own outputs.
    second.bake("elsewhere and farther/out", &[]);
    assert_eq!(outputs(&second, "elsewhere and farther/out"), expected);
}

#[test]
fn an_ordinary_user_without_network_bakes_offline() {
    let shop = Shop::with_cold_cache(Layout::Former);
    let fetched = shop.kiln(&["fetch", "image/node.yaml"]).output().unwrap();
    succeeded(&fetched);
    run(Command::new("chown").args(["-R", "65534:65534"]).arg(shop.folder.path()));
    // The programs must be reachable for that user too.
    let bin = shop.path("bin");
    fs::create_dir(&bin).unwrap();
    fs::copy(super::shop::KILN, bin.join("kiln")).unwrap();
    fs::copy(super::shop::FIRSTBOOT, bin.join("kiln-firstboot")).unwrap();
    let script = "ip link 2>/dev/null | grep -q 'state UP' && exit 9; exec \"$0\" bake image/node.yaml -o out --offline --locked";
    let mut bake = Command::new("unshare");
    bake.args([
        "--net",
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--bounding-set=-all",
        "sh",
        "-c",
        script,
    ]);
    bake.arg(bin.join("kiln")).current_dir(shop.folder.path()).env("XDG_CACHE_HOME", &shop.cache);
    succeeded(&bake.output().unwrap());

    let other = Shop::new(Layout::Former);
    other.bake("out", &[]);
    assert_eq!(outputs(&shop, "out"), outputs(&other, "out"));
}

#[test]
fn a_second_bake_finds_everything_up_to_date() {
    use std::os::unix::fs::MetadataExt;
    let shop = Shop::new(Layout::Former);
    let said = shop.bake("out", &[]);
    assert!(said.contains("written") && !said.contains("up to date"), "{said}");
    let inode = || shop.path("out/node.raw").metadata().unwrap().ino();
    let before = inode();
    let said = shop.bake("out", &[]);
    assert!(said.contains("up to date") && !said.contains("written"), "{said}");
    assert_eq!(inode(), before);

    // What is missing is made, what is there stays.
    fs::remove_file(shop.path("out/node.qcow2")).unwrap();
    let said = shop.bake("out", &[]);
    assert!(said.contains("up to date") && said.contains("written"), "{said}");
    assert_eq!(inode(), before);
}

#[test]
fn a_plan_prints_every_action_and_writes_no_image() {
    let shop = Shop::new(Layout::Former);
    let said = succeeded(&shop.kiln(&["plan", "image/node.yaml"]).output().unwrap());
    for line in [
        "put /opt/bin/tool",
        "put /opt/link -> /opt/bin/tool",
        "write node.raw",
        "make ROOT anew",
        "keep the first",
    ] {
        assert!(said.contains(line), "{line} is not in:\n{said}");
    }
    assert!(!shop.path("node.raw").exists() && !shop.path("out").exists());
}
