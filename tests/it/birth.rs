// SPDX-License-Identifier: Apache-2.0
//! First boot of a worker against real servers.

pub mod cluster;
mod expiry;
mod journal;
mod killed;
mod modes;
mod refused;
mod secrets;
mod status;
mod sturdy;
mod warm;
mod whole;
mod worker;

use std::collections::BTreeSet;

use crate::bench::{Bench, Options};
use cluster::{claims, node, prepare};
use journal::Journal;
use worker::Worker;

/// The whole birth, what stays untouched afterwards, and what is refused; on one control plane, for it is the slow part.
#[test]
fn a_worker_is_born_once_and_a_warm_boot_changes_nothing() {
    let bench = Bench::start(Options::default());
    prepare(&bench);

    let worker = Worker::new(&bench, "w1", "10.99.0.11");
    let journal = Journal::start();
    let dry = worker.run(&["run", "--dry-run"]);
    assert!(dry.said.contains("would ask for a client certificate"), "{}", dry.said);
    assert_eq!(
        worker.files(),
        ["etc/kiln/settings.d/10-image.yaml", "run/provision/token"],
        "nothing is touched"
    );

    worker.has_journal(&journal.sockets());
    worker.run(&["run"]).is(0);
    let born = node(&bench, "w1");
    assert_eq!(born["metadata"]["labels"]["example.org/rack"], "r1");
    assert_eq!(born["metadata"]["annotations"]["kiln.dev/instance"], "i-w1");
    assert!(
        born["metadata"]["annotations"]["kiln.dev/first-boot"].as_str().unwrap().contains("\"podcidrs\"")
    );
    let block = born["spec"]["podCIDR"].as_str().unwrap().to_owned();
    assert_eq!(born["spec"]["podCIDRs"], serde_json::json!([block]));
    assert_eq!(born["metadata"]["labels"]["ipblock"], block.replace('/', "_"));
    assert_eq!(born["spec"]["providerID"], "lab://w1");
    let held = claims(&bench);
    assert_eq!(held.len(), 1);
    assert_eq!(held[0]["metadata"]["ownerReferences"][0]["uid"], born["metadata"]["uid"]);
    assert_eq!((held[0]["data"]["v4"].as_str(), held[0]["immutable"].as_bool()), (Some(&*block), Some(true)));
    let conflist = worker.text("etc/cni/net.d/10-kiln.conflist");
    assert!(conflist.contains(&block), "{conflist}");

    // Six requests from the certificate request to podCIDRs, the server's version, and the report.
    assert_eq!(worker.report()["requests"], 8);
    worker.keeps_no_secret_but_its_key();
    journal::tells_the_birth(&journal, &block, "0123456789abcdef");

    let told = journal.entries(1).len();
    let before = worker.state();
    for word in ["run", "verify"] {
        worker.run(&[word]).is(0);
        assert_eq!(worker.state(), before, "{word} changes nothing");
    }
    assert_eq!(worker.report()["requests"], 1, "a warm boot asks for its claim");
    let entries = journal.entries(2);
    assert_eq!(entries.len(), told + 1, "one entry for the warm boot, none for a check that found all well");
    assert_eq!(entries[told]["KILN_REQUESTS"], "1");
    assert!(worker.run(&["explain"]).said.contains("claim 10.244."));

    a_name_that_is_held_is_refused(&bench);
    a_lost_claim_is_told_by_verify_and_made_anew_by_a_boot(&bench, &worker, &block);
    status::is_told_at_each_stage(&bench);
}

fn a_name_that_is_held_is_refused(bench: &Bench) {
    let other = Worker::named(bench, "w1", "i-other", "10.99.0.12");
    let refused = other.run(&["run"]);
    refused.is(78);
    assert!(
        refused.said.contains("the name w1 is held by another machine (instance i-w1)"),
        "{}",
        refused.said
    );
    let left: Vec<String> =
        other.files().into_iter().filter(|path| path.starts_with("var/lib/kubelet")).collect();
    assert!(left.is_empty(), "no credential in another's name is kept: {left:?}");
    assert_eq!(claims(bench).len(), 1);
}

fn a_lost_claim_is_told_by_verify_and_made_anew_by_a_boot(bench: &Bench, worker: &Worker, block: &str) {
    let answer = bench.ask(Some(&bench.super_admin()), "DELETE", "/api/v1/nodes/w1", None);
    assert_eq!(answer.status, 200, "{}", answer.body);
    cluster::within(|| claims(bench).is_empty());
    let lost = worker.run(&["verify"]);
    lost.is(1);
    assert!(lost.said.contains("is lost (it is gone)"), "{}", lost.said);
    worker.run(&["run"]).is(0);
    assert_eq!(node(bench, "w1")["spec"]["podCIDR"], block, "the freed block is asked for first");
    worker.run(&["verify"]).is(0);
}

#[test]
fn four_workers_get_four_blocks_and_the_fifth_is_told_that_there_is_none() {
    let mut options = Options::default();
    options.settings.cluster.pods = vec!["10.244.0.0/22".parse().unwrap()];
    (options.settings.cluster.nodes_max, options.settings.cluster.surge) = (4, 0);
    let bench = Bench::start(options);
    prepare(&bench);
    let workers: Vec<Worker> =
        (1..=4).map(|n| Worker::new(&bench, &format!("w{n}"), &format!("10.99.0.{}", 10 + n))).collect();
    std::thread::scope(|scope| {
        for worker in &workers {
            scope.spawn(|| worker.run(&["run"]).is(0));
        }
    });
    let blocks: BTreeSet<String> = (1..=4)
        .map(|n| node(&bench, &format!("w{n}"))["spec"]["podCIDR"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(blocks.len(), 4);
    let late = Worker::new(&bench, "w5", "10.99.0.15");
    let told = late.run(&["run"]);
    told.is(75);
    assert!(told.said.contains("the pool is exhausted: 4 of 4 blocks are used"), "{}", told.said);
    // A Node goes, and its block is the next one's.
    bench.ask(Some(&bench.super_admin()), "DELETE", "/api/v1/nodes/w2", None);
    cluster::within(|| claims(&bench).len() == 3);
    late.run(&["run"]).is(0);
    assert_eq!(claims(&bench).len(), 4);
}
