// SPDX-License-Identifier: Apache-2.0
//! Texts that only repeat the settings: what the units expand, and who may ask without a name.

use std::net::SocketAddr;

use ipnet::IpNet;

use super::place;
use super::plane::Plane;
use super::round::PUBLIC;
use super::seen::Seen;
use crate::firstboot::file::File;
use crate::settings::Addressing;

const HEAD: &str = "# Written by kiln-firstboot from its settings; changes are gone after the next boot.\n";

/// etcd's port for its peers (IANA).
const PEER_PORT: u16 = 2380;

/// Returns the texts, those that let a unit start last.
pub(super) fn files(plane: &Plane<'_>, seen: &Seen) -> [File; 4] {
    let file = |path: &str, text: String| File {
        path: path.to_owned(),
        mode: PUBLIC,
        text: format!("{HEAD}{text}"),
    };
    [
        file(place::AUTHENTICATION, AUTHENTICATION.to_owned()),
        file(place::CONTROLLER_MANAGER, options("KUBE_CONTROLLER_MANAGER", &controller_manager(plane, seen))),
        file(place::API_SERVER, options("KUBE_APISERVER", &api_server(plane))),
        file(place::ETCD, etcd(plane)),
    ]
}

/// Health is asked without a name by balancers and by the units' own checks; nothing else is.
const AUTHENTICATION: &str = "apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions:
  - path: /livez
  - path: /readyz
  - path: /healthz
";

/// Returns a variable that systemd splits at spaces: `$KUBE_APISERVER_ARGS` in a unit. No value has a space in it.
fn options(program: &str, options: &[String]) -> String {
    format!("{program}_ARGS=\"{}\"\n", options.join(" "))
}

fn api_server(plane: &Plane<'_>) -> Vec<String> {
    vec![
        format!("--advertise-address={}", plane.address),
        format!("--secure-port={}", plane.port),
        format!("--service-cluster-ip-range={}", plane.services()),
        format!("--service-account-issuer=https://kubernetes.default.svc.{}", plane.cluster.domain),
    ]
}

fn controller_manager(plane: &Plane<'_>, seen: &Seen) -> Vec<String> {
    let has_signing = seen.files.contains_key(&place::key(place::SIGNING));
    let signing = if has_signing { place::SIGNING } else { place::CLUSTER_CA };
    let mut options = vec![
        format!("--cluster-signing-cert-file={}", place::certificate(signing)),
        format!("--cluster-signing-key-file={}", place::key(signing)),
    ];
    if plane.cluster.addressing == Addressing::Kcm {
        options.push("--controllers=*,token-cleaner-controller".to_owned());
        options.push("--allocate-node-cidrs=true".to_owned());
        options.push("--configure-cloud-routes=false".to_owned());
        options.push(format!("--cluster-cidr={}", plane.pods()));
        options.push(format!("--service-cluster-ip-range={}", plane.services()));
        options.extend(masks(plane));
    } else {
        // A second allocator would give blocks away that nodes have claimed.
        options.push("--controllers=*,token-cleaner-controller,-node-ipam-controller".to_owned());
        options.push("--allocate-node-cidrs=false".to_owned());
    }
    options
}

/// Returns the prefix lengths of nodes' blocks: one option where there is one family, else one for each.
fn masks(plane: &Plane<'_>) -> Vec<String> {
    let cluster = plane.cluster;
    let is_dual = cluster.pods.len() > 1;
    let mask = |range: &IpNet| {
        let is_v4 = range.addr().is_ipv4();
        let prefix = if is_v4 { cluster.block_prefix } else { cluster.block_prefix_v6 }?;
        let family = match (is_dual, is_v4) {
            (false, _) => "",
            (true, true) => "-ipv4",
            (true, false) => "-ipv6",
        };
        Some(format!("--node-cidr-mask-size{family}={prefix}"))
    };
    cluster.pods.iter().filter_map(mask).collect()
}

/// Returns etcd's settings. Clients are on this machine, so that port is not open to others; peers come from others, so
/// that one is, and asks for a certificate of etcd's own authority.
fn etcd(plane: &Plane<'_>) -> String {
    let peer = format!("https://{}", SocketAddr::new(plane.address, PEER_PORT));
    format!(
        "ETCD_NAME={name}
ETCD_DATA_DIR=/var/lib/etcd
ETCD_LISTEN_CLIENT_URLS=https://127.0.0.1:2379
ETCD_ADVERTISE_CLIENT_URLS=https://127.0.0.1:2379
ETCD_LISTEN_METRICS_URLS=http://127.0.0.1:2381
ETCD_LISTEN_PEER_URLS={peer}
ETCD_INITIAL_ADVERTISE_PEER_URLS={peer}
ETCD_INITIAL_CLUSTER={name}={peer}
ETCD_INITIAL_CLUSTER_STATE=new
ETCD_CERT_FILE=/etc/kubernetes/pki/etcd/server.crt
ETCD_KEY_FILE=/etc/kubernetes/pki/etcd/server.key
ETCD_TRUSTED_CA_FILE=/etc/kubernetes/pki/etcd/ca.crt
ETCD_CLIENT_CERT_AUTH=true
ETCD_PEER_CERT_FILE=/etc/kubernetes/pki/etcd/peer.crt
ETCD_PEER_KEY_FILE=/etc/kubernetes/pki/etcd/peer.key
ETCD_PEER_TRUSTED_CA_FILE=/etc/kubernetes/pki/etcd/ca.crt
ETCD_PEER_CLIENT_CERT_AUTH=true
ETCD_TLS_MIN_VERSION=TLS1.2
ETCD_FEATURE_GATES=InitialCorruptCheck=true
ETCD_WATCH_PROGRESS_NOTIFY_INTERVAL=5s
",
        name = plane.node
    )
}
