// SPDX-License-Identifier: Apache-2.0
//! A cluster whose nodes reach each other's pods by plain routes, and where one worker runs its pods by Docker. Needs root.

use super::bench::{BOOT_LIMIT, ask};
use super::person::{Up, healthy};

#[test]
fn containerd_and_docker_share_a_cluster_of_plain_routes() {
    let mut up = Up::new("docker", &["--workers", "1", "--network", "host-gw"]);
    let docker = up.add(&["--runtime", "docker"]);
    up.nodes.keys().for_each(|name| healthy(&up, name));
    up.smoke();
    pods_hang_on_dockers_bridge(&up, &docker);
    packets_go_by_plain_routes(&up, &docker);
    up.audit();

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

/// Each node's block lies behind that node's address, and nothing is encapsulated.
fn packets_go_by_plain_routes(up: &Up, name: &str) {
    let routes = ask(&up.node(name), "ip -4 route; ip -o link show type vxlan");
    for (other, address) in [("control", "10.0.2.10"), ("worker-1", "10.0.2.11")] {
        let route = format!("{} via {address} dev host0", up.block(other));
        assert!(routes.contains(&route), "{route}: {routes}");
    }
    assert!(!routes.contains("vxlan") && !routes.contains("flannel"), "{routes}");
}
