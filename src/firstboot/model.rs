// SPDX-License-Identifier: Apache-2.0
//! The production decisions, driven through every world of a small cluster: whatever fails, is cut or is deleted.
//!
//! Nothing here tells again what `next`, `verify`, the fold of answers, or the judgement of a claim do: they are called.
//! What is told here is what surrounds them: the API server, systemd, power cuts. What a real server does is shown
//! elsewhere.

mod calm;
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
        settings: settings(blocks, "claim"),
        start: Local::certified(),
        decide: PRODUCTION,
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

#[test]
fn two_machines_share_two_blocks() {
    holds("2 machines, 2 blocks, 1 deletion", model(2, 2, 1));
}

#[test]
#[ignore]
fn probe_sizes() {
    for (m, b, d) in [(2, 2, 1), (3, 3, 0), (3, 2, 0), (2, 2, 2), (3, 2, 1), (3, 3, 1)] {
        let t = std::time::Instant::now();
        holds(&format!("{m} {b} {d}"), model(m, b, d));
        eprintln!("{:?}", t.elapsed());
    }
}
