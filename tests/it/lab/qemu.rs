// SPDX-License-Identifier: Apache-2.0
//! Labs of virtual machines, as a user who is nobody special makes them.

mod home;
mod images;
mod segment;

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::archive_of;
use super::person::turn;
use home::Home;

/// One of the image's own container images.
const SMOKE: &str = "kiln.local/smoke:1";

#[test]
fn whenever_up_of_virtual_machines_is_killed_down_leaves_nothing() {
    let home = Home::new();
    let moments_ms = [1, 20, 40, 60, 80, 120, 200, 300, 500, 900, 2000];
    let crash_or_ctrl_c = [Signal::SIGKILL, Signal::SIGINT].into_iter().cycle();
    for (moment_ms, signal) in moments_ms.into_iter().zip(crash_or_ctrl_c) {
        let mut up = home.up(&["--workers", "1"]);
        std::thread::sleep(Duration::from_millis(moment_ms));
        kill(Pid::from_raw(up.id().try_into().unwrap()), signal).unwrap();
        up.wait().unwrap();
        let down = home.run(&["lab", "down"]);
        let said = String::from_utf8_lossy(&down.stderr).into_owned();
        assert!(down.status.success() || said.contains("there is no lab"), "after {moment_ms} ms: {said}");
        assert_eq!(home.left(), Vec::<String>::new(), "after {moment_ms} ms");
    }
}

#[test]
fn a_machine_that_loses_its_keeper_goes_and_its_up_says_so_and_leaves_nothing() {
    let home = Home::new();
    let _turn = turn();
    let mut up = home.up(&["--workers", "1"]);
    home.wait_for_qemu();
    let listed = home.done(&["lab", "list"]);
    assert!(listed.contains("half made"), "{listed}");
    home.done(&["lab", "kill", "control"]);
    let mut said = String::new();
    up.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(up.wait().unwrap().code(), Some(1), "{said}");
    assert!(said.contains("QEMU emulates the processors"), "{said}");
    assert!(said.contains("node control does not run"), "{said}");
    assert_eq!(home.left(), Vec::<String>::new());
}

#[test]
#[ignore = "two emulated machines, most of an hour of two processors"]
fn a_cluster_of_virtual_machines_comes_up_lives_on_and_leaves_nothing() {
    let home = Home::new();
    let _turn = turn();
    let image = home.image.to_str().unwrap();
    let words = ["--format", "json", "lab", "up", "--backend", "qemu", "--workers", "1", image];
    let told: Value = serde_json::from_str(&home.done(&words)).unwrap();
    println!("{told:#}");
    let nodes = told["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 2, "{told}");

    // From the user's own shell.
    let kubeconfig = told["kubeconfig"].as_str().unwrap();
    let tokens = home.run(&["token", "list", "--kubeconfig", kubeconfig]);
    assert!(tokens.status.success(), "{}", String::from_utf8_lossy(&tokens.stderr));
    let audit = home.run(&["ipam", "--kubeconfig", kubeconfig]);
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));

    home.done(&["lab", "smoke"]);
    assert_eq!(home.done(&["lab", "exec", "worker-1", "--", "hostname"]), "worker-1\n");
    assert_eq!(home.run(&["lab", "exec", "worker-1", "--", "sh", "-c", "exit 7"]).status.code(), Some(7));
    assert!(home.done(&["lab", "logs", "worker-1"]).contains("Linux version"));
    assert!(home.done(&["lab", "status"]).contains("2 of 2 nodes up"));
    let boot_id = ["lab", "exec", "worker-1", "--", "cat", "/proc/sys/kernel/random/boot_id"];
    let before = home.done(&boot_id);
    home.done(&["lab", "reboot", "worker-1"]);
    assert_ne!(home.done(&boot_id), before);
    home.done(&["lab", "kill", "worker-1"]);
    assert!(!home.run(&boot_id).status.success());
    home.done(&["lab", "start", "worker-1"]);
    an_archive_is_loaded(&home);
    one_more_joins(&home);
    home.done(&["lab", "down"]);
    assert_eq!(home.left(), Vec::<String>::new());
}

/// An image that the worker was rid of is there again.
fn an_archive_is_loaded(home: &Home) {
    let archive = home.folder.path().join("smoke.tar");
    archive_of(&home.image, "smoke", &archive);
    fs::set_permissions(&archive, fs::Permissions::from_mode(0o644)).unwrap();
    let ctr = |words: &[&str]| {
        let first = ["lab", "exec", "worker-1", "--", "ctr", "--namespace=k8s.io", "images"];
        home.done(&[&first, words].concat())
    };
    ctr(&["rm", SMOKE]);
    assert!(!ctr(&["list", "--quiet"]).contains(SMOKE));
    home.done(&["lab", "load", archive.to_str().unwrap()]);
    assert!(ctr(&["list", "--quiet"]).contains(SMOKE));
}

/// One more machine joins a cluster that lives.
fn one_more_joins(home: &Home) {
    let told: Value = serde_json::from_str(&home.done(&["--format", "json", "lab", "add"])).unwrap();
    assert_eq!((&told["nodes"][0]["name"], told["nodes"].as_array().unwrap().len()), (&"worker-2".into(), 1));
    assert!(home.done(&["lab", "status"]).contains("3 of 3 nodes up"));
    assert!(home.done(&["lab", "logs", "worker-2"]).contains("Linux version"));
    assert_eq!(
        home.done(&["lab", "exec", "worker-2", "--", "systemctl", "is-active", "kubelet"]),
        "active\n"
    );
}
