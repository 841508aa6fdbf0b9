// SPDX-License-Identifier: Apache-2.0
//! Ratios of kiln against other tools at the same work, measured in the same run: `cargo bench --bench bake [-- ROUNDS]`.
//!
//! Every case is a process of its own that ends with its output synced. The cases take turns, each round the other way
//! round; a ratio is the median of the rounds' ratios. A calibration (SHA-256 of 256 MiB) runs in each round: where it
//! drifts, the machine was not quiet and the numbers are worth nothing. Needs coreutils, e2fsprogs, lbzip2, qemu-utils
//! and systemd-repart, and root, because two of the rivals mount.
//! `cargo bench --bench bake -- publish [ROUNDS]` measures publishing against a local sink.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark touches the world and may panic"
)]

#[cfg(feature = "aws")]
mod aws;
#[allow(dead_code, reason = "the tests need more of it")]
#[path = "../it/disk/bases.rs"]
mod bases;
mod cases;
mod input;
#[path = "../it/disk/kept.rs"]
mod kept;
mod program;
#[cfg(feature = "aws")]
mod publish;
mod rivals;
mod rounds;

/// Fewer rounds make no median.
const ROUNDS: usize = 5;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.first().map(String::as_str) {
        Some("decode") => cases::decode(words[1].as_ref(), words.get(2).map(String::as_ref)),
        Some("calibrate") => cases::calibrate(),
        #[cfg(feature = "aws")]
        Some("publish") => {
            publish::run(words.get(1).map_or(ROUNDS, |rounds| rounds.parse().expect("rounds")))
        }
        #[cfg(feature = "aws")]
        Some("publish-child") => publish::child(&words[1..]),
        rounds => run(rounds.map_or(ROUNDS, |rounds| rounds.parse().expect("a number of rounds"))),
    }
}

fn run(rounds: usize) {
    let input = input::prepare();
    cases::check(&input);
    let times = rounds::take_turns(&cases::CASES, rounds, |case| cases::time(&input, case));
    rounds::print(&times, &cases::CASES, &cases::RATIOS);
    cases::print_outputs(&input);
}
