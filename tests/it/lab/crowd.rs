// SPDX-License-Identifier: Apache-2.0
//! Eight workers at once, which lose their power twenty times in their first boots. Needs root.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use kiln::cluster::Client;
use kiln::lab::{self, Made, Node};

use super::KILN;
use super::bench::BOOT_LIMIT;
use super::hand::{Told, create, start, token};
use super::person::{Up, eventually, healthy};

const PLACES: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
const KILLS: usize = 20;
/// A first boot takes half a second to two, by how busy the machine is; a moment after its beginning is drawn from this.
const MOMENT_MAX_MS: u64 = 1500;

#[test]
fn eight_workers_at_once_that_are_killed_at_any_moment_hold_one_block_each() {
    let up = Up::new("crowd", &["--workers", "0"]);
    let made = lab::open(&up.lab, Path::new(KILN)).unwrap();
    let ca = up.api().ca;
    std::thread::scope(|scope| {
        for (nth, place) in PLACES.into_iter().enumerate() {
            let kills = KILLS / PLACES.len() + usize::from(nth < KILLS % PLACES.len());
            let (up, made, ca) = (&up, &made, &ca);
            scope.spawn(move || is_killed_while_it_boots(up, made, ca, place, kills));
        }
    });
    let names: Vec<String> = PLACES.map(|place| format!("worker-{place}")).into();
    let blocks: BTreeSet<String> =
        names.iter().map(|name| up.ready_block(name, BOOT_LIMIT, |_| true)).collect();
    assert_eq!(blocks.len(), PLACES.len(), "{blocks:?}");
    names.iter().for_each(|name| healthy(&up, name));
    let claims = up.claims();
    assert_eq!(claims.len(), 1 + PLACES.len(), "{claims:?}");
    assert!(claims.values().all(|claims| claims.len() == 1), "{claims:?}");
    up.audit();
}

/// A power cut, some moment after first boot's program has been seen; and the next start.
fn is_killed_while_it_boots(up: &Up, made: &Made, ca: &str, place: u8, kills: usize) {
    let token = token(place);
    create(up, &token);
    let node = start(made, up, &Told { place, ca, token: &token, endpoint: None });
    let mut chance = u64::from(place) * 7919;
    for _ in 0..kills {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let moment_ms = (chance >> 33) % MOMENT_MAX_MS;
        eventually("first boot runs", BOOT_LIMIT, || runs(&node).then_some(()));
        std::thread::sleep(Duration::from_millis(moment_ms));
        node.kill().unwrap();
        println!("worker-{place} ended {moment_ms} ms after first boot began, {}", how_far(up, place));
        node.power_on(Path::new(KILN)).unwrap();
    }
}

fn runs(node: &Node) -> bool {
    let name = |process: i32| fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    let processes = node.processes().unwrap();
    processes.into_iter().any(|process| name(process).trim_end() == "kiln-firstboot")
}

fn how_far(up: &Up, place: u8) -> &'static str {
    let name = format!("worker-{place}");
    match up.api().ask(async |client: &Client| client.node_get(&name).await) {
        Err(_) => "without a Node",
        Ok(node) if node.is_ready => "when it was Ready",
        Ok(node) if !node.pod_cidrs.is_empty() => "with its block",
        Ok(_) => "with a Node and no block",
    }
}
