// SPDX-License-Identifier: Apache-2.0
//! The images of virtual machines: those on other layouts than the lab's, and one whose name the next bake takes.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Child;
use std::time::SystemTime;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::super::person::turn;
use super::home::{Home, USER};
use crate::disk::bases::{self, Layout};

/// Ends `up` by Ctrl-C and returns what it had said.
fn interrupted(mut up: Child) -> String {
    kill(Pid::from_raw(up.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    said(&mut up)
}

fn said(up: &mut Child) -> String {
    let mut said = String::new();
    up.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    up.wait().unwrap();
    said
}

/// A base on Flatcar's layout has no kernel here, so its firmware finds nothing to boot; but it is a machine by then.
#[test]
fn an_image_on_another_layout_is_booted_by_qemu_which_is_said() {
    let home = Home::with(&bases::flatcar(Layout::Current));
    let image = home.image.to_str().unwrap();
    let refused = home.run(&["lab", "up", "--backend", "nspawn", image]);
    let why = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(78), "{why}");
    assert!(
        why.contains("Flatcar from 4593 on") && why.contains("boot this one with --backend qemu"),
        "{why}"
    );
    assert_eq!(home.left(), Vec::<String>::new());

    let _turn = turn();
    let up = home.begin(&["lab", "up", "--workers", "0", image]);
    home.wait_for_qemu();
    let said = interrupted(up);
    let line = "its layout is that of Flatcar from 4593 on; its nodes are virtual machines";
    assert!(said.contains(line), "{said}");
    home.done(&["lab", "down"]);
    assert_eq!(home.left(), Vec::<String>::new());
}

/// What a bake does to the image of a lab that lives: another file gets its name.
fn bake_again(image: &Path) {
    let new = image.with_extension("new");
    fs::write(&new, "another image").unwrap();
    fs::rename(&new, image).unwrap();
}

#[test]
fn a_machine_starts_from_the_image_that_its_lab_was_made_of_or_not_at_all() {
    let home = Home::new();
    // One's own files anybody may link; those of others not, and then they must stay.
    std::os::unix::fs::chown(&home.image, USER.parse().ok(), USER.parse().ok()).unwrap();
    let inode = home.image.metadata().unwrap().ino();
    let _turn = turn();
    let mut up = home.up(&["--workers", "0", "--keep-on-failure"]);
    home.wait_for_qemu();
    let held = home.folder.path().join("cache/kiln/labs/lab/image");
    assert_eq!(held.metadata().unwrap().ino(), inode);
    home.done(&["lab", "kill", "control"]);
    assert!(said(&mut up).contains("node control does not run"));

    bake_again(&home.image);
    let start = home.begin(&["lab", "start", "control"]);
    home.wait_for_qemu();
    home.done(&["lab", "kill", "control"]);
    interrupted(start);

    File::options().write(true).open(&held).unwrap().set_modified(SystemTime::now()).unwrap();
    let refused = home.run(&["lab", "start", "control"]);
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && why.contains("is not as it was when the lab was made"), "{why}");
    home.done(&["lab", "down"]);
    assert_eq!(home.left(), Vec::<String>::new());
}

#[test]
fn an_image_that_can_not_be_held_must_stay() {
    let home = Home::new();
    let _turn = turn();
    let mut up = home.up(&["--workers", "0", "--keep-on-failure"]);
    home.wait_for_qemu();
    assert!(!home.folder.path().join("cache/kiln/labs/lab/image").exists(), "it is root's");
    home.done(&["lab", "kill", "control"]);
    said(&mut up);
    bake_again(&home.image);
    let refused = home.run(&["lab", "start", "control"]);
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && why.contains("is not as it was when the lab was made"), "{why}");
    home.done(&["lab", "down"]);
    assert_eq!(home.left(), Vec::<String>::new());
}
