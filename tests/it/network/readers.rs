// SPDX-License-Identifier: Apache-2.0
//! Each text and the program that reads it on a node. Every reader is also shown to refuse a text that is broken.

use kiln::containerd;
use kiln::firstboot::network::{cni, docker, flannel, kubelet, packets, proxy, runtime, system};
use kiln::settings::{Fabric, Mode};

use super::cases::{self, Case, Families};
use super::node::{Node, Service};

const KUBECONFIG: &str = "apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:6443'}}]
users: [{name: node, user: {token: x}}]
contexts: [{name: d, context: {cluster: c, user: node}}]
current-context: d
";

fn dual() -> Case {
    Case::new(Mode::Cni, Families::Dual, Fabric::Vxlan)
}

/// A node with all files of a case, and what others write beside them.
fn node(case: &Case) -> Node {
    let node = Node::new();
    node.put(&case.files());
    node.write("/etc/kubernetes/kubelet.conf", KUBECONFIG);
    let certificate = rcgen::generate_simple_self_signed(vec!["ca".to_owned()]).unwrap();
    node.write("/etc/kubernetes/pki/ca.crt", &certificate.cert.pem());
    node
}

#[test]
fn nft_accepts_the_masquerade_of_every_case_and_replaces_an_earlier_one() {
    let node = Node::new();
    for (name, case) in cases::all() {
        node.write(packets::MASQUERADE, &case.text(packets::MASQUERADE));
        let (is_accepted, text) = node.said(&format!("nft -c -f {}", packets::MASQUERADE));
        assert!(is_accepted, "{name}: {text}");
        node.done(&format!("nft -f {}", packets::MASQUERADE));
        let rules = node.done("nft list ruleset");
        let count = rules.matches("masquerade").count();
        assert_eq!(count, case.blocks().len(), "{name}: nothing of an earlier case stays:\n{rules}");
    }
    node.write("/tmp/broken.nft", &dual().text(packets::MASQUERADE).replace("saddr", "sadr"));
    assert!(!node.said("nft -c -f /tmp/broken.nft").0);
}

#[test]
fn the_kernel_has_every_parameter_of_every_case() {
    let node = Node::new();
    for (name, case) in cases::all() {
        node.write(system::PARAMETERS, &case.text(system::PARAMETERS));
        let (is_accepted, text) =
            node.said(&format!("/usr/lib/systemd/systemd-sysctl --strict {}", system::PARAMETERS));
        assert!(is_accepted && text.is_empty(), "{name}: {text}");
    }
    let values =
        node.done("sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.ipv6.conf.eth0.accept_ra");
    assert_eq!(values, "1\n1\n2\n");
    node.write("/tmp/broken.conf", "net.ipv4.ip_forwarding = 1\n");
    assert!(!node.said("/usr/lib/systemd/systemd-sysctl --strict /tmp/broken.conf").0);
}

#[test]
fn an_ipv6_default_route_of_a_router_survives_that_the_node_becomes_one() {
    let node = Node::new();
    let announced = "ip -6 route add default via fd00:1::1 dev eth0 proto ra metric 1024 expires 1800";
    let kept = |order: &[&str]| {
        node.done("sysctl -q -w net.ipv6.conf.all.forwarding=0 net.ipv6.conf.eth0.accept_ra=1");
        node.said("ip -6 route flush default");
        node.done(announced);
        node.write("/tmp/order.conf", &(order.join("\n") + "\n"));
        node.done("/usr/lib/systemd/systemd-sysctl --strict /tmp/order.conf");
        node.done("ip -6 route show default").contains("fd00:1::1")
    };
    let text = dual().text(system::PARAMETERS);
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("net")).collect();
    assert!(kept(&lines));
}

const UPLINK: &str =
    "[Match]\nName=eth0\n[Network]\nAddress=10.0.0.5/16\nDHCP=no\nIPv6AcceptRA=no\nLinkLocalAddressing=no\n";

/// Has networkd configure the uplink, adds the route to another node's pods as flannel does, and starts networkd anew.
fn networkd_twice(node: &Node) -> Service {
    node.write("/etc/systemd/network/50-uplink.network", UPLINK);
    // Without udev, which networkd takes a read-only /sys for, it does not wait for udev's word on each link.
    node.done("mount -o remount,ro /sys");
    let start = || {
        let networkd =
            "env SYSTEMD_LOG_LEVEL=debug SYSTEMD_LOG_TARGET=console /usr/lib/systemd/systemd-networkd";
        let mut networkd = node.start(networkd);
        networkd.wait_for_any(&["eth0: State changed: configuring -> configured"]);
        networkd
    };
    drop(start());
    node.done("ip route add 10.244.7.0/24 via 10.0.0.1");
    start()
}

