// SPDX-License-Identifier: Apache-2.0
//! A cluster whose nodes reach each other's pods by plain routes, and where one worker runs its pods by Docker. Needs root.

use std::path::Path;

use kiln::lab::{self, Node};
use serde_json::Value;

use super::bench::{BOOT_LIMIT, ask};
use super::hand::{Told, create, order, token};
use super::person::{Up, healthy};
use super::{KILN, archive_of, baked};

/// One of the image's own container images.
const SMOKE: &str = "kiln.local/smoke:1";

#[test]
fn containerd_and_docker_share_a_cluster_of_plain_routes() {
    let mut up = Up::new("docker", &["--workers", "1", "--network", "host-gw"]);
    let docker = up.add(&["--runtime", "docker"]);
    up.nodes.keys().for_each(|name| healthy(&up, name));
    up.smoke();
    pods_hang_on_dockers_bridge(&up, &docker);
    packets_go_by_plain_routes(&up, &docker);
    up.audit();
    each_runtime_loads_an_archive(&up, &docker);
    another_sandbox_restarts_containerd_once(&up);

    let node = up.node(&docker);
    node.reboot(BOOT_LIMIT).unwrap();
    healthy(&up, &docker);
    assert_eq!(up.ready_block(&docker, BOOT_LIMIT, |_| true), up.block(&docker));
    up.smoke();
}

fn pods_hang_on_dockers_bridge(up: &Up, name: &str) {
    let node = up.node(name);
    let gateway = up.block(name).replace(".0/24", ".1/24");
    let found = ask(&node, "ip -o -4 address show dev docker0");
    assert!(found.contains(&gateway), "{gateway}: {found}");
    assert_eq!(ask(&node, "ls /etc/cni/net.d 2>/dev/null; ip -o link show type bridge | wc -l"), "1");
    let told = ask(&node, "docker info --format '{{.CgroupDriver}} {{.BridgeNfIptables}}'");
    assert_eq!(told, "systemd true");
    let runtime = up.api().ask(async |client| client.get(&place(name)).await).unwrap().0;
    let runtime = runtime["status"]["nodeInfo"]["containerRuntimeVersion"].as_str().unwrap().to_owned();
    assert!(runtime.starts_with("docker://"), "{runtime}");
}

fn place(node: &str) -> kiln::cluster::ObjectRef {
    let (api_version, kind) = ("v1".to_owned(), "Node".to_owned());
    kiln::cluster::ObjectRef { api_version, kind, namespace: None, name: node.to_owned() }
}

/// An image that containerd and docker were rid of is there again, in both.
fn each_runtime_loads_an_archive(up: &Up, docker: &str) {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("smoke.tar");
    archive_of(&baked(), "smoke", &archive);
    let ctr = "ctr --namespace=k8s.io images";
    let runtimes = [
        ("worker-1", format!("{ctr} rm {SMOKE}"), format!("{ctr} list --quiet")),
        (
            docker,
            format!("docker image rm {SMOKE}"),
            "docker image list --format '{{.Repository}}:{{.Tag}}'".into(),
        ),
    ];
    let has = |name: &str, list: &str| ask(&up.node(name), list).lines().any(|line| line == SMOKE);
    for (name, remove, list) in &runtimes {
        ask(&up.node(name), remove);
        assert!(!has(name, list), "{name}");
    }
    let load = up.run(&["lab", "load", archive.to_str().unwrap()]);
    assert!(load.status.success(), "{}", String::from_utf8_lossy(&load.stderr));
    for (name, _, list) in &runtimes {
        assert!(has(name, list), "{name}");
    }
}

/// The image's own sandbox is in containerd's configuration when that starts beside first boot; a worker that is told another
/// one gets it before its kubelet starts.
fn another_sandbox_restarts_containerd_once(up: &Up) {
    let when = |node: &Node, unit: &str, name: &str| -> u64 {
        node.property(Some(unit), &format!("{name}TimestampMonotonic")).unwrap().parse().unwrap()
    };
    let plain = up.node("worker-1");
    let [begun, done] = [("containerd.service", "InactiveExit"), ("kiln-firstboot.service", "ActiveEnter")]
        .map(|(unit, name)| when(&plain, unit, name));
    assert!(begun < done, "containerd starts beside first boot: {begun}, {done}");
    assert_eq!(plain.property(Some("kiln-runtime.service"), "ActiveState").unwrap(), "inactive");

    let made = lab::open(&up.lab, Path::new(KILN)).unwrap();
    let (ca, token) = (up.api().ca, token(4));
    create(up, &token);
    let mut order = order(up, &Told { place: 4, ca: &ca, token: &token, endpoint: None });
    let mut settings: Value = serde_json::from_slice(&order.credentials["kiln.settings"]).unwrap();
    settings["sandbox"] = SMOKE.into();
    order.credentials.insert("kiln.settings".to_owned(), settings.to_string().into_bytes());
    let node = made.start(&order).unwrap();
    up.ready_block("worker-4", BOOT_LIMIT, |_| true);
    healthy(up, "worker-4");
    assert_eq!(
        ask(&node, "systemctl is-active kiln-runtime; ls /run/kiln/containerd.changed || true"),
        "active"
    );
    let order = [
        ("kiln-firstboot.service", "ActiveEnter"),
        ("containerd.service", "ActiveEnter"),
        ("kiln-runtime.service", "ActiveEnter"),
        ("kubelet.service", "InactiveExit"),
    ];
    let order = order.map(|(unit, name)| when(&node, unit, name));
    assert!(order.is_sorted(), "{order:?}");
    assert!(ask(&node, "cat /etc/containerd/config.toml").contains(SMOKE));
    // A sandbox that serves has the port of the pods that are to serve there.
    node.kill().unwrap();
    up.delete_node("worker-4");
}

/// Each node's block lies behind that node's address, and nothing is encapsulated.
fn packets_go_by_plain_routes(up: &Up, name: &str) {
    let routes = ask(&up.node(name), "ip -4 route; ip -o link show type vxlan");
    for (other, address) in [("control", "10.0.2.10"), ("worker-1", "10.0.2.11")] {
        let route = format!("{} via {address} dev host0", up.block(other));
        assert!(routes.contains(&route), "{route}: {routes}");
    }
    assert!(!routes.contains("vxlan") && !routes.contains("flannel"), "{routes}");
}
