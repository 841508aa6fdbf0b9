// SPDX-License-Identifier: Apache-2.0
//! Runs beside and after each other.

use std::time::Duration;

use super::{Place, bounded, claims, node, put, retell};
use crate::birth::cluster::TOKEN;

/// One does it, the other waits and finds it done: one Node, one claim.
pub fn two_runs_at_once(place: &Place) {
    let before = claims(&place.bench).len();
    let delays = [0, 50, 150, 300, 450, 700];
    for (count, delay_ms) in (1..).zip(delays) {
        let name = format!("pair{delay_ms}");
        let worker = place.worker(&name, |_| ());
        std::thread::scope(|scope| {
            let first = scope.spawn(|| worker.run(&["run"]));
            std::thread::sleep(Duration::from_millis(delay_ms));
            worker.run(&["run"]).is(0);
            first.join().unwrap().is(0);
        });
        worker.run(&["verify"]).is(0);
        assert_eq!(claims(&place.bench).len(), before + count, "{delay_ms} ms apart");
    }
    // Whoever holds the lock for long is told of, and a killed one holds none.
    let worker = place.worker("locked", |_| ());
    worker.run(&["run", "--dry-run"]).is(0);
    assert!(!worker.path("var").exists(), "who only looks touches nothing");
    put(&worker, "var/lib/kiln/lock", "");
    let lock = worker.path("var/lib/kiln/lock");
    let held = worker.run_by(&["flock", lock.to_str().unwrap()], &["run"]);
    assert!(held.said.contains("another kiln-firstboot is at work on this machine"), "{}", held.said);
    held.is(75);
    worker.run(&["run"]).is(0);
    assert!(lock.exists());
    for word in ["verify", "status", "explain"] {
        let ended = worker.run_by(&["flock", lock.to_str().unwrap()], &[word]);
        ended.is(0);
    }
}

/// It is used for the certificate request alone.
pub fn a_token_that_is_none(place: &Place) {
    let worker = place.born("healthy");
    for word in ["verify", "run", "status"] {
        put(&worker, "run/provision/token", "{\"token\": 7}");
        bounded(&worker, &[word]).is(0);
    }
    let worker = place.worker("unborn", |_| ());
    put(&worker, "run/provision/token", "nonsense");
    let before = worker.files();
    for word in ["verify", "repair"] {
        let ended = bounded(&worker, &[word]);
        assert!(ended.said.contains("no claim is recorded on this machine"), "{}", ended.said);
        ended.is(1);
    }
    let after: Vec<String> = worker.files().into_iter().filter(|path| !path.contains("kiln/lock")).collect();
    let after: Vec<String> = after.into_iter().filter(|path| !path.starts_with("run/kiln")).collect();
    assert_eq!(after, before, "they record nothing");
    let ended = bounded(&worker, &["run"]);
    assert!(ended.said.contains("/run/provision/token: this is no bootstrap token"), "{}", ended.said);
    ended.is(78);
    // A link is followed to the file, which goes when it has served.
    std::fs::remove_file(worker.path("run/provision/token")).unwrap();
    put(&worker, "run/provision/real", TOKEN);
    std::os::unix::fs::symlink("/run/provision/real", worker.path("run/provision/token")).unwrap();
    bounded(&worker, &["run"]).is(0);
    assert!(!worker.path("run/provision/real").exists(), "the token is gone, not only a link to it");
}

pub fn what_was_corrected_counts_until_something_rests_on_it(place: &Place) {
    place.born("taken");
    let worker = place.worker("taken", |settings| settings.node.instance_id = Some("i-2".to_owned()));
    let ended = bounded(&worker, &["run"]);
    assert!(ended.said.contains("the name taken is held by another machine"), "{}", ended.said);
    ended.is(78);
    retell(&worker, |settings| settings.node.name = Some("fresh".to_owned()));
    put(&worker, "run/provision/token", TOKEN);
    bounded(&worker, &["run"]).is(0);
    assert_eq!(node(&place.bench, "fresh")["metadata"]["annotations"]["kiln.dev/instance"], "i-2");
    retell(&worker, |settings| settings.node.name = Some("third".to_owned()));
    let ended = bounded(&worker, &["run"]);
    ended.is(0);
    let line = "warning: node.name is third, and this machine was made a node with fresh, which it keeps";
    assert!(ended.said.contains(line), "{}", ended.said);

    // An address of a family that pods do not have, before the cluster knows of the machine.
    let worker = place.worker("sixth", |settings| settings.node.addresses = vec!["fd00::6".parse().unwrap()]);
    let ended = bounded(&worker, &["run"]);
    assert!(ended.said.contains("pods have IPv4 addresses but the node has none"), "{}", ended.said);
    ended.is(78);
    let admin = place.bench.super_admin();
    assert_eq!(place.bench.ask(Some(&admin), "GET", "/api/v1/nodes/sixth", None).status, 404);
    retell(&worker, |settings| settings.node.addresses = vec!["10.99.0.11".parse().unwrap()]);
    bounded(&worker, &["run"]).is(0);
}
