// SPDX-License-Identifier: Apache-2.0
//! Full disks, read-only folders, kills and crowds: no half-made file gets a final name, and the next bake works.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::shop::{Shop, succeeded};
use crate::disk::bases::{Layout, run};

/// Returns the names in a folder; none if it is not there.
pub fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_full_disk_leaves_no_output_whatever_its_size() {
    let shop = Shop::new(Layout::Former);
    // The cache is warm afterwards, so that only outputs fill the small disk.
    shop.bake("whole", &[]);
    let sizes = ["64k", "1m", "4m", "8m", "12m"];
    let small = shop.path("small");
    fs::create_dir(&small).unwrap();
    for size in sizes {
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&small));
        let output = shop.kiln(&["bake", "image/node.yaml", "-o", "small"]).output().unwrap();
        let (left, said) = (names(&small), String::from_utf8_lossy(&output.stderr).into_owned());
        run(Command::new("umount").arg(&small));
        assert!(!output.status.success(), "{size}: {said}");
        assert!(said.contains("No space left on device"), "{size}: {said}");
        assert!(left.is_empty(), "{size}: {left:?}");
    }
}

#[test]
fn a_folder_that_can_not_be_written_is_named() {
    let shop = Shop::new(Layout::Former);
    let closed = shop.path("closed");
    fs::create_dir(&closed).unwrap();
    run(Command::new("mount").args(["-t", "tmpfs", "-o", "ro,size=1m", "tmpfs"]).arg(&closed));
    let output = shop.kiln(&["bake", "image/node.yaml", "-o", "closed"]).output().unwrap();
    run(Command::new("umount").arg(&closed));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("kiln: can't create closed/node.raw: Read-only file system"), "{said}");
}

#[test]
fn a_kill_at_any_moment_leaves_nothing_that_hurts() {
    let shop = Shop::with_cold_cache(Layout::Former);
    for round in 0..12 {
        let mut bake = shop.kiln(&["bake", "image/node.yaml", "-o", "out"]);
        let mut bake = bake.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Spread over the whole of a cold bake, more densely at its start.
        std::thread::sleep(Duration::from_millis(10 * round * round));
        bake.kill().unwrap();
        let ended = bake.wait().unwrap();
        for name in names(&shop.path("out")).iter().filter(|name| !name.starts_with('.')) {
            assert!(
                ended.success() || ["node.raw", "node.qcow2", "node.json"].contains(&name.as_str()),
                "{name}"
            );
        }
    }
    shop.bake("out", &[]);
    assert_eq!(names(&shop.path("out")), ["node.json", "node.qcow2", "node.raw"]);
    let verified = shop.kiln(&["cache", "verify"]).output().unwrap();
    assert!(succeeded(&verified).contains(" 0 damaged"));
    let other = Shop::new(Layout::Former);
    other.bake("out", &[]);
    run(Command::new("cmp").arg(shop.path("out/node.raw")).arg(other.path("out/node.raw")));
}

#[test]
fn a_decoded_base_that_never_reached_the_disk_is_decoded_again() {
    let shop = Shop::with_cold_cache(Layout::Former);
    shop.bake("first", &[]);
    let folder = shop.cache.join("kiln/unproven/base");
    let [name] = names(&folder).try_into().unwrap();
    // What a loss of power leaves of a file whose bytes were still in memory: all of its size, holes for content.
    let file = fs::File::options().write(true).open(folder.join(&name)).unwrap();
    let size = file.metadata().unwrap().len();
    file.set_len(1 << 20).unwrap();
    file.set_len(size).unwrap();
    shop.bake("second", &[]);
    // Now it is whole, and the next bake reads it through and has it synced.
    shop.bake("third", &[]);
    assert!(names(&folder).is_empty());
    assert_eq!(names(&shop.cache.join("kiln/derived/base")), [name]);
    for folder in ["second", "third"] {
        for file in ["node.raw", "node.qcow2"] {
            run(Command::new("cmp").arg(shop.path("first").join(file)).arg(shop.path(folder).join(file)));
        }
    }
}

