// SPDX-License-Identifier: Apache-2.0
//! A whole cluster from the baked image, by `kiln lab up`, and what becomes of it: reboots, deaths, deleted Nodes. They
//! need root.

use std::collections::BTreeSet;
use std::time::Duration;

use kiln::firstboot::network::cni::{CONFLIST, LEASES, NETWORK};
use kiln::lab::Node;

use super::bench::{BOOT_LIMIT, ask, left, sysctls};
use super::person::{Up, eventually, healthy};
use super::rotation::ShortLived;

/// The verify timer fires every minute and spreads by half of one; repair and a new birth follow.
const REPAIR_LIMIT: Duration = Duration::from_secs(300);
/// Whatever first boot and the programs after it keep.
const KEPT: &str = "find /etc/kubernetes /etc/kiln /etc/cni /etc/containerd /etc/sysctl.d /etc/systemd/network \
    /var/lib/kiln /var/lib/kubelet/pki -xdev ! -type d -printf '%p %T@ %C@ %i\\n' | sort";

#[test]
fn a_cluster_comes_up_lives_on_and_leaves_nothing() {
    let before = sysctls();
    let mut up = Up::new("cluster", &["--workers", "2"]);
    let blocks: BTreeSet<String> = up.nodes.keys().map(|name| up.block(name)).collect();
    assert_eq!(blocks.len(), 3, "{blocks:?}");
    up.nodes.keys().for_each(|name| healthy(&up, name));
    assert_eq!(up.claims().len(), 3, "each Node has its claim");
    assert!(up.claims().values().all(|claims| claims.len() == 1), "and one only");
    tokens_are_gone(&up);
    up.smoke();
    blocks_are_bridges(&up);

    each_reboots_and_nothing_is_rewritten(&up);
    let short_lived = a_worker_dies_for_good(&mut up);
    a_node_is_deleted_under_its_machine(&up);
    short_lived.outlives_it(&up);

    let lab = up.lab.clone();
    drop(up);
    assert_eq!(left(&lab), Vec::<String>::new());
    assert_eq!(sysctls(), before, "the machine's settings have changed");
}

/// The bridge is there since pods have run.
fn blocks_are_bridges(up: &Up) {
    for name in up.nodes.keys() {
        let block = up.block(name);
        let gateway = block.replace(".0/24", ".1/24");
        let found = ask(&up.node(name), "ip -o -4 address show dev cni0");
        assert!(found.contains(&gateway), "{name}: {block}, {found}");
    }
}

fn tokens_are_gone(up: &Up) {
    assert_eq!(up.api().ask(async |client| client.tokens().await).unwrap(), Vec::new());
}

fn each_reboots_and_nothing_is_rewritten(up: &Up) {
    for name in up.nodes.keys() {
        let node = up.node(name);
        let look = || ask(&node, KEPT);
        let kept = look();
        assert!(kept.contains("/var/lib/kiln/claim.json"), "{kept}");
        let boot =
            ask(&node, "cat /proc/sys/kernel/random/boot_id; systemctl show --value -p UserspaceTimestamp");
        node.reboot(BOOT_LIMIT).unwrap();
        assert_ne!(
            ask(&node, "cat /proc/sys/kernel/random/boot_id; systemctl show --value -p UserspaceTimestamp"),
            boot
        );
        healthy(up, name);
        assert_eq!(up.ready_block(name, BOOT_LIMIT, |_| true), up.block(name));
        assert_eq!(look(), kept, "{name} has rewritten something");
    }
}

fn a_worker_dies_for_good(up: &mut Up) -> ShortLived {
    up.node("worker-2").kill().unwrap();
    let uid = up.delete_node("worker-2");
    eventually("the block is freed", BOOT_LIMIT, || (!up.claims().contains_key(&uid)).then_some(()));
    let new = ShortLived::add(up);
    assert_eq!(new.name(), "worker-3");
    healthy(up, new.name());
    assert_eq!(up.claims().len(), 3);
    up.smoke();
    up.audit();
    new
}

/// What repair takes down and what it starts again, each with what is another one afterwards.
fn pieces(node: &Node) -> [(&'static str, String); 6] {
    let started = |unit: &str| ask(node, &format!("systemctl show --value -p InvocationID {unit}"));
    [
        ("the bridge", ask(node, "cat /sys/class/net/cni0/ifindex")),
        ("the conflist", ask(node, &format!("stat -c %i:%Z {CONFLIST}"))),
        ("the pods", started("kubepods.slice")),
        ("flannel", started("flanneld.service")),
        ("kube-proxy", started("kube-proxy.service")),
        ("kubelet", started("kubelet.service")),
    ]
}

/// Everything that had the old claim is another one, no address is leased from before, and kubelet came last.
fn is_repaired(node: &Node, before: &[(&'static str, String)]) {
    for ((what, now), (_, was)) in pieces(node).iter().zip(before) {
        assert!(!now.is_empty() && now != was, "{what} is still {was:?}");
    }
    let old = ask(node, &format!("find {LEASES}/{NETWORK} -name '*.*.*.*' ! -newer {CONFLIST}"));
    assert_eq!(old, "", "leases of the lost block");
    let since = |unit: &str| {
        let told = ask(node, &format!("systemctl show --value -p ActiveEnterTimestampMonotonic {unit}"));
        told.trim().parse::<u64>().unwrap()
    };
    let order = ["flanneld", "kube-proxy", "kubelet"].map(since);
    assert!(order.is_sorted(), "flannel, kube-proxy, kubelet: {order:?}");
}

fn a_node_is_deleted_under_its_machine(up: &Up) {
    let before = pieces(&up.node("worker-1"));
    let uid = up.delete_node("worker-1");
    up.ready_block("worker-1", REPAIR_LIMIT, |node| node.meta.uid != uid);
    // The check that found the claim lost has failed; the next one, within a minute or so, says that all is well.
    let node = up.node("worker-1");
    let is_well = || ask(&node, "systemctl is-failed kiln-verify.service || true") != "failed";
    eventually("a check finds all well", REPAIR_LIMIT, || is_well().then_some(()));
    healthy(up, "worker-1");
    let claims = up.claims();
    assert!(!claims.contains_key(&uid) && claims.values().all(|claims| claims.len() == 1), "{claims:?}");
    up.smoke();
    is_repaired(&node, &before);
    up.audit();
}
