// SPDX-License-Identifier: Apache-2.0
//! The cluster itself in trouble: its control plane restarts and etcd dies while workers boot, and a worker loses its
//! network.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use kiln::cluster::Client;
use kiln::lab::{Made, Node};

use super::KILN;
use super::bench::{BOOT_LIMIT, ask};
use super::hand::{Told, create, start, token};
use super::person::{Up, eventually, healthy};

/// What kube-controller-manager and the check of claims have to bear.
const CUT_OFF_FOR: Duration = Duration::from_secs(90);

/// The control plane loses its power when one worker has begun and comes back after another has found nobody; then etcd
/// dies.
pub fn workers_boot_while_the_control_plane_restarts(up: &Up, made: &Made, ca: &str) {
    let control = up.node("control");
    let tokens = [4, 5].map(token);
    tokens.iter().for_each(|token| create(up, token));
    let begin = |place, token| start(made, up, &Told { place, ca, token, endpoint: None });
    let early = begin(4, &tokens[0]);
    eventually("first boot runs", BOOT_LIMIT, || is_asking(&early).then_some(()));
    control.kill().unwrap();
    let late = begin(5, &tokens[1]);
    eventually("worker-5 finds nobody", BOOT_LIMIT, || {
        let said = late.journal(Some("kiln-firstboot.service")).unwrap_or_default();
        said.contains("can't reach the API server").then_some(())
    });
    control.power_on(Path::new(KILN)).unwrap();
    eventually("etcd is back", BOOT_LIMIT, || {
        let state = control.property(Some("etcd.service"), "ActiveState").ok()?;
        (state == "active").then_some(())
    });
    ask(&control, "systemctl kill --signal=SIGKILL etcd.service");
    for name in ["worker-4", "worker-5"] {
        up.ready_block(name, BOOT_LIMIT, |_| true);
        healthy(up, name);
    }
    healthy(up, "control");
}

fn is_asking(node: &Node) -> bool {
    node.property(Some("kiln-firstboot.service"), "ActiveState").is_ok_and(|state| state != "inactive")
}

/// The machine goes on, and so do its pods; its Node is no longer Ready, and then is again, with the same block.
pub fn a_worker_that_is_cut_off_keeps_its_block(up: &Up, name: &str) {
    let node = up.node(name);
    let link = link_of(up, &node);
    let before = node_of(up, name);
    let start = Instant::now();
    in_network(up, &["link", "set", &link, "nomaster"]);
    eventually("it is missed", BOOT_LIMIT, || (!node_of(up, name).is_ready).then_some(()));
    std::thread::sleep(CUT_OFF_FOR.saturating_sub(start.elapsed()));
    in_network(up, &["link", "set", &link, "master", "kiln0"]);
    let block = up.ready_block(name, BOOT_LIMIT, |_| true);
    assert_eq!(block, before.pod_cidrs[0].to_string());
    assert_eq!(node_of(up, name).meta.uid, before.meta.uid);
    // A check that found nobody to ask may have failed; the next one says that all is well.
    let is_well = || ask(&node, "systemctl --failed --no-legend --plain").is_empty();
    eventually("it is well", BOOT_LIMIT, || is_well().then_some(()));
    up.audit();
}

fn node_of(up: &Up, name: &str) -> kiln::cluster::Node {
    up.api().ask(async |client: &Client| client.node_get(name).await).unwrap()
}

/// Returns the bridge's end of a node's link.
fn link_of(up: &Up, node: &Node) -> String {
    let index = ask(node, "cat /sys/class/net/host0/iflink");
    let links = in_network(up, &["-o", "link"]);
    let line = links.lines().find_map(|line| line.strip_prefix(&format!("{index}: ")));
    line.unwrap().split(['@', ':']).next().unwrap().to_owned()
}

/// Runs ip(8) in the lab's own network.
fn in_network(up: &Up, words: &[&str]) -> String {
    let network = format!("--net={}", up.lab.network().display());
    let output = Command::new("nsenter").args([&network, "ip"]).args(words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
