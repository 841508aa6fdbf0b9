// SPDX-License-Identifier: Apache-2.0
//! Judgements on links, routes, leases, settings and options, by examples.

use super::docker::said_twice;
use super::flannel::differs;
use super::overlap::overlaps;
use super::problem::{Problem, problems};
use super::stale::{Repair, repairs};
use super::*;
use crate::links::{Link, Links, Route};
use crate::settings::VERSION;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn settings(pods: &[&str]) -> Settings {
    let pods: Vec<String> = pods.iter().map(|pods| format!("\"{pods}\"")).collect();
    let text = format!(
        "version: {VERSION}\nimage: test\ncluster:\n  pods: [{}]\n  services: [10.96.0.0/16]\n  nodes_max: 9\n  surge: 1\n  pods_max: 110\n",
        pods.join(", ")
    );
    serde_yaml::from_str(&text).unwrap()
}

fn identity(addresses: &[&str]) -> Identity {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Identity { name: "n".into(), addresses, provider_id: None, instance_id: "i".into() }
}

fn uplink(mtu: u32) -> Uplink {
    Uplink { name: "eth0".into(), mtu }
}

fn link(name: &str, addresses: &[&str]) -> Link {
    let addresses = addresses.iter().map(|address| net(address)).collect();
    Link { index: 0, name: name.into(), kind: None, mtu: 1500, is_up: true, addresses }
}

fn route(destination: &str, gateway: Option<&str>, device: Option<&str>) -> Route {
    let gateway = gateway.map(|gateway| gateway.parse().unwrap());
    Route { destination: net(destination), gateway, device: device.map(str::to_owned), metric: 0 }
}

/// What is said of each link and route: "stuck" words, or the repair.
fn judged(settings: &Settings, links: &[Link], routes: &[Route]) -> Vec<String> {
    let links = Links { links: links.to_vec(), routes: routes.to_vec() };
    let blocks = [net("10.244.3.0/24")];
    let mut all: Vec<String> =
        repairs(settings, &blocks, &links, &[]).iter().map(Repair::to_string).collect();
    all.extend(overlaps(settings, &blocks, &links).iter().map(ToString::to_string));
    all
}

#[test]
fn pods_get_what_the_fabric_leaves_of_the_uplink() {
    let (v4, dual) = ([net("10.244.3.0/24")], [net("10.244.3.0/24"), net("fd00:244::/64")]);
    let mut settings = settings(&["10.244.0.0/16"]);
    assert_eq!(mtu(&settings, &v4, &uplink(1500)), 1450);
    assert_eq!(mtu(&settings, &dual, &uplink(9001)), 8931);
    settings.network.mtu = Some(1400);
    assert_eq!(mtu(&settings, &v4, &uplink(1500)), 1400);
    settings.network = crate::settings::Network { fabric: Fabric::HostGw, ..Default::default() };
    assert_eq!(mtu(&settings, &dual, &uplink(1500)), 1500);
}

#[test]
fn the_bridge_has_the_first_address_and_the_node_no_more_pods_than_its_block() {
    assert_eq!(gateway(&net("10.234.15.192/26")), net("10.234.15.193/26"));
    assert_eq!(gateway(&net("fd00:1:0:5::/64")), net("fd00:1:0:5::1/64"));
    let settings = settings(&["10.234.0.0/20"]);
    assert_eq!(kubelet::pods_max(&settings, &[net("10.234.0.0/26")]), 61);
    assert_eq!(kubelet::pods_max(&settings, &[net("10.234.0.0/25"), net("fd00::/64")]), 110);
    assert_eq!(kubelet::pods_max(&settings, &[net("10.234.0.0/24"), net("fd00::/125")]), 5);
    assert_eq!(kubelet::cluster_dns(&settings), Some("10.96.0.10".parse().unwrap()));
}

#[test]
fn an_interface_or_route_of_the_hosts_in_the_pod_range_stops_the_boot_by_name() {
    let settings = settings(&["10.244.0.0/16"]);
    let fix = "give pods or hosts another range";
    for (link, said) in [
        (link("eth1", &["10.244.0.5/16"]), "interface eth1 has 10.244.0.5/16"),
        (link("ens5", &["fe80::1/64", "10.1.2.3/8"]), "interface ens5 has 10.1.2.3/8"),
        (link("docker0", &["10.244.3.1/24"]), "interface docker0 has 10.244.3.1/24"),
    ] {
        let name = link.name.clone();
        let connected = route(&link.addresses.last().unwrap().trunc().to_string(), None, Some(&name));
        let expected = format!("{said}, which overlaps the pod range 10.244.0.0/16; {fix}");
        assert_eq!(
            judged(&settings, &[link], &[connected]),
            [expected],
            "said once, not for its route again"
        );
    }
    let fix = "overlaps the pod range 10.244.0.0/16; remove it, or give pods another range";
    for (route, said) in [
        (route("10.244.9.0/24", Some("10.0.0.1"), Some("eth0")), "the route to 10.244.9.0/24 by eth0"),
        (route("10.244.3.0/24", Some("10.0.0.1"), Some("eth0")), "the route to 10.244.3.0/24 by eth0"),
        (route("10.0.0.0/8", None, Some("wg0")), "the route to 10.0.0.0/8 by wg0"),
        (route("10.0.0.0/8", None, None), "the route to 10.0.0.0/8"),
    ] {
        assert_eq!(judged(&settings, &[], &[route]), [format!("{said} {fix}")]);
    }
}

