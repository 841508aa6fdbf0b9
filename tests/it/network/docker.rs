// SPDX-License-Identifier: Apache-2.0
//! dockerd with the rendered daemon.json: its bridge has the block's address, and no firewall is touched.

use kiln::settings::{Fabric, Mode};

use super::cases::{Case, Families};
use super::node::Node;

fn bridge_of(case: &Case) -> (Node, String) {
    let node = Node::new();
    node.put(&case.files());
    node.done("sysctl -q -w net.ipv4.ip_forward=1");
    let before = node.done("nft list ruleset");
    // vfs: overlay can't lie on this tree's own overlay.
    let mut dockerd = node.start("dockerd --data-root /tmp/docker --storage-driver vfs");
    dockerd.wait_for_any(&["API listen on"]);
    let bridge = node.done("docker network inspect bridge");
    assert_eq!(node.done("nft list ruleset"), before, "docker leaves the firewall to others");
    assert!(!node.done("iptables -S FORWARD").contains("DROP"));
    drop(dockerd);
    (node, bridge)
}

#[test]
fn dockers_bridge_has_the_address_and_mtu_of_the_block() {
    for families in [Families::V4, Families::Dual] {
        let case = Case::new(Mode::Docker, families, Fabric::Vxlan);
        let (node, bridge) = bridge_of(&case);
        let value: serde_json::Value = serde_json::from_str(&bridge).unwrap();
        let options = &value[0]["Options"];
        assert_eq!(options["com.docker.network.bridge.enable_ip_masquerade"], "false");
        let mtu = if families == Families::Dual { "1430" } else { "1450" };
        assert_eq!(options["com.docker.network.driver.mtu"], mtu);
        assert_eq!(value[0]["IPAM"]["Config"][0]["IPRange"], "10.244.3.0/24");
        let addresses = node.done("ip -brief address show docker0");
        assert!(addresses.contains(" 10.244.3.1/24 "), "{addresses}");
        let has_v6 = addresses.contains("fd00:244:0:3::1/64");
        assert_eq!(has_v6, families == Families::Dual, "{addresses}");
    }
}

#[test]
fn docker_makes_no_bridge_where_pods_hang_on_cni0() {
    let mut case = Case::new(Mode::Cni, Families::V4, Fabric::Vxlan);
    case.settings.runtime = kiln::settings::Runtime::Docker;
    let node = Node::new();
    node.put(&case.files());
    let mut dockerd = node.start("dockerd --data-root /tmp/docker --storage-driver vfs");
    dockerd.wait_for_any(&["API listen on"]);
    assert!(!node.said("ip link show docker0").0);
}