/// Reads what a child says until a line holds `word`; returns all of it.
fn said_until(reader: &mut impl BufRead, word: &str) -> String {
    let mut said = String::new();
    while !said.contains(word) {
        assert_ne!(reader.read_line(&mut said).unwrap(), 0, "it ended without '{word}':\n{said}");
    }
    said
}

#[test]
fn an_interrupt_leaves_nothing_behind() {
    let shop = Shop::with_cold_cache(Layout::Former);
    let mut bake = shop.kiln(&["bake", "image/node.yaml", "-o", "out"]);
    let mut bake = bake.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut stderr = BufReader::new(bake.stderr.take().unwrap());
    // Stopped while it decodes the base, so that it can't have been faster than the interrupt.
    let mut said = said_until(&mut stderr, "decoding");
    for signal in ["-STOP", "-INT", "-CONT"] {
        run(Command::new("kill").args([signal, &bake.id().to_string()]));
    }
    stderr.read_to_string(&mut said).unwrap();
    let status = bake.wait().unwrap();
    assert_eq!((status.code(), status.signal()), (Some(130), None), "{said}");
    assert!(said.ends_with("kiln: interrupted; nothing half made is left\n"), "{said}");
    assert!(names(&shop.path("out")).is_empty());
}

#[test]
fn an_interrupted_recipe_may_put_its_own_things_in_order() {
    let shop = Shop::with_cold_cache(Layout::Former);
    let recipe = shop.path("image/recipe");
    fs::create_dir(&recipe).unwrap();
    let build = "#!/bin/sh\ntrap 'rm \"$TMPDIR/own\"; exit 1' TERM\n: > \"$TMPDIR/own\"\necho 'I: it waits' >&2\n\
                 while :; do sleep 0.1; done\n";
    fs::write(recipe.join("build"), build).unwrap();
    run(Command::new("chmod").arg("755").arg(recipe.join("build")));
    let base = super::shop::published_base(Layout::Former);
    shop.edit(&format!("file: \"{}\"", base.display()), "recipe: recipe");
    let temporary = shop.path("tmp");
    fs::create_dir(&temporary).unwrap();
    let mut bake = shop.kiln(&["bake", "image/node.yaml", "-o", "out"]);
    let bake = bake.env("TMPDIR", &temporary).stderr(Stdio::piped()).stdout(Stdio::null());
    let mut bake = bake.spawn().unwrap();
    let mut stderr = BufReader::new(bake.stderr.take().unwrap());
    let mut said = said_until(&mut stderr, "it waits");
    run(Command::new("kill").args(["-INT", &bake.id().to_string()]));
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(bake.wait().unwrap().code(), Some(130), "{said}");
    assert!(names(&temporary).is_empty(), "{said}");
}

#[test]
fn two_kilns_at_once_both_succeed() {
    let shop = Shop::with_cold_cache(Layout::Former);
    let start =
        |out: &str| shop.kiln(&["bake", "image/node.yaml", "-o", out]).stderr(Stdio::null()).spawn().unwrap();
    let (mut one, mut two) = (start("one"), start("two"));
    assert!(one.wait().unwrap().success() && two.wait().unwrap().success());
    run(Command::new("cmp").arg(shop.path("one/node.qcow2")).arg(shop.path("two/node.qcow2")));
}

#[test]
fn odd_paths_are_paths_like_others() {
    let shop = Shop::new(Layout::Former);
    let odd = "-b ä 雪";
    fs::create_dir(shop.path(odd)).unwrap();
    fs::rename(shop.path("image"), shop.path(odd).join("-i m")).unwrap();
    let manifest = format!("./{odd}/-i m/node.yaml");
    let output = shop.kiln(&["bake", &manifest, "-o"]).arg(shop.path(odd)).output().unwrap();
    succeeded(&output);
    assert!(shop.path(odd).join("node.raw").as_os_str().as_bytes().ends_with(b"node.raw"));
    assert_eq!(shop.path(odd).join("node.raw").metadata().unwrap().len(), Layout::Former.size());
    let output = shop.kiln(&["bake", "--", &format!("{odd}/-i m/node.yaml")]).arg("-o").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "words after -- are no options");
}