#[test]
fn a_node_at_work_and_a_host_beside_it_are_no_overlap() {
    let mut settings = settings(&["10.244.0.0/16"]);
    let links = [
        link("lo", &["127.0.0.1/8", "::1/128"]),
        link("eth0", &["10.0.0.5/16", "fe80::5/64"]),
        link("docker0", &["172.17.0.1/16"]),
        link("cni0", &["10.244.3.1/24", "fe80::1/64"]),
        link("flannel.1", &["10.244.3.0/32", "fe80::2/64"]),
        link("veth1", &["fe80::3/64"]),
    ];
    let routes = [
        route("0.0.0.0/0", Some("10.0.0.1"), Some("eth0")),
        route("10.0.0.0/16", None, Some("eth0")),
        route("10.244.3.0/24", None, Some("cni0")),
        route("10.244.7.0/24", Some("10.244.7.0"), Some("flannel.1")),
        route("10.244.3.0/24", None, None),
    ];
    assert_eq!(judged(&settings, &links, &routes), Vec::<String>::new());
    settings.network.fabric = Fabric::HostGw;
    let peers = [route("10.244.7.0/24", Some("10.0.0.7"), Some("eth0"))];
    assert_eq!(judged(&settings, &links[..4], &peers), Vec::<String>::new());
}

#[test]
fn what_an_earlier_block_left_is_removed() {
    let settings = settings(&["10.244.0.0/16"]);
    let cases: [(Vec<Link>, Vec<Route>, &[&str]); 6] = [
        (
            vec![link("cni0", &["10.244.9.1/24"])],
            vec![route("10.244.9.0/24", None, Some("cni0"))],
            &["delete link cni0: has 10.244.9.1/24, and the block's is 10.244.3.1/24"],
        ),
        (
            vec![link("cni0", &["10.244.3.1/24"])],
            vec![route("10.244.9.0/24", None, Some("cni0"))],
            &["delete the route to 10.244.9.0/24: leads to an earlier block"],
        ),
        (
            vec![link("cni0", &["10.244.3.1/25"])],
            vec![],
            &["delete link cni0: has 10.244.3.1/25, and the block's is 10.244.3.1/24"],
        ),
        (
            vec![link("flannel.1", &["10.244.9.0/32"])],
            vec![route("10.244.7.0/24", Some("10.244.7.0"), Some("flannel.1"))],
            &["delete link flannel.1: has 10.244.9.0/32, which is of an earlier block"],
        ),
        (
            vec![link("flannel.1", &["10.244.3.0/32"])],
            vec![route("10.244.3.0/24", Some("10.244.3.0"), Some("flannel.1"))],
            &["delete the route to 10.244.3.0/24: leads to another node, and the block is ours"],
        ),
        (
            vec![],
            vec![route("10.244.9.0/24", None, None)],
            &["delete the route to 10.244.9.0/24: closes an earlier block"],
        ),
    ];
    for (links, routes, expected) in cases {
        assert_eq!(judged(&settings, &links, &routes), expected);
    }
}

#[test]
fn another_mode_leaves_its_bridge_and_another_fabric_its_device() {
    let mut settings = settings(&["10.244.0.0/16"]);
    settings.runtime = Runtime::Docker;
    let both = [link("cni0", &["10.244.3.1/24"]), link("docker0", &["172.17.0.1/16"])];
    assert_eq!(judged(&settings, &both, &[]), ["delete link docker0: no pod hangs on it in cni mode"]);
    settings.network.mode = Mode::Docker;
    settings.network.fabric = Fabric::None;
    let expected = [
        "delete link cni0: no pod hangs on it in docker mode",
        "delete link docker0: has 172.17.0.1/16, and the block's is 10.244.3.1/24",
    ];
    assert_eq!(judged(&settings, &both, &[]), expected);
    let flannel = [link("flannel-v6.1", &["fd00::/128"])];
    assert_eq!(
        judged(&settings, &flannel, &[]),
        ["delete link flannel-v6.1: nothing carries packets by VXLAN any more"]
    );
}

#[test]
fn leases_of_an_earlier_block_go_with_the_last_address_given() {
    let (settings, blocks) = (settings(&["10.244.0.0/16"]), [net("10.244.3.0/24"), net("fd00:3::/64")]);
    let removed = |names: &[&str]| -> Vec<String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let all = repairs(&settings, &blocks, &Links::default(), &names);
        all.iter().map(ToString::to_string).collect()
    };
    let ours = ["10.244.3.2", "fd00:3::2", "last_reserved_ip.0", "lock"];
    assert_eq!(removed(&ours), Vec::<String>::new());
    let why = "is a lease of an earlier block";
    let expected =
        ["10.244.9.2", "last_reserved_ip.0"].map(|name| format!("remove /run/cni/leases/kiln/{name}: {why}"));
    assert_eq!(removed(&["10.244.3.2", "10.244.9.2", "last_reserved_ip.0", "lock"]), expected);
}

