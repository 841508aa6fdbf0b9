// SPDX-License-Identifier: Apache-2.0
//! A thousand nodes at once, whose certificates were issued before: how long until all of them hold a block, against a
//! load generator that does just the three writes, and next to kube-controller-manager's own allocator.
//! `cargo bench --bench herd [-- ROUNDS]`, as root; 4,096 blocks on a real control plane with kiln's policies.
//!
//! All nodes are in this process and all servers on this machine, so their CPU is what is measured. kiln and the load
//! generator take turns on one control plane; the allocators have one each. A ratio is the median of the rounds' ratios.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    dead_code,
    unused_imports,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark touches the world and may panic; the tests need more of what it shares with them"
)]

#[path = "herd/allocator.rs"]
mod allocator;
#[path = "herd/floor.rs"]
mod floor;
#[path = "../it"]
mod it {
    pub mod bench;
    pub mod lab {
        mod image;
        pub use image::{baked, kiln};
    }
    pub mod policies {
        pub mod cluster;
        pub mod people;
    }
    pub mod races {
        pub mod crowd;
        pub mod pool;
    }
}
mod rounds;

use std::cell::Cell;
use std::time::Instant;

pub(crate) use it::{bench, lab, policies};

use bench::Options;
use it::races::crowd::{self, Crowd};
use it::races::pool;
use kiln::exit::Exit;
use kiln::settings::Addressing;
use policies::cluster::{Cluster, both_families, in_cluster};
use rounds::{Case, Ratio, Taken, Times};

/// Fewer rounds make no median.
const ROUNDS: usize = 5;
const NODES: u32 = 1000;
const RANGE: (&str, u8) = ("10.128.0.0/12", 24);

const CLAIMED: [Case; 3] = [
    ("calibration", "SHA-256 of 256 MiB"),
    ("kiln", "kiln's own run on each node, from its certificate to podCIDRs"),
    ("3 writes", "a load generator: Node, claim on an index of its own, podCIDRs"),
];
/// The allocators, and what kube-controller-manager is started with beyond kiln's unit.
const ALLOCATED: [(Case, &[&str]); 2] = [
    (
        ("nodeipam", "1 write each; kube-controller-manager with its own defaults sets podCIDRs"),
        &["--kube-api-qps=20", "--kube-api-burst=30"],
    ),
    (
        ("nodeipam tuned", "the same with 1,000 requests a second"),
        &["--kube-api-qps=1000", "--kube-api-burst=1000"],
    ),
];
/// The target first; the allocators are there to see.
const RATIOS: [Ratio; 3] =
    [("kiln", "3 writes", 1.2), ("kiln", "nodeipam", 1.0), ("kiln", "nodeipam tuned", 1.0)];

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let rounds = words.next().map_or(ROUNDS, |rounds| rounds.parse().expect("a number of rounds"));
    let mut times = Times::new();
    in_cluster(options(Addressing::Claim), |cluster| times.extend(claimed(cluster, rounds)));
    let mut cases = CLAIMED.to_vec();
    for (case, arguments) in ALLOCATED {
        let add =
            |options: Options, argument: &&str| options.with_argument("kube-controller-manager", argument);
        let options = arguments.iter().fold(options(Addressing::Kcm), add);
        in_cluster(options, |cluster| {
            times.extend(rounds::take_turns(&[case], rounds, |_| {
                let ready = allocator::prepare(cluster, NODES);
                taken(|| allocator::serve(cluster, ready))
            }));
        });
        cases.push(case);
    }
    rounds::print(&times, &cases, &RATIOS);
}

fn options(addressing: Addressing) -> Options {
    let mut options = both_families(addressing);
    let cluster = &mut options.settings.cluster;
    cluster.pods = vec![RANGE.0.parse().unwrap()];
    (cluster.block_prefix, cluster.block_prefix_v6) = (Some(RANGE.1), None);
    cluster.reserved.clear();
    options
}

fn claimed(cluster: &Cluster, rounds: usize) -> Times {
    let (creates, requests, births) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let times = rounds::take_turns(&CLAIMED, rounds, |case| {
        if case == "calibration" {
            return taken(calibrate);
        }
        pool::empty(cluster);
        let crowd = Crowd::new(cluster, &cluster.settings, &cluster.settings.api.endpoint);
        let machines = crowd.machines("n", NODES);
        if case == "3 writes" {
            let nodes = floor::nodes(cluster, &machines);
            return taken(|| floor::serve(cluster, nodes));
        }
        let taken = taken(|| {
            let endings = crowd.boot_with(&machines, crowd::until_held);
            assert!(endings.iter().all(|ending| ending.exit == Exit::Done));
        });
        let told: Vec<crowd::Cost> = machines.iter().map(|machine| machine.cost()).collect();
        creates.set(creates.get() + told.iter().map(|cost| cost.claim_creates).sum::<u64>());
        requests.set(requests.get() + told.iter().map(|cost| cost.requests).sum::<u64>());
        births.set(births.get() + told.len() as u64);
        taken
    });
    let each = |all: &Cell<u64>| all.get() as f64 / births.get() as f64;
    let verdict = if each(&creates) <= 1.2 { "met" } else { "MISSED" };
    println!("claim creates per node: {:.3} (target 1.2: {verdict})", each(&creates));
    println!("requests per node from its certificate to podCIDRs: {:.3}", each(&requests));
    times
}

fn taken(work: impl FnOnce()) -> Taken {
    let start = Instant::now();
    work();
    Taken { seconds: start.elapsed().as_secs_f64(), cpu_s: 0.0, peak_kb: 0 }
}

fn calibrate() {
    let digest = kiln::digest::Digest::of(&vec![1; 256 << 20]);
    assert!(!digest.to_string().is_empty());
}
