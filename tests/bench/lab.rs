// SPDX-License-Identifier: Apache-2.0
//! How long a machine of the lab takes to become a Ready node, next to the same root with kubelet's own TLS bootstrap and
//! everything else placed by hand; how long `kiln lab up` takes, next to the sum of what it can't do without; and how
//! that grows with eight workers. `cargo bench --bench lab [-- [starts|ups] [ROUNDS]]`, as root.
//!
//! All machines are on this one, so their CPU is what is measured. Cases take turns; a ratio is the median of the rounds'
//! ratios. A machine's time begins with its init: copying its disk is a case of its own.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    dead_code,
    unused_imports,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark touches the world and may panic; the tests need more of what it shares with them"
)]

#[path = "lab/floors.rs"]
mod floors;
#[path = "../it/lab"]
mod it {
    pub mod bench;
    pub mod hand;
    mod image;
    pub mod person;
    pub use image::{baked, kiln};
    pub const KILN: &str = env!("CARGO_BIN_EXE_kiln");
}
#[path = "lab/bootstrap.rs"]
mod bootstrap;
mod rounds;
#[path = "lab/start.rs"]
mod start;

use std::cell::Cell;
use std::time::Instant;

use it::baked;
use it::person::Up;
use rounds::{Case, Ratio, Taken, Times};

/// The median of ten.
const ROUNDS: usize = 10;
/// Whole clusters take most of a minute each.
const CLUSTER_ROUNDS: usize = 3;

const STARTS: [Case; 4] = [
    ("calibration", "SHA-256 of 256 MiB"),
    (
        "kiln",
        "init to Ready: containerd beside first boot, then kubelet, flannel, kube-proxy and images at once",
    ),
    ("images first", "the same, but kubelet waits until every image is imported"),
    ("by hand", "the same root, kubelet's own TLS bootstrap, all files placed; containerd and kubelet alone"),
];
/// A oneshot has started when its program has ended.
const IMAGES_FIRST: (&str, &str) =
    ("kiln-images.service", "[Unit]\nBefore=kubelet.service\n[Service]\nType=oneshot\n");

const UPS: [Case; 3] = [
    ("calibration", "SHA-256 of 256 MiB"),
    ("lab up", "kiln lab up --workers 2, from the image to three Ready nodes"),
    ("8 workers", "kiln lab up --workers 8"),
];
/// The target first.
const START_RATIOS: [Ratio; 2] = [("kiln", "by hand", 1.0), ("kiln", "images first", 1.0)];
const UP_RATIOS: [Ratio; 1] = [("8 workers", "lab up", 4.0)];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let rounds = words.last().and_then(|rounds| rounds.parse().ok());
    match words.first().map(String::as_str) {
        Some("starts") => starts(rounds.unwrap_or(ROUNDS)),
        Some("ups") => ups(rounds.unwrap_or(CLUSTER_ROUNDS)),
        _ => {
            starts(rounds.unwrap_or(ROUNDS));
            ups(rounds.unwrap_or(CLUSTER_ROUNDS));
        }
    }
}

fn starts(rounds: usize) {
    baked();
    let up_s = cluster("2").seconds;
    let up = Up::new("bench", &["--workers", "0"]);
    let field = start::Field::new(&up);
    let times = rounds::take_turns(&STARTS, rounds, |case| match case {
        "kiln" => field.worker("kiln", None),
        "images first" => field.worker("images first", Some(IMAGES_FIRST)),
        "by hand" => field.by_hand(),
        _ => taken(calibrate),
    });
    rounds::print(&times, &STARTS, &START_RATIOS);
    field.print_phases();
    floors::print(&up, &field, up_s);
}

fn ups(rounds: usize) {
    let times = rounds::take_turns(&UPS, rounds, |case| match case {
        "lab up" => cluster("2"),
        "8 workers" => cluster("8"),
        _ => taken(calibrate),
    });
    rounds::print(&times, &UPS, &UP_RATIOS);
}

fn cluster(workers: &str) -> Taken {
    let start = Instant::now();
    let up = Up::new("bench", &["--workers", workers]);
    let seconds = start.elapsed().as_secs_f64();
    let blocks: std::collections::BTreeSet<String> = up.nodes.keys().map(|name| up.block(name)).collect();
    assert_eq!(blocks.len(), up.nodes.len(), "{blocks:?}");
    Taken { seconds, cpu_s: 0.0, peak_kb: 0 }
}

pub fn taken(work: impl FnOnce()) -> Taken {
    let start = Instant::now();
    work();
    Taken { seconds: start.elapsed().as_secs_f64(), cpu_s: 0.0, peak_kb: 0 }
}

fn calibrate() {
    let digest = kiln::digest::Digest::of(&vec![1; 256 << 20]);
    assert!(!digest.to_string().is_empty());
}