#[test]
fn settings_node_and_uplink_that_contradict_each_other_are_told_all_at_once() {
    let mut settings = settings(&["10.244.0.0/16", "fd00:244::/48"]);
    settings.network.mode = Mode::Docker;
    let blocks = [net("10.244.3.0/24"), net("fd00:244:0:3::/64")];
    let said = |settings: &Settings, blocks: &[IpNet], mtu| -> Vec<String> {
        let all = problems(settings, &identity(&["10.0.0.5"]), blocks, &uplink(mtu));
        all.iter().map(ToString::to_string).collect()
    };
    let address = "pods have IPv6 addresses but the node has none; flannel carries IPv6 between IPv6 addresses only: \
        give node.addresses one, or leave fd00:244::/48 out of cluster.pods";
    let expected = [
        "network.mode docker needs runtime docker; with containerd, mode cni puts pods on the same block",
        address,
        "pods would have an MTU of 1230 bytes, and 1280 is the least that works; eth0 has 1300",
    ];
    assert_eq!(said(&settings, &blocks, 1300), expected);
    settings.network = crate::settings::Network { mtu: Some(1450), ..Default::default() };
    let mtu =
        "network.mtu 1450 does not fit eth0, which leaves 1430 bytes for pods; lower it or leave it out";
    assert_eq!(said(&settings, &blocks, 1500), [address, mtu]);
    (settings.network.mode, settings.network.fabric) = (Mode::Docker, Fabric::None);
    settings.network.mtu = None;
    settings.runtime = Runtime::Docker;
    let v4 = "network.mode docker needs an IPv4 pod range, for docker gives docker0 an IPv4 address in any case; use mode cni";
    assert_eq!(said(&settings, &blocks[1..], 1500), [v4]);
    assert_eq!(said(&settings, &blocks, 1500), Vec::<String>::new());
}

#[test]
fn an_option_of_docker_is_said_once() {
    let daemon =
        File::readable(docker::DAEMON, "{\n \"bip\": \"10.244.3.1/24\",\n \"exec-opts\": []\n}".into());
    let said = |path: &str, text: &str| -> Vec<String> {
        let all = said_twice(&daemon, &[(path.to_owned(), text.to_owned())]);
        all.iter().map(ToString::to_string).collect()
    };
    let twice = |path: &str, option: &str| {
        vec![format!(
            "{path}: option --{option} is said in daemon.json as well, and docker does not start then; remove it there"
        )]
    };
    let flannel = docker::OPTION_FILES[0];
    assert_eq!(
        said(flannel, "DOCKER_OPT_BIP=\"--bip=10.1.2.1/24\"\nDOCKER_OPT_MTU=\"--mtu=1450\"\n"),
        twice(flannel, "bip")
    );
    assert_eq!(
        said("a.conf", "[Service]\nEnvironment='DOCKER_OPTS=--exec-opt native.cgroupdriver=systemd'"),
        twice("a.conf", "exec-opt")
    );
    assert_eq!(said("a.conf", "Environment=DOCKER_OPTS=--bip=10.1.2.1/24"), twice("a.conf", "bip"));
    assert_eq!(said("a.conf", "ExecStart=/usr/bin/dockerd -b none"), twice("a.conf", "b"));
    for fine in [
        "# --bip=10.1.2.1/24",
        "DOCKER_OPTS=--debug",
        "ExecStart=dockerd -H fd:// --containerd=/run/c.sock",
        "",
    ] {
        assert_eq!(said("x", fine), Vec::<String>::new(), "{fine}");
    }
}

#[test]
fn flannels_subnet_is_the_claimed_one() {
    let blocks = [net("10.244.3.0/24"), net("fd00:244:0:3::/64")];
    let good = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.3.1/24\nFLANNEL_IPV6_SUBNET=fd00:244:0:3::1/64\nFLANNEL_MTU=1430\n";
    assert_eq!(differs(good, &blocks), []);
    let other = |key, found: &str, claimed: &str| Problem::Subnet {
        key,
        found: found.into(),
        claimed: claimed.into(),
    };
    let moved = good.replace("10.244.3.1/24", "10.244.9.1/24");
    assert_eq!(differs(&moved, &blocks), [other("FLANNEL_SUBNET", "10.244.9.1/24", "10.244.3.1/24")]);
    assert_eq!(differs(good, &blocks[..1]), [other("FLANNEL_IPV6_SUBNET", "fd00:244:0:3::1/64", "nothing")]);
    assert_eq!(differs("FLANNEL_SUBNET=\n", &blocks[..1]), [other("FLANNEL_SUBNET", "", "10.244.3.1/24")]);
    assert_eq!(differs("", &blocks).len(), 2);
}
