// SPDX-License-Identifier: Apache-2.0
//! First boot against floors that any client of the same server has, measured in the same run on a real control plane:
//! `cargo node && cargo bench --bench firstboot [-- ROUNDS]`, as root.
//!
//! The program is the small one that images get. Node and control plane are namespaces of this machine, on its disk,
//! every write synced. The cases take turns; a ratio is the median of the rounds' ratios.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    dead_code,
    unused_imports,
    missing_docs,
    unreachable_pub,
    reason = "a benchmark touches the world and may panic; the tests need more of what it shares with them"
)]

#[path = "firstboot/cases.rs"]
mod cases;
#[path = "firstboot/floor.rs"]
mod floor;
#[path = "../it"]
mod it {
    pub mod bench;
    pub mod lab {
        mod image;
        pub use image::{baked, kiln};
    }
    pub mod birth {
        pub mod cluster;
        pub mod worker;
    }
}
#[path = "firstboot/measured.rs"]
mod measured;
mod rounds;

pub(crate) use it::{bench, lab};

/// Fewer rounds make no median.
const ROUNDS: usize = 9;

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let rounds = words.next().map_or(ROUNDS, |rounds| rounds.parse().expect("a number of rounds"));
    let bench = bench::Bench::start(bench::Options { is_durable: true, ..bench::Options::default() });
    it::birth::cluster::prepare(&bench);
    let cases = cases::Cases::new(&bench);
    let times = rounds::take_turns(&cases::CASES, rounds, |case| cases.time(case));
    rounds::print(&times, &cases::CASES, &cases::RATIOS);
    cases::print_limits(&times, &cases);
}
