// SPDX-License-Identifier: Apache-2.0
//! Links and routes that iproute2 made, seen and removed by kiln; an earlier block's leftovers repaired.

use kiln::firstboot::network::stale::Repair;
use kiln::firstboot::network::{cni, overlap, stale};
use kiln::host::links;
use kiln::links::{Links, Route};
use kiln::settings::{Fabric, Mode};

use super::cases::{Case, Families};
use super::node::Node;
use super::pods;

fn look(node: &Node) -> Links {
    node.within(|| links::look().unwrap())
}

fn route<'a>(seen: &'a Links, destination: &str) -> Vec<&'a Route> {
    let destination = destination.parse().unwrap();
    seen.routes.iter().filter(|route| route.destination == destination).collect()
}

#[test]
fn links_and_routes_are_seen_as_they_are() {
    let node = Node::new();
    node.done("ip link add cni0 mtu 1450 type bridge");
    node.done("ip address add 10.244.3.1/24 dev cni0");
    node.done("ip link add flannel.1 type vxlan id 1 dstport 8472 dev eth0");
    node.done("ip route add blackhole 10.244.9.0/24");
    node.done("ip route add blackhole fd00:244:0:9::/64");
    node.done("ip route add 10.244.8.0/24 nexthop via 10.0.0.1 nexthop via 10.0.0.2");
    node.done("ip route add 10.9.0.0/16 via 10.0.0.1 table 77");
    let seen = look(&node);
    let cni0 = seen.link("cni0").unwrap();
    assert_eq!((cni0.kind.as_deref(), cni0.mtu, cni0.is_up), (Some("bridge"), 1450, false));
    assert_eq!(cni0.addresses, ["10.244.3.1/24".parse().unwrap()]);
    assert_eq!(seen.link("flannel.1").unwrap().kind.as_deref(), Some("vxlan"));
    let eth0 = seen.link("eth0").unwrap();
    assert!(eth0.is_up && eth0.addresses.contains(&"fd00:1::5/64".parse().unwrap()), "{eth0:?}");
    let default = route(&seen, "0.0.0.0/0")[0];
    assert_eq!(
        (default.gateway, default.device.as_deref()),
        (Some("10.0.0.1".parse().unwrap()), Some("eth0"))
    );
    assert_eq!(route(&seen, "::/0")[0].gateway, Some("fd00:1::1".parse().unwrap()));
    for blackhole in ["10.244.9.0/24", "fd00:244:0:9::/64"] {
        assert_eq!(route(&seen, blackhole)[0].device, None);
    }
    assert_eq!(route(&seen, "10.244.8.0/24").len(), 2, "one for each next hop");
    assert!(route(&seen, "10.9.0.0/16").is_empty(), "another table");
    assert!(route(&seen, "127.0.0.0/8").is_empty(), "the local table");
}

#[test]
fn thousands_of_routes_and_links_come_whole() {
    let node = Node::new();
    let lines: String =
        (0..4000).map(|i| format!("route add 10.244.{}.{}/32 via 10.0.0.1\n", i / 250, i % 250)).collect();
    let links: String = (0..150).map(|i| format!("link add veth{i} type veth peer name peer{i}\n")).collect();
    node.write("/tmp/batch", &(lines + &links));
    node.done("ip -batch /tmp/batch");
    let seen = look(&node);
    assert_eq!(seen.routes.iter().filter(|route| route.destination.prefix_len() == 32).count(), 4000);
    assert_eq!(seen.links.iter().filter(|link| link.kind.as_deref() == Some("veth")).count(), 301);
}

#[test]
fn the_way_to_an_address_names_link_source_and_mtu() {
    let node = Node::new();
    node.done("ip link set eth0 mtu 1400");
    let way = |address: &str| node.within(|| links::way_to(address.parse().unwrap()).unwrap());
    let v4 = way("192.0.2.1").unwrap();
    assert_eq!((v4.device.as_str(), v4.mtu, v4.source), ("eth0", 1400, "10.0.0.5".parse().unwrap()));
    assert_eq!(way("2001:db8::1").unwrap().source, "fd00:1::5".parse::<std::net::IpAddr>().unwrap());
    let own = way("10.0.0.5").unwrap();
    assert_eq!((own.device.as_str(), own.source), ("eth0", "10.0.0.5".parse().unwrap()), "not the loopback");
    node.done("ip route del default via 10.0.0.1");
    assert_eq!(way("192.0.2.1"), None);
    node.done("ip route add blackhole 192.0.2.0/24");
    assert_eq!(way("192.0.2.1"), None);
}

#[test]
fn links_and_routes_go_once_and_no_others() {
    let node = Node::new();
    node.done("ip link add cni0 type bridge");
    node.done("ip route add 10.244.7.0/24 via 10.0.0.1");
    node.done("ip route add 10.244.7.0/24 via 10.0.0.2 metric 50");
    node.done("ip route add blackhole 10.244.9.0/24");
    node.done("ip route add fd00:244:0:7::/64 via fd00:1::1");
    let seen = look(&node);
    let mut gone: Vec<Route> =
        ["10.244.9.0/24", "fd00:244:0:7::/64"].iter().map(|to| route(&seen, to)[0].clone()).collect();
    gone.extend(route(&seen, "10.244.7.0/24").into_iter().filter(|route| route.metric == 50).cloned());
    assert_eq!(gone.len(), 3);
    for _ in 0..2 {
        node.within(|| {
            links::delete_link("cni0").unwrap();
            gone.iter().for_each(|route| links::delete_route(route).unwrap());
        });
    }
    let left = look(&node);
    assert!(left.link("cni0").is_none() && left.link("eth0").is_some());
    let expected: Vec<Route> = seen.routes.iter().filter(|route| !gone.contains(route)).cloned().collect();
    assert_eq!(left.routes, expected);
    let refused = node.within(|| links::delete_link("lo")).unwrap_err();
    assert_eq!(refused.to_string(), "can't delete link lo");
}

#[test]
fn what_an_earlier_block_left_is_repaired_and_pods_come_up_on_the_new_one() {
    let node = Node::new();
    let case = Case::new(Mode::Cni, Families::Dual, Fabric::Vxlan);
    node.put(&case.files());
    node.done("ip link add cni0 type bridge");
    node.done("ip address add 10.244.9.1/24 dev cni0");
    node.done("ip link set cni0 up");
    for lease in ["10.244.9.2", "last_reserved_ip.0", "lock"] {
        node.write(&format!("{}/{}/{lease}", cni::LEASES, cni::NETWORK), "x\neth0");
    }
    let leases = ["10.244.9.2", "last_reserved_ip.0", "lock"].map(str::to_owned);
    let seen = look(&node);
    assert_eq!(overlap::overlaps(&case.settings, &case.blocks(), &seen), []);
    let repairs = stale::repairs(&case.settings, &case.blocks(), &seen, &leases);
    assert_eq!(repairs.len(), 3, "{repairs:?}");
    for repair in &repairs {
        match repair {
            Repair::DeleteLink { name, .. } => node.within(|| links::delete_link(name).unwrap()),
            Repair::DeleteRoute { route, .. } => node.within(|| links::delete_route(route).unwrap()),
            Repair::RemoveFile { path, .. } => std::fs::remove_file(node.path(path)).unwrap(),
        }
    }
    assert_eq!(pods::pod(&node, "a"), ["10.244.3.2", "fd00:244:0:3::2"]);
    let after = look(&node);
    assert_eq!(stale::repairs(&case.settings, &case.blocks(), &after, &[]), []);
    assert_eq!(overlap::overlaps(&case.settings, &case.blocks(), &after), [], "a node at work is no overlap");
}
