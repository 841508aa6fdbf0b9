// SPDX-License-Identifier: Apache-2.0
//! Two empty roots become a control plane and a node, by the image's own programs and the units' command lines: what a
//! user's machines do, but that systemd starts nothing here.

use std::collections::BTreeMap;
use std::path::Path;

use kiln::firstboot::network::{cni, flannel};
use kiln::settings::Settings;
use serde_json::Value;

use super::cluster::{claims, node as node_object};
use super::worker::told;
use super::{secrets, warm};
use crate::bench::{Bench, Options, layer};
use crate::network::node::{Node, Service};
use crate::network::pods;

/// What kubelet wants of the whole machine. The node sees files with these values, and the machine keeps its own.
const KUBELET_WANTS: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];

/// This machine has cgroup v1 only, and no systemd runs in the node to make groups for kubelet.
const NO_GROUPS: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nfailCgroupV1: false\n\
    cgroupsPerQOS: false\nenforceNodeAllocatable: [none]\n";

/// What a machine that joins is named, and where it is.
pub const NAME: &str = "w1";
pub const ADDRESS: &str = "10.99.0.11";

/// A control plane that its own first boot made.
pub fn plane(options: Options) -> Bench {
    Bench::start(Options { by_first_boot: true, scheduler: true, ..options })
}

/// A machine that became a node, and what runs on it.
pub struct Joined {
    pub node: Node,
    pub services: BTreeMap<&'static str, Service>,
    /// What first boot said.
    pub said: String,
    /// The token that it joined with.
    pub token: String,
}

impl Joined {
    /// Gives a machine its settings and a token of `kiln token create`, and has first boot run.
    pub fn new(bench: &Bench) -> Self {
        let node = Node::beside(bench, ADDRESS);
        let token = token(bench);
        node.write("/etc/kiln/settings.d/10-image.yaml", &layer(&worker(bench)));
        node.write("/run/credentials/@system/kiln.token", &token);
        node.done("chmod 0600 /run/credentials/@system/kiln.token");
        let said = node.done("/opt/bin/kiln-firstboot run");
        Self { node, services: BTreeMap::new(), said, token }
    }

    /// Starts a unit's program.
    pub fn start(&mut self, unit: &'static str) {
        self.services.insert(unit, self.node.start_unit(unit));
    }

    /// Starts the runtime, and then kubelet.
    pub fn start_kubelet(&mut self) {
        // overlayfs can't lie on the node's own overlay.
        self.node.done("mkdir -p /var/lib/containerd /run/systemd/resolve");
        self.node.done("mount -t tmpfs tmpfs /var/lib/containerd");
        self.node.write("/run/systemd/resolve/resolv.conf", "nameserver 10.99.0.1\n");
        self.node.write("/etc/kubernetes/kubelet.d/20-test.conf", NO_GROUPS);
        for (name, value) in KUBELET_WANTS {
            self.node.write(&format!("/run/wanted/{name}"), value);
            self.node.done(&format!("mount --bind /run/wanted/{name} /proc/sys/{name}"));
        }
        self.start("containerd");
        self.node.wait_for("containerd", || self.node.path("/run/containerd/containerd.sock").exists());
        self.start("kubelet");
    }

    /// Starts kube-proxy, which may not set the limits of the whole machine's connection tracking.
    pub fn start_proxy(&mut self) {
        let path = "/etc/kubernetes/kube-proxy.yaml";
        let text = std::fs::read_to_string(self.node.path(path)).unwrap();
        self.node.write(path, &format!("{text}conntrack: {{maxPerCore: 0, min: 0}}\n"));
        self.start("kube-proxy");
    }

