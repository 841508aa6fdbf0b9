// SPDX-License-Identifier: Apache-2.0
//! The other ways of addressing: real births in each, and what `kiln ipam` says of them.

use std::path::Path;

use kiln::ipam::Ranges;
use kiln::settings::{Addressing, Settings};
use serde_json::json;

use super::cluster::{claims, node, prepare, within};
use super::worker::{Worker, told};
use crate::bench::{Bench, Options};

const POOL: &str = "/api/v1/namespaces/kiln-ipam/configmaps/pool";

fn options(addressing: Addressing) -> Options {
    let mut options = Options::default();
    options.settings.cluster.addressing = addressing;
    options
}

/// A worker of the bench's cluster on a machine of its own.
fn worker(bench: &Bench, name: &str, address: &str, change: impl FnOnce(&mut Settings)) -> Worker {
    let mut settings = told(bench, name, &format!("i-{name}"));
    change(&mut settings);
    let tree = tempfile::Builder::new().prefix("kiln-modes-").tempdir().unwrap();
    Worker::on(bench.machine(address).into(), tree, &settings)
}

/// What the audit prints of a sound cluster.
fn audited(bench: &Bench) -> String {
    let mut kiln = bench.in_network(Path::new(env!("CARGO_BIN_EXE_kiln")));
    kiln.args(["ipam", "--kubeconfig"]).arg(bench.root().join("etc/kubernetes/super-admin.conf"));
    let output = kiln.env("LC_ALL", "C.UTF-8").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.ends_with("\nnothing is wrong\n"), "{said}{wrong}");
    said
}

fn holds(said: &str, line: &str) {
    assert!(said.lines().any(|found| found == line), "{line}\n{said}");
}

#[test]
fn an_index_of_the_settings_or_of_the_address_is_claimed_and_nobody_elses() {
    let mut bench = Bench::start(options(Addressing::Static));
    prepare(&bench);
    let one = worker(&bench, "one", "10.99.0.11", |settings| settings.node.index = Some(7));
    one.run(&["run"]).is(0);
    assert_eq!(node(&bench, "one")["spec"]["podCIDR"], "10.244.7.0/24");
    let two = worker(&bench, "two", "10.99.0.12", |settings| settings.node.index = Some(7));
    let refused = two.run(&["run"]);
    refused.is(78);
    assert!(refused.said.contains("block 7 is held by one; this node can have no other"), "{}", refused.said);
    delete(&bench, "/api/v1/nodes/two");
    let said = audited(&bench);
    holds(&said, "pool    10.244.0.0/16 in /24; addressing static");
    holds(&said, "       7  10.244.7.0/24  one");
    one.run(&["verify"]).is(0);

    delete(&bench, "/api/v1/nodes/one");
    within(|| claims(&bench).is_empty());
    delete(&bench, POOL);
    bench.settings.cluster.addressing = Addressing::Derived;
    let data = Ranges::of(&bench.settings.cluster).unwrap().data();
    let pool = json!({"metadata": {"name": "pool"}, "immutable": true, "data": data}).to_string();
    let path = POOL.strip_suffix("/pool").unwrap();
    assert_eq!(bench.ask(Some(&bench.super_admin()), "POST", path, Some(&pool)).status, 201);
    let three = worker(&bench, "three", "10.99.0.13", |_| ());
    three.run(&["run"]).is(0);
    let said = audited(&bench);
    holds(&said, "pool    10.244.0.0/16 in /24; addressing derived");
    holds(&said, "      13  10.244.13.0/24  three");
    three.run(&["verify"]).is(0);
}

#[test]
fn what_the_clusters_own_allocator_sets_is_adopted_and_judged_by_the_node() {
    let bench = Bench::start(options(Addressing::Kcm));
    prepare(&bench);
    let one = worker(&bench, "one", "10.99.0.11", |_| ());
    one.run(&["run"]).is(0);
    let block = node(&bench, "one")["spec"]["podCIDR"].as_str().unwrap().to_owned();
    assert!(one.text("etc/cni/net.d/10-kiln.conflist").contains(&block));
    assert!(claims(&bench).is_empty(), "nothing is claimed");
    one.run(&["verify"]).is(0);
    let said = audited(&bench);
    holds(&said, "pool    10.244.0.0/16 in /24; addressing kcm");
    let line = said.lines().find(|line| line.ends_with("  one")).unwrap_or_default();
    assert!(line.contains(&format!("  {block}  ")), "{said}");

    delete(&bench, "/api/v1/nodes/one");
    let lost = one.run(&["verify"]);
    lost.is(1);
    assert!(lost.said.contains(" is lost ("), "{}", lost.said);
}

fn delete(bench: &Bench, path: &str) {
    let answer = bench.ask(Some(&bench.super_admin()), "DELETE", path, None);
    assert_eq!(answer.status, 200, "{}", answer.body);
}
