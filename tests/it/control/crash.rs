// SPDX-License-Identifier: Apache-2.0
//! Killed anywhere: each step not done, or done without anybody knowing, and then a new run. The production list and
//! the production effects; only the power is ours.

use std::fs;

use kiln::firstboot::apply_control;
use kiln::firstboot::control::{Next, Step};
use kiln::host::root::Root;

use super::tree::{DAY_S, Tree};

/// Does steps until `count` are done or nothing is missing; returns those that were done.
fn run(tree: &Tree, count: usize) -> Vec<Step> {
    let mut done = Vec::new();
    while done.len() < count {
        match tree.next() {
            Next::Do(step) => {
                apply_control::apply(&Root::new(tree.root()), &step).unwrap();
                done.push(step);
            }
            Next::Done => break,
            Next::Stuck(troubles) => panic!("after {} steps: {troubles:?}", done.len()),
        }
    }
    done
}

#[test]
fn killed_after_any_step_the_next_run_goes_on_and_replaces_nothing() {
    let steps = run(&Tree::empty(), usize::MAX).len();
    assert!(steps > 30, "{steps}");
    for killed_after in 0..=steps {
        let tree = Tree::empty();
        let before = run(&tree, killed_after);
        let left = tree.snapshot();
        let after = run(&tree, usize::MAX);
        assert_eq!(
            before.len() + after.len(),
            steps,
            "killed after {killed_after}: a step was done twice or never"
        );
        let whole = tree.snapshot();
        for (name, text) in left {
            assert_eq!(whole.get(&name), Some(&text), "{} was replaced", name.display());
        }
    }
}

#[test]
fn a_second_run_changes_nothing() {
    let tree = Tree::whole();
    let before = tree.snapshot();
    assert_eq!(tree.settle().unwrap(), 0);
    assert_eq!(tree.snapshot(), before);
}

/// A later day: the clock is another in the run after the crash.
#[test]
fn killed_and_started_again_days_later() {
    let steps = run(&Tree::empty(), usize::MAX).len();
    for killed_after in (0..steps).step_by(3) {
        let mut tree = Tree::empty();
        run(&tree, killed_after);
        tree.now_s += 3 * DAY_S;
        tree.settle().unwrap();
        let pems = fs::read_dir(tree.path("/var/lib/kubelet/pki")).unwrap().count();
        assert_eq!(pems, 2, "killed after {killed_after}: one certificate and the link to it");
    }
}

/// Every file is the whole one or not there: what is left of a torn write is a temporary file, which the next run removes.
#[test]
fn a_disk_that_fills_up_at_any_write_leaves_a_beginning() {
    // In a process of its own, because a full disk is a property of the process.
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "control::crash::full_disk", "--ignored", "--nocapture"]);
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
#[ignore = "started by a_disk_that_fills_up_at_any_write_leaves_a_beginning"]
fn full_disk() {
    let mut writes = 0;
    loop {
        let tree = Tree::empty();
        kiln::host::fault::arm(writes);
        let made = tree.settle();
        if !kiln::host::fault::disarm() {
            made.unwrap();
            break;
        }
        let said = made.unwrap_err().to_string();
        assert!(said.starts_with("can't "), "{said}");
        tree.settle().unwrap();
        assert!(tree.snapshot().keys().all(|name| !name.to_str().unwrap().contains("/.")), "{writes}");
        writes += 1;
    }
    assert!(writes > 90, "{writes}");
}