#[test]
fn networkd_leaves_pods_links_and_flannels_routes_alone() {
    let node = node(&dual());
    node.done("ip link add cni0 type bridge");
    node.done("ip link add flannel.1 type vxlan id 1 dstport 8472 dev eth0");
    node.done("ip link add veth1234 type veth peer name pod0");
    let networkd = networkd_twice(&node);
    let state = |link: &str| {
        let index = std::fs::read_to_string(node.path(&format!("/sys/class/net/{link}/ifindex"))).unwrap();
        let path = node.path(&format!("/run/systemd/netif/links/{}", index.trim()));
        std::fs::read_to_string(path).unwrap_or_default()
    };
    for link in ["cni0", "flannel.1", "veth1234"] {
        node.wait_for(link, || state(link).contains("ADMIN_STATE=unmanaged"));
        let matched = format!("{link}: Found matching .network file: {}", system::UNMANAGED);
        assert!(networkd.log().contains(&matched), "{}", networkd.log());
    }
    let log = networkd.log();
    let is_complaint = |line: &&str| line.contains("kiln") && line.contains("ignoring");
    assert_eq!(log.lines().filter(is_complaint).collect::<Vec<_>>(), Vec::<&str>::new());
    assert!(node.done("ip route").contains("10.244.7.0/24 via 10.0.0.1"), "{log}");
}

#[test]
fn networkd_would_remove_flannels_routes_and_tells_of_a_key_that_it_does_not_know() {
    let node = Node::new();
    node.write(system::UNMANAGED, &dual().text(system::UNMANAGED).replace("Unmanaged", "Unmannaged"));
    let networkd = networkd_twice(&node);
    let log = networkd.log();
    assert!(log.contains("Unknown key 'Unmannaged' in section [Link], ignoring"), "{log}");
    node.wait_for("the route goes", || !node.done("ip route").contains("10.244.7.0/24"));
}

#[test]
fn udev_gives_pods_links_no_address_of_its_own() {
    let node = node(&dual());
    node.done("ip link add cni0 type bridge");
    node.done("ip link add flannel.1 type vxlan id 1 dstport 8472 dev eth0");
    for (link, file) in [("cni0", system::LINK), ("flannel.1", system::LINK), ("eth0", "99-default.link")] {
        let text = node.done(&format!("udevadm test-builtin net_setup_link /sys/class/net/{link}"));
        let is_found = text.lines().any(|line| line.starts_with("ID_NET_LINK_FILE=") && line.ends_with(file));
        assert!(is_found, "{link}:\n{text}");
        assert!(!text.contains("ignoring."), "{text}");
    }
}

#[test]
fn systemd_accepts_every_unit_of_the_folder() {
    let node = Node::new();
    let units = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("units");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(units).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_file() {
            let name = entry.file_name().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&entry).unwrap();
            node.write(&format!("/etc/systemd/system/{name}"), &text);
            names.push(name);
        }
    }
    names.sort();
    assert!(names.iter().any(|name| name == "kiln-masquerade.service"));
    // A component that the lab's image has not.
    node.done("cp /usr/bin/true /opt/bin/aws-cloud-controller-manager");
    let (is_accepted, text) = node.said(&format!("systemd-analyze verify --man=no {}", names.join(" ")));
    assert!(is_accepted, "{text}");
    let ours: Vec<&str> =
        text.lines().filter(|line| names.iter().any(|name| line.contains(name.as_str()))).collect();
    assert_eq!(ours, Vec::<&str>::new());
}

#[test]
fn containerd_takes_the_plugins_folders_and_systemds_cgroups() {
    let node = node(&dual());
    let dump = |path: &str| node.done(&format!("containerd --config {path} config dump"));
    let text = dump(containerd::CONFIGURATION);
    for wanted in [
        "SystemdCgroup = true",
        "bin_dirs = ['/opt/cni/bin']",
        "conf_dir = '/etc/cni/net.d'",
        "max_conf_num = 1",
    ] {
        assert!(text.contains(wanted), "{wanted}:\n{text}");
    }
    assert!(text.contains("runtime_type = 'io.containerd.runc.v2'"), "{text}");
    node.write(
        "/tmp/broken.toml",
        &dual().text(containerd::CONFIGURATION).replace("version = 3", "version = 9"),
    );
    assert!(!node.said("containerd --config /tmp/broken.toml config dump").0);
}

