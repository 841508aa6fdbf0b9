// SPDX-License-Identifier: Apache-2.0
//! flannel and kube-proxy run with the node's own certificate. kubelet renews it; the first one's end must not be theirs.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::whole::{Joined, plane, requests};
use crate::bench::{Bench, Credential, Options};

/// Long enough for a node to come up on a busy machine, short enough to wait for. The signer dates certificates back by
/// five minutes, and kubelet renews at 70 to 90 % of the whole time.
const LIVES: &str = "--cluster-signing-duration=150s";

/// The block of a Node that has no machine.
const OTHER_BLOCK: &str = "10.244.200.0/24";
const OTHER_SERVICE: &str = "10.96.77.7";

#[test]
fn flannel_and_kube_proxy_outlive_the_first_certificate() {
    let bench = plane(Options::default().with_argument("kube-controller-manager", LIVES));
    let mut joined = Joined::new(&bench);
    let first = first_certificate(&joined);
    let asked = |bench: &Bench| bench.ask(Some(&first), "GET", "/api/v1/nodes/w1", None).status;
    assert_eq!(asked(&bench), 200);
    joined.start("flanneld");
    joined.start_kubelet();
    joined.start_proxy();
    joined.within("kubelet has renewed its certificate", || renewed_by(&bench, "system:node:w1"));
    joined.within("the first certificate has expired", || asked(&bench) == 401);
    cut_connections(&joined);
    make(&bench, "/api/v1/nodes", &other_node());
    make(&bench, "/api/v1/namespaces/default/services", &other_service());
    joined.within("flannel has a route to a Node that came later", || {
        joined.node.done("ip route").contains(&format!("{OTHER_BLOCK} via 10.244.200.0 dev flannel.1"))
    });
    joined.within("kube-proxy knows a service that came later", || {
        joined.node.done("nft list ruleset").contains(OTHER_SERVICE)
    });
    for (unit, service) in &mut joined.services {
        assert!(service.is_running(), "{unit} has ended: {}", service.log());
    }
}

fn first_certificate(joined: &Joined) -> Credential {
    let path: PathBuf = joined.node.path("/var/lib/kubelet/pki/kubelet-client-current.pem");
    // The link is absolute inside the node.
    let target = fs::read_link(&path).unwrap();
    let pem = fs::read_to_string(path.with_file_name(target.file_name().unwrap())).unwrap();
    let at = pem.find("-----BEGIN PRIVATE KEY").or(pem.find("-----BEGIN EC PRIVATE KEY")).unwrap();
    let (one, other) = pem.split_at(at);
    Credential { certificate_pem: one.to_owned(), key_pem: other.to_owned() }
}

/// Only new connections show which certificate they are made with: all that there are get a reset.
fn cut_connections(joined: &Joined) {
    for words in [
        "add table inet cut",
        "add chain inet cut out { type filter hook output priority 0 ; }",
        "add rule inet cut out tcp dport 6443 ct state established reject with tcp reset",
    ] {
        joined.node.done(&format!("nft {words}"));
    }
    joined
        .within("no connection is left", || !joined.node.done("ss -Htn state established").contains(":6443"));
    joined.node.done("nft delete table inet cut");
}

fn renewed_by(bench: &Bench, user: &str) -> bool {
    let is_signed = |request: &Value| request["status"]["certificate"].is_string();
    requests(bench).iter().any(|request| request["spec"]["username"] == user && is_signed(request))
}

fn make(bench: &Bench, path: &str, body: &Value) {
    let answer = bench.ask(Some(&bench.super_admin()), "POST", path, Some(&body.to_string()));
    assert_eq!(answer.status, 201, "{}", answer.body);
}

/// As flannel on another node would have written it.
fn other_node() -> Value {
    let flannel = |name: &str| format!("flannel.alpha.coreos.com/{name}");
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": "w9", "annotations": {
            flannel("kube-subnet-manager"): "true",
            flannel("backend-type"): "vxlan",
            flannel("backend-data"): "{\"VNI\":1,\"VtepMAC\":\"02:00:00:00:00:09\"}",
            flannel("public-ip"): "10.99.0.19",
        }},
        "spec": {"podCIDR": OTHER_BLOCK, "podCIDRs": [OTHER_BLOCK]},
    })
}

fn other_service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "later"},
        "spec": {"clusterIP": OTHER_SERVICE, "ports": [{"port": 80}]},
    })
}
