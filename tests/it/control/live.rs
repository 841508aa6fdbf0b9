// SPDX-License-Identifier: Apache-2.0
//! The real programs, started from kiln's files by the units' command lines.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kiln::firstboot::pki;
use serde_json::json;

use super::misfits::CLUSTERS_OWN;
use crate::bench::{Bench, Options};

#[test]
fn the_control_plane_gets_ready_from_kilns_own_files_and_units() {
    let bench = Bench::start(Options { scheduler: true, ..Options::default() });
    let machine = bench.machine("10.99.0.2");
    secrets_are_encrypted_in_etcd(&bench);
    admins_may_nothing_until_their_group_is_bound(&bench);
    only_health_is_open_to_those_without_a_name(&bench, &machine);
    etcd_wants_a_certificate_of_its_own_authority(&bench);
    the_nodes_own_credential_is_a_nodes(&bench);
    controllers_work(&bench);
    // Whatever ran since has changed no file of the first phase.
    let (settings, identity) = (&bench.settings, &bench.identity);
    let again = kiln::firstboot::apply_control::settle(
        &kiln::host::root::Root::new(bench.root()),
        settings,
        identity,
        kiln::host::clock::now_s(),
    );
    assert_eq!(again.unwrap(), 0);
}

fn secrets_are_encrypted_in_etcd(bench: &Bench) {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "lake"},
        "stringData": {"depth": "very deep water"}});
    let secrets = "/api/v1/namespaces/default/secrets";
    let made = bench.ask(Some(&bench.super_admin()), "POST", secrets, Some(&secret.to_string()));
    assert_eq!(made.status, 201, "{}", made.body);
    let mut etcdctl = bench.in_root("/opt/bin/etcdctl");
    etcdctl.args(["--endpoints=https://127.0.0.1:2379", "--cacert=/etc/kubernetes/pki/etcd/ca.crt"]);
    etcdctl.args(["--cert=/etc/kubernetes/pki/etcd/healthcheck-client.crt"]);
    etcdctl.args(["--key=/etc/kubernetes/pki/etcd/healthcheck-client.key"]);
    let output =
        etcdctl.args(["get", "/registry/secrets/default/lake", "--print-value-only"]).output().unwrap();
    let stored = String::from_utf8_lossy(&output.stdout);
    assert!(stored.starts_with("k8s:enc:secretbox:v1:first:"), "{stored} {output:?}");
    assert!(!stored.contains("deep"), "{stored}");
    let read = bench.ask(Some(&bench.super_admin()), "GET", &format!("{secrets}/lake"), None);
    assert!(read.json()["data"]["depth"].is_string(), "{}", read.body);
}

fn admins_may_nothing_until_their_group_is_bound(bench: &Bench) {
    let nodes = |credential: &crate::bench::Credential| {
        bench.ask(Some(credential), "GET", "/api/v1/nodes", None).status
    };
    assert_eq!(nodes(&bench.admin()), 403);
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "kubeadm:cluster-admins"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "kubeadm:cluster-admins"}]});
    let bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    let made = bench.ask(Some(&bench.super_admin()), "POST", bindings, Some(&binding.to_string()));
    assert_eq!(made.status, 201, "{}", made.body);
    wait_until(|| nodes(&bench.admin()) == 200);
}

fn only_health_is_open_to_those_without_a_name(bench: &Bench, machine: &crate::bench::Machine) {
    for (path, status) in
        [("/livez", "200"), ("/readyz", "200"), ("/version", "401"), ("/api/v1/nodes", "401")]
    {
        let mut curl = machine.run("curl");
        curl.args(["-sk", "--max-time", "30", "-o", "/dev/null", "-w", "%{http_code}"]);
        let output = curl.arg(format!("{}{path}", bench.endpoint())).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), status, "{path}");
    }
    machine.within(|| std::net::TcpStream::connect("10.99.0.1:6443").unwrap());
    // From another machine nothing else of the control plane can be reached; the peers' port asks for a certificate.
    for port in [2379, 2381, 10257, 10259] {
        let mut curl = machine.run("curl");
        let status = curl.args(["-sk", "--max-time", "30", &format!("https://10.99.0.1:{port}/")]).status();
        assert_eq!(status.unwrap().code(), Some(7), "port {port} is open");
    }
}

