// SPDX-License-Identifier: Apache-2.0
//! The production decisions, driven through every world of a small cluster: whatever fails, is cut or is deleted.
//!
//! Nothing here tells again what `next`, `verify`, the fold of answers, or the judgement of a claim do: they are called.
//! What is told here is what surrounds them: the API server, systemd, power cuts. What a real server does is shown
//! elsewhere.

mod calm;
mod elsewhere;
mod explore;
mod law;
mod local;
mod lone;
mod machine;
mod mutants;
mod server;
mod turn;
mod world;

use explore::{Broken, Extent, explore};
use local::Local;
use machine::{Model, PRODUCTION};

use super::step::Step;
use crate::settings::Settings;

fn settings(blocks: u32, addressing: &str) -> Settings {
    let reserved: Vec<String> = (blocks..4).map(|index| index.to_string()).collect();
    let text = format!(
        "{{version: 1, image: lab, cluster: {{pods: [10.2.1.0/24], services: [10.3.0.0/16], hosts: [10.0.0.0/24], \
         block_prefix: 26, nodes_max: 4, surge: 0, pods_max: 61, addressing: {addressing}, reserved: [{}]}}}}",
        reserved.join(",")
    );
    serde_yaml::from_str(&text).unwrap()
}

fn model(machines: usize, blocks: u32, deletions: u8) -> Model {
    Model {
        machines,
        deletions,
        spares_idle: false,
        settings: settings(blocks, "claim"),
        start: Local::certified(),
        decide: PRODUCTION,
        settles: Step::rests_on_disk,
        has_timer: true,
        registers: true,
        only: None,
        lists_nodes: false,
    }
}

fn holds(name: &str, model: Model) -> Extent {
    match explore(model) {
        Ok(extent) => {
            println!("{name}: {extent}");
            extent
        }
        Err(Broken { law, why, trace }) => panic!("{name}: {law}: {why}\n{}", trace.join("\n")),
    }
}

// Without a bound: faults, power cuts, partitions, the collector's delay, kubelets that register again. Bounded: machines,
// blocks, and how many Nodes are deleted. Not in here: a create that a server still holds while its machine has long
// asked again and been answered (`claim` says what that can do), and two runs of one machine at the same time (units).

#[test]
fn two_machines_share_two_blocks() {
    holds("2 machines, 2 blocks, any 1 Node deleted", model(2, 2, 1));
    let running = Model { spares_idle: true, ..model(2, 2, 2) };
    holds("2 machines, 2 blocks, 2 Nodes deleted under running machines", running);
}

#[test]
fn three_machines_find_three_blocks() {
    let extent = holds("3 machines, 3 blocks, no Node deleted", model(3, 3, 0));
    assert_eq!(extent.ends, 1, "all ways end alike, as machines and blocks are");
    let running = Model { spares_idle: true, ..model(3, 3, 1) };
    holds("3 machines, 3 blocks, 1 Node deleted under a running machine", running);
}

#[test]
fn the_third_of_two_blocks_is_told_that_there_is_none() {
    holds("3 machines, 2 blocks, no Node deleted", model(3, 2, 0));
}
