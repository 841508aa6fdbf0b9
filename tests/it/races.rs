// SPDX-License-Identifier: Apache-2.0
//! Many nodes at once against a real server: the production run, in this process, on trees of their own in memory.
//!
//! One control plane with kiln's own objects and policies serves all parts; each part makes the pool anew.

mod crowd;
mod faults;
mod pool;
mod watched;

use std::collections::BTreeSet;

use kiln::exit::Exit;
use kiln::firstboot::run::Ending;
use kiln::settings::Addressing;

use crate::policies::cluster::{Cluster, both_families, in_cluster};
use crowd::Crowd;

#[test]
fn a_herd_gets_distinct_blocks_whatever_fails_and_whoever_goes() {
    in_cluster(both_families(Addressing::Claim), |cluster| {
        for (range, prefix, blocks) in
            [("10.2.1.0/24", 26, 4), ("10.234.0.0/20", 25, 32), ("10.234.0.0/20", 26, 64)]
        {
            as_many_nodes_as_blocks_and_one_more(cluster, range, prefix, blocks);
        }
        a_hundred_go_while_a_hundred_come(cluster);
        a_thousand_converge_although_a_tenth_of_requests_fails(cluster);
    });
}

/// N blocks and N nodes at once: N distinct blocks, and one more node is told that there is none.
fn as_many_nodes_as_blocks_and_one_more(cluster: &Cluster, range: &str, prefix: u8, blocks: u32) {
    let settings = pool::make(cluster, range, prefix);
    let crowd = Crowd::new(cluster, &settings, &settings.api.endpoint);
    let machines = crowd.machines("n", blocks);
    let endings = crowd.boot(&machines);
    let held = distinct(&endings);
    assert_eq!(held.len(), blocks as usize, "{range} in /{prefix}");
    let late = crowd.boot(&crowd.machines("late", 1));
    let told = late[0].reason.as_ref().unwrap().to_string();
    assert_eq!(late[0].exit, Exit::TryAgain, "{told}");
    assert!(
        told.starts_with(&format!("the pool is exhausted: {blocks} of {blocks} blocks are used")),
        "{told}"
    );
    pool::is_sound(cluster, &["late0"]);
}

/// 128 blocks, 100 of them held by machines whose Nodes are deleted while 100 others boot.
fn a_hundred_go_while_a_hundred_come(cluster: &Cluster) {
    let settings = pool::make(cluster, "10.234.0.0/17", 24);
    let crowd = Crowd::new(cluster, &settings, &settings.api.endpoint);
    let old = crowd.machines("old", 100);
    assert_eq!(distinct(&crowd.boot(&old)).len(), 100);
    let (new, seen) = watched::while_watched(cluster, || crowd.replace(&old, &crowd.machines("new", 100)));
    assert_eq!(distinct(&new).len(), 100);
    let reused = seen.check();
    assert!(reused >= 72, "28 blocks were free at first, so 72 changed hands at least: {reused}");
    pool::is_sound(cluster, &[]);
    for ending in crowd.verify(&old) {
        let reason = ending.reason.unwrap().to_string();
        assert!(reason.contains("is lost"), "who was deleted is told: {reason}");
    }
}

/// 1,000 nodes behind a proxy that fails or cuts one request in ten.
fn a_thousand_converge_although_a_tenth_of_requests_fails(cluster: &Cluster) {
    let settings = pool::make(cluster, "10.128.0.0/12", 24);
    let proxy = faults::Proxy::start(cluster);
    let crowd = Crowd::new(cluster, &settings, &proxy.endpoint);
    let machines = crowd.machines("t", 1000);
    let endings = crowd.boot_with(&machines, crowd::until_held);
    assert_eq!(distinct(&endings).len(), 1000);
    let each = |of: fn(crowd::Cost) -> u64| {
        machines.iter().map(|machine| of(machine.cost())).sum::<u64>() as f64 / 1000.0
    };
    let (creates, requests) = (each(|cost| cost.claim_creates), each(|cost| cost.requests));
    println!("{creates:.2} claim creates and {requests:.2} requests per node, 4,096 blocks");
    let told = proxy.told();
    println!("{told}");
    assert!(told.faults * 100 > told.requests * 8 && told.faults * 100 < told.requests * 12, "{told}");
    pool::is_sound(cluster, &[]);
}

/// The blocks that nodes hold; each of them must have ended well.
fn distinct(endings: &[Ending]) -> BTreeSet<String> {
    endings
        .iter()
        .map(|ending| {
            assert_eq!(ending.exit, Exit::Done, "{:?}", ending.reason.as_ref().map(ToString::to_string));
            crowd::record(ending).blocks[0].to_string()
        })
        .collect()
}