/// Nothing but the certificate differs. How a refusal reaches the client, as an alert or a cut connection, is chance.
fn etcd_wants_a_certificate_of_its_own_authority(bench: &Bench) {
    let health = |base: &str| {
        let mut curl = bench.in_root("curl");
        curl.args(["-sS", "--cacert", "/etc/kubernetes/pki/etcd/ca.crt"]);
        for (option, ending) in [("--cert", "crt"), ("--key", "key")] {
            curl.args([option, &format!("/etc/kubernetes/pki/{base}.{ending}")]);
        }
        curl.arg("https://127.0.0.1:2379/health").output().unwrap()
    };
    let own = health("etcd/healthcheck-client");
    assert!(String::from_utf8_lossy(&own.stdout).contains("\"health\":\"true\""), "{own:?}");
    let others = health("apiserver-kubelet-client");
    assert!(!others.status.success() && others.stdout.is_empty(), "{others:?}");
}

fn the_nodes_own_credential_is_a_nodes(bench: &Bench) {
    let current = "/var/lib/kubelet/pki/kubelet-client-current.pem";
    let mut curl = bench.in_root("curl");
    curl.args(["-sS", "--cacert", "/etc/kubernetes/pki/ca.crt", "--cert", current, "--key", current]);
    curl.args(["-H", "Content-Type: application/json", "-d"]);
    curl.arg(json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).to_string());
    let url = format!("{}/apis/authentication.k8s.io/v1/selfsubjectreviews", bench.endpoint());
    let output = curl.arg(url).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("system:node:control-1") && said.contains("system:nodes"), "{said} {output:?}");
}

/// The namespace controller's CA, the token controller's account: both signed or copied with kiln's files.
fn controllers_work(bench: &Bench) {
    let get = |path: &str| bench.ask(Some(&bench.super_admin()), "GET", path, None);
    let ca = "/api/v1/namespaces/default/configmaps/kube-root-ca.crt";
    wait_until(|| get(ca).status == 200);
    assert_eq!(get(ca).json()["data"]["ca.crt"].as_str(), Some(bench.ca_pem().as_str()));
    wait_until(|| get("/api/v1/namespaces/default/serviceaccounts/default").status == 200);
    let token =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}).to_string();
    let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let made = bench.ask(Some(&bench.super_admin()), "POST", path, Some(&token));
    assert_eq!(made.status, 201, "{}", made.body);
    for lease in ["kube-controller-manager", "kube-scheduler"] {
        wait_until(|| {
            get(&format!("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/{lease}")).status == 200
        });
    }
}

/// The signer of kube-controller-manager reads the request, and kiln the certificate that it signs.
#[test]
fn a_request_is_signed_by_the_controller_manager_and_what_comes_back_fits() {
    let bench = Bench::start(
        Options::default().with_argument("kube-controller-manager", "--cluster-signing-duration=1h"),
    );
    let key = kiln::host::entropy::key_pem().unwrap();
    let request = STANDARD.encode(pki::request(&key, "worker-1").unwrap());
    let signer = "kubernetes.io/kube-apiserver-client-kubelet";
    let mut body = json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
        "metadata": {"name": "worker-1"},
        "spec": {"request": request, "signerName": signer, "usages": ["client auth", "digital signature"]}});
    let requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let admin = bench.super_admin();
    let made = bench.ask(Some(&admin), "POST", requests, Some(&body.to_string()));
    assert_eq!(made.status, 201, "{}", made.body);
    body["status"] = json!({"conditions": [{"type": "Approved", "status": "True", "reason": "Test"}]});
    let approval = format!("{requests}/worker-1/approval");
    let approved = bench.ask(Some(&admin), "PUT", &approval, Some(&body.to_string()));
    assert_eq!(approved.status, 200, "{}", approved.body);
    let certificate = || {
        let request = bench.ask(Some(&admin), "GET", &format!("{requests}/worker-1"), None).json();
        request["status"]["certificate"].as_str().map(str::to_owned)
    };
    wait_until(|| certificate().is_some());
    let pem = String::from_utf8(STANDARD.decode(certificate().unwrap()).unwrap()).unwrap();
    let now_s = kiln::host::clock::now_s();
    let validity = pki::judge(&pem, &key, &bench.ca_pem(), "worker-1", now_s).unwrap();
    // Back-dated by five minutes; of less than eight hours nothing is taken off at the end for it.
    assert_eq!(validity.until_s - validity.from_s, 3600 + 300);
    assert!(validity.from_s <= now_s - 290, "{validity:?} {now_s}");
    assert!(pki::judge(&pem, &key, &bench.ca_pem(), "worker-2", now_s).is_err());
}