/// With good files kubelet's first need is the runtime's socket. What it does not know it only tells of and goes on, so
/// that it must not tell anything.
#[test]
fn kubelet_accepts_both_files_of_every_mode() {
    for case in [dual(), Case::new(Mode::Docker, Families::Dual, Fabric::None)] {
        let node = node(&case);
        // This machine has no pure cgroup2; the file also shows that a later drop-in has the last word.
        let later =
            "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nfailCgroupV1: false\n";
        node.write("/etc/kubernetes/kubelet.d/20-test.conf", later);
        let command = "kubelet --config=/etc/kubernetes/kubelet.yaml --config-dir=/etc/kubernetes/kubelet.d \
            --kubeconfig=/etc/kubernetes/kubelet.conf --hostname-override=worker-1 --node-ip=10.0.0.5,fd00:1::5 -v=2";
        let socket = runtime::endpoint(case.settings.runtime);
        let text = node.start(command).wait_for_any(&["validate CRI v1 runtime API", "command failed"]);
        assert!(text.contains(&format!("for endpoint \\\"{socket}\\\"")), "{text}");
        assert!(!text.contains("decoding"), "{text}");
        let breaks = [
            (kubelet::CONFIGURATION, "mode: Webhook", "mode: Webhok"),
            (kubelet::CONFIGURATION, "readOnlyPort: 0", "readOnlyPort: 70000"),
            (kubelet::OWN, "maxPods: 110", "maxPods: -110"),
        ];
        for (file, from, to) in breaks {
            let text = case.text(file);
            assert!(text.contains(from), "{text}");
            node.write(file, &text.replace(from, to));
            let said = node.start(command).wait_for_any(&["command failed"]);
            assert!(!said.contains("validate CRI v1 runtime API"), "{to}: {said}");
            node.write(file, &text);
        }
        node.write(kubelet::CONFIGURATION, &format!("{}noSuchField: 1\n", case.text(kubelet::CONFIGURATION)));
        node.start(command).wait_for_any(&["strict decoding error: unknown field"]);
    }
}

/// kube-proxy asks for its Node first, by the name in its configuration and with the kubeconfig named there.
#[test]
fn kube_proxy_accepts_its_configuration() {
    let node = node(&dual());
    let command = format!("kube-proxy --config={} -v=4", proxy::CONFIGURATION);
    let mut started = node.start(&command);
    let text = started.wait_for_any(&["metadata.name%3Dworker-1"]);
    assert!(text.contains("https://127.0.0.1:6443"), "{text}");
    let broken = dual().text(proxy::CONFIGURATION).replace("BridgeInterface", "BridgeInterfaces");
    node.write(proxy::CONFIGURATION, &broken);
    node.start(&command).wait_for_any(&["detectLocalMode", "DetectLocalMode"]);
}

/// flannel reads its configuration before it asks the API server for Nodes.
#[test]
fn flannel_reads_its_configuration_of_every_case() {
    let node = node(&dual());
    let command = format!(
        "env NODE_NAME=worker-1 flanneld --kube-subnet-mgr --kubeconfig-file=/etc/kubernetes/kubelet.conf \
        --net-config-path={} --ip-masq=false",
        flannel::CONFIGURATION
    );
    for (_, case) in cases::all().into_iter().filter(|(_, case)| case.settings.network.fabric != Fabric::None)
    {
        node.write(flannel::CONFIGURATION, &case.text(flannel::CONFIGURATION));
        node.start(&command).wait_for_any(&["for node controller to sync"]);
    }
    let broken = dual().text(flannel::CONFIGURATION).replace("10.244.0.0/16", "10.244.0.0/99");
    node.write(flannel::CONFIGURATION, &broken);
    node.start(&command).wait_for_any(&["error parsing subnet config"]);
}

#[test]
fn dockerd_accepts_its_configuration_and_refuses_what_is_said_twice() {
    let node = Node::new();
    for (name, case) in
        cases::all().into_iter().filter(|(_, case)| case.settings.network.mode == Mode::Docker)
    {
        node.write(docker::DAEMON, &case.text(docker::DAEMON));
        let (is_accepted, text) = node.said("dockerd --validate");
        assert!(is_accepted, "{name}: {text}");
    }
    let case = Case::new(Mode::Docker, Families::Dual, Fabric::None);
    node.put(&case.files());
    let daemon = case.files().into_iter().find(|file| file.path == docker::DAEMON).unwrap();
    let options = [
        "--bip=10.244.3.1/24",
        "--mtu 1400",
        "--iptables=false",
        "--ip-masq=false",
        "--exec-opt native.cgroupdriver=systemd",
        "--log-opt max-size=1m",
        "--fixed-cidr-v6=fd00::/64",
        "--debug",
        "--storage-driver=overlay2",
    ];
    for option in options {
        let is_refused = !node.said(&format!("dockerd --validate {option}")).0;
        let env =
            ("/etc/default/docker".to_owned(), format!("# a comment --bip\nDOCKER_OPTS=\"{option}\"\n"));
        let problems = docker::said_twice(&daemon, &[env]);
        assert_eq!(!problems.is_empty(), is_refused, "{option}: {problems:?}");
    }
}

#[test]
fn the_conflist_is_what_the_cni_specification_asks_for() {
    for (name, case) in cases::all().into_iter().filter(|(_, case)| case.settings.network.mode == Mode::Cni) {
        let value: serde_json::Value = serde_json::from_str(&case.text(cni::CONFLIST)).unwrap();
        assert_eq!(value["cniVersion"], "1.0.0", "{name}");
        assert_eq!(value["plugins"][0]["ipam"]["ranges"].as_array().unwrap().len(), case.blocks().len());
    }
}
