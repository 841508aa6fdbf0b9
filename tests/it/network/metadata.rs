// SPDX-License-Identifier: Apache-2.0
//! Pods don't reach their instance's metadata service, and the node does: real packets through the rules that are rendered,
//! and without them, so that it is the rules that keep pods out.

use kiln::firstboot::network::packets;
use kiln::settings::{Fabric, Mode, Platform};

use super::cases::{Case, Families};
use super::node::Node;
use super::pods::{masquerade, pod};

/// The service's addresses, one for each family ("Access instance metadata", EC2 User Guide).
const SERVICE: [&str; 2] = ["169.254.169.254", "fd00:ec2::254"];

fn put(node: &Node, platform: Platform) {
    let mut case = Case::new(Mode::Cni, Families::Dual, Fabric::None);
    case.settings.cloud.platform = platform;
    node.put(&case.files());
    let (is_right, said) = node.said(&format!("nft -c -f {}", packets::MASQUERADE));
    assert!(is_right, "{said}");
    masquerade(node);
}

/// Whether who runs `within` reaches the service, and gets an answer.
fn reaches(node: &Node, within: &str, address: &str) -> bool {
    let to =
        if address.contains(':') { format!("TCP6:[{address}]:80") } else { format!("TCP4:{address}:80") };
    let (is_done, said) = node.said(format!("{within} socat -T3 - {to},connect-timeout=3").trim());
    is_done && said.contains("secret")
}

#[test]
fn pods_are_kept_from_the_metadata_service_by_the_nodes_own_rules() {
    let node = Node::new();
    node.write("/run/tell-secret", "#!/bin/sh\necho secret\n");
    node.done("chmod +x /run/tell-secret");
    let mut services = Vec::new();
    for address in SERVICE {
        node.done(&format!("ip -n outside address add {address} dev lo"));
        let listen = if address.contains(':') {
            "TCP6-LISTEN:80,fork,reuseaddr,ipv6only=1"
        } else {
            "TCP4-LISTEN:80,fork,reuseaddr"
        };
        services.push(node.start(&format!("ip netns exec outside socat {listen} EXEC:/run/tell-secret")));
    }
    node.wait_for("servers", || node.done("ip netns exec outside ss -Hltn").matches(":80").count() == 2);
    put(&node, Platform::None);
    pod(&node, "a");
    for address in SERVICE {
        assert!(
            reaches(&node, "ip netns exec a", address),
            "without the rule a pod gets {address}'s answers"
        );
    }
    put(&node, Platform::Aws);
    for address in SERVICE {
        assert!(!reaches(&node, "ip netns exec a", address), "a pod got an answer of {address}");
        assert!(reaches(&node, "", address), "the node itself does not reach {address}");
    }
    for other in ["10.0.0.1", "fd00:1::1"] {
        assert!(reaches(&node, "ip netns exec a", other), "nothing but the service is closed");
    }
}