    /// Waits until the cluster or the node is so, with the services' last words if it never is.
    pub fn within(&self, what: &str, is_so: impl Fn() -> bool) {
        let start = std::time::Instant::now();
        while !is_so() {
            assert!(start.elapsed().as_secs() < 180, "{what}: never:\n{}", self.last_words());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    fn last_words(&self) -> String {
        let mut words = String::new();
        for (unit, service) in &self.services {
            let log = service.log();
            words += &format!("--- {unit}\n{}\n", log.get(log.len().saturating_sub(4000)..).unwrap_or(&log));
        }
        words
    }
}

fn worker(bench: &Bench) -> Settings {
    let mut settings = told(bench, NAME, "i-w1");
    settings.node.token_file = None;
    settings
}

/// Makes a token as an administrator does.
fn token(bench: &Bench) -> String {
    let mut kiln = bench.in_network(Path::new(env!("CARGO_BIN_EXE_kiln")));
    kiln.args(["token", "create", "--kubeconfig"]).arg(bench.root().join("etc/kubernetes/admin.conf"));
    let output = kiln.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Certificate requests by who asked: the token's user, or a node.
pub fn requests(bench: &Bench) -> Vec<Value> {
    let path = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let list = bench.ask(Some(&bench.super_admin()), "GET", path, None).json();
    list["items"].as_array().unwrap().clone()
}

#[test]
fn two_empty_roots_become_a_control_plane_and_a_node_that_kubelet_adopts() {
    let bench = plane(Options::default());
    let mut joined = Joined::new(&bench);
    let born = node_object(&bench, NAME);
    let block = the_claim_is_published(&bench, &born);
    the_certificate_is_one_that_openssl_accepts(&joined.node);
    two_pods_reach_each_other(&joined.node, &block);

    joined.start("flanneld");
    flannel_takes_the_block(&joined, &block);
    joined.start_kubelet();
    kubelet_adopts_the_node(&bench, &joined, &born);
    warm::node_changes_nothing(&joined.node);
    warm::control_plane_changes_nothing(&bench);
    joined.start_proxy();
    joined.within("kube-proxy has rules", || {
        joined.node.said("nft list table ip kube-proxy").1.contains("10.96.0.1")
    });
    secrets::are_where_they_belong(&bench, &joined);
}

fn the_claim_is_published(bench: &Bench, born: &Value) -> String {
    let block = born["spec"]["podCIDR"].as_str().unwrap().to_owned();
    let uids: Vec<Value> =
        claims(bench).iter().map(|claim| claim["metadata"]["ownerReferences"][0]["uid"].clone()).collect();
    assert!(uids.contains(&born["metadata"]["uid"]), "{uids:?}");
    let plane = node_object(bench, "control-1");
    assert_ne!(plane["spec"]["podCIDR"], born["spec"]["podCIDR"]);
    assert_eq!(uids.len(), 2, "one for the control plane's own Node");
    assert!(plane["metadata"]["labels"]["node-role.kubernetes.io/control-plane"].is_string());
    block
}

fn the_certificate_is_one_that_openssl_accepts(node: &Node) {
    let current = "/var/lib/kubelet/pki/kubelet-client-current.pem";
    node.done(&format!(
        "openssl verify -purpose sslclient -x509_strict -CAfile /etc/kubernetes/pki/ca.crt {current}"
    ));
    let subject = node.done(&format!("openssl x509 -noout -subject -in {current}"));
    assert!(subject.contains("system:nodes") && subject.contains("system:node:w1"), "{subject}");
}

fn two_pods_reach_each_other(node: &Node, block: &str) {
    let prefix = block.strip_suffix("0/24").unwrap();
    pods::masquerade(node);
    let (a, b) = (pods::pod(node, "a"), pods::pod(node, "b"));
    assert!(a[0].starts_with(prefix) && b[0].starts_with(prefix), "{a:?} {b:?} {block}");
    node.done(&format!("ip netns exec a ping -c 1 -W 5 {}", b[0]));
    for pod in ["a", "b"] {
        pods::call(node, "DEL", pod).unwrap();
        node.done(&format!("ip netns delete {pod}"));
    }
}

fn flannel_takes_the_block(joined: &Joined, block: &str) {
    let path = joined.node.path(flannel::SUBNET);
    joined.within("flannel writes subnet.env", || path.exists());
    let text = std::fs::read_to_string(path).unwrap();
    let gateway = block.replace(".0/24", ".1/24");
    assert!(text.contains(&format!("FLANNEL_SUBNET={gateway}\n")), "{text}");
    assert!(text.contains("FLANNEL_NETWORK=10.244.0.0/16\n"), "{text}");
    let conflist = std::fs::read_to_string(joined.node.path(cni::CONFLIST)).unwrap();
    let mtu = text.lines().find_map(|line| line.strip_prefix("FLANNEL_MTU=")).unwrap();
    assert!(conflist.contains(&format!("\"mtu\": {mtu}")), "{mtu} {conflist}");
}

/// It is the same Node, with kubelet's own additions; nobody asked for a certificate after first boot did.
fn kubelet_adopts_the_node(bench: &Bench, joined: &Joined, born: &Value) {
    joined.within("the Node is Ready", || {
        let node = node_object(bench, NAME);
        let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    });
    let node = node_object(bench, NAME);
    assert_eq!(node["metadata"]["uid"], born["metadata"]["uid"]);
    assert_eq!(node["spec"]["podCIDRs"], born["spec"]["podCIDRs"]);
    assert_eq!(node["spec"]["providerID"], born["spec"]["providerID"]);
    assert_eq!(node["metadata"]["labels"]["example.org/rack"], "r1");
    assert_eq!(node["status"]["nodeInfo"]["kubeletVersion"], "v1.36.3");
    let requests = requests(bench);
    let by: Vec<&str> =
        requests.iter().map(|request| request["spec"]["username"].as_str().unwrap()).collect();
    assert!(by.len() == 1 && by[0].starts_with("system:bootstrap:"), "{by:?}");
}