/// A restart of etcd and of the API server, with everything on disk; and the cluster's own allocator.
#[test]
fn a_control_plane_with_its_own_allocator_outlives_a_restart() {
    let mut options = Options { is_durable: true, ..Options::default() };
    options.settings.cluster.addressing = kiln::settings::Addressing::Kcm;
    let mut bench = Bench::start(options);
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker-1"}}).to_string();
    let made = bench.ask(Some(&bench.super_admin()), "POST", "/api/v1/nodes", Some(&node));
    assert_eq!(made.status, 201, "{}", made.body);
    let block = |bench: &Bench| {
        let node = bench.ask(Some(&bench.super_admin()), "GET", "/api/v1/nodes/worker-1", None).json();
        node["spec"]["podCIDR"].as_str().map(str::to_owned)
    };
    wait_until(|| block(&bench).is_some());
    let before = block(&bench).unwrap();
    assert!(before.starts_with("10.244.") && before.ends_with(".0/24"), "{before}");
    for unit in ["kube-controller-manager", "kube-apiserver", "etcd"] {
        bench.down(unit);
    }
    bench.up("etcd");
    bench.up("kube-apiserver");
    assert_eq!(block(&bench).as_deref(), Some(&*before), "{}", bench.log("etcd"));
    another_machine_has_the_cluster_again(&mut bench);
    assert_eq!(block(&bench), Some(before), "{}", bench.log("etcd"));
    let root = bench.in_network("ip").args(["-br", "link", "show", "uplink0"]).output().unwrap();
    assert!(root.status.success());
}

/// As README says it of a control plane's disk: etcd's data and what the cluster was made with, and nothing else of it.
fn another_machine_has_the_cluster_again(bench: &mut Bench) {
    let secrets = "/api/v1/namespaces/default/secrets";
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "kept"}}).to_string();
    let made = bench.ask(Some(&bench.super_admin()), "POST", secrets, Some(&secret));
    assert_eq!(made.status, 201, "{}", made.body);
    for unit in ["kube-apiserver", "etcd"] {
        bench.down(unit);
    }
    let place = |name: &str| match name.strip_prefix('/') {
        Some(name) => bench.root().join(name),
        None => bench.root().join("etc/kubernetes/pki").join(name),
    };
    let kept = CLUSTERS_OWN.map(|name| (place(name), fs::read(place(name)).unwrap()));
    for folder in ["etc/kubernetes", "var/lib/kubelet"] {
        fs::remove_dir_all(bench.root().join(folder)).unwrap();
    }
    for (path, content) in kept {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    bench.identity.name = "control-2".to_owned();
    let root = kiln::host::root::Root::new(bench.root());
    let now_s = kiln::host::clock::now_s();
    kiln::firstboot::apply_control::settle(&root, &bench.settings, &bench.identity, now_s).unwrap();
    bench.up("etcd");
    bench.up("kube-apiserver");
    let read = bench.ask(Some(&bench.super_admin()), "GET", &format!("{secrets}/kept"), None);
    assert_eq!(read.status, 200, "{}", read.body);
}

fn wait_until(is_so: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !is_so() {
        assert!(start.elapsed().as_secs() < 120, "it never came to be so");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
