// SPDX-License-Identifier: Apache-2.0
//! What is wrong with the cluster, its server or its other machines.

use std::time::{Duration, Instant};

use serde_json::json;

use super::super::cluster::{claims, node, within};
use super::{NEW, Place, forget, put, says};
use crate::cluster::server::{Certificate, Server};

/// The control plane's token cleaner may have taken its Secret away already: the answer is the same.
pub fn a_token_that_has_expired(place: &Place) {
    let secret = json!({
        "metadata": {"name": "bootstrap-token-expire"}, "type": "bootstrap.kubernetes.io/token",
        "stringData": {
            "token-id": "expire", "token-secret": "0123456789abcdef", "expiration": "2020-01-01T00:00:00Z",
            "usage-bootstrap-authentication": "true",
        },
    });
    place.ask("POST", "/api/v1/namespaces/kube-system/secrets", &secret);
    let worker = place.worker(|settings| settings.node.name = Some("late".to_owned()));
    put(&worker, "run/provision/token", "expire.0123456789abcdef");
    says(
        &worker,
        75,
        "the API server does not know this credential: POST /apis/certificates.k8s.io/v1/certificatesigningrequests; a \
        bootstrap token may have expired ('kiln token \
        create' makes another)",
    );
}

pub fn servers_and_pools_of_others(place: &Place) {
    let mut other = rcgen::CertificateParams::default();
    other.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let other = other.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
    let worker = place.worker(|settings| settings.api.ca = other);
    says(
        &worker,
        78,
        "the API server's certificate is not good: it was not signed by the cluster's CA; check api.ca and api.endpoint",
    );
    let worker = place.worker(|settings| settings.cluster.pods = vec!["10.245.0.0/16".parse().unwrap()]);
    says(
        &worker,
        78,
        "the cluster's pool is 10.244.0.0/16 in /24, the settings say 10.245.0.0/16 in /24; one of them belongs to \
        another cluster",
    );
    forget(place, NEW);
}

pub fn a_denied_request(place: &Place) {
    // In a group that nobody approves, so that there is time to deny.
    let secret = json!({
        "metadata": {"name": "bootstrap-token-denied"}, "type": "bootstrap.kubernetes.io/token",
        "stringData": {
            "token-id": "denied", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true",
            "auth-extra-groups": "system:bootstrappers:strangers",
        },
    });
    place.ask("POST", "/api/v1/namespaces/kube-system/secrets", &secret);
    let rbac = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    let (api, group) = ("rbac.authorization.k8s.io", "system:bootstrappers:strangers");
    let binding = json!({
        "metadata": {"name": "strangers"},
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": "system:node-bootstrapper"},
        "subjects": [{"apiGroup": api, "kind": "Group", "name": group}],
    });
    place.ask("POST", rbac, &binding);
    let worker = place.worker(|_| ());
    put(&worker, "run/provision/token", "denied.0123456789abcdef");
    let requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let pending = || {
        let list = place.ask("GET", requests, &json!(null));
        let all = list["items"].as_array().unwrap().clone();
        all.into_iter().find(|request| request["spec"]["username"] == "system:bootstrap:denied")
    };
    std::thread::scope(|scope| {
        let run = scope.spawn(|| worker.run(&["run"]));
        within(|| pending().is_some());
        let mut request = pending().unwrap();
        let name = request["metadata"]["name"].as_str().unwrap().to_owned();
        request["status"] = json!({"conditions": [{
            "type": "Denied", "status": "True", "reason": "Test", "message": "nobody knows this rack",
        }]});
        place.ask("PUT", &format!("{requests}/{name}/approval"), &request);
        let ended = run.join().unwrap();
        let line = format!(
            "certificate request {name} was denied: Test: nobody knows this rack; delete it after removing the cause"
        );
        assert!(ended.said.contains(&line), "{}", ended.said);
        ended.is(78);
    });
}

pub fn a_second_allocator(place: &Place) {
    let foreign = json!({
        "metadata": {"name": NEW, "annotations": {"kiln.dev/instance": "i-w1"}},
        "spec": {"podCIDR": "10.244.77.0/24", "podCIDRs": ["10.244.77.0/24"]},
    });
    place.ask("POST", "/api/v1/nodes", &foreign);
    let worker = place.worker(|_| ());
    says(
        &worker,
        78,
        "Node w1 has podCIDRs 10.244.77.0/24, which kiln did not set: a second allocator is at work; turn \
        kube-controller-manager's nodeipam off, or the cloud's, and delete the Node",
    );
    assert!(claims(&place.bench).is_empty());
    forget(place, NEW);
}

/// The server's certificate is of the CA, and of another time.
pub fn a_wrong_clock(place: &Place) {
    for (valid, line) in [
        (((2020, 1, 1), (2021, 1, 1)), "this machine's clock is wrong: "),
        (((2998, 1, 1), (2999, 1, 1)), "the clock is behind by at least "),
    ] {
        let (port, ca) = place.machine.within(|| {
            let server = Server::with(Certificate { valid, ..Certificate::default() }, []);
            (server.port, server.access().ca)
        });
        let worker = place.worker(|settings| {
            settings.api.endpoint = format!("https://localhost:{port}");
            settings.api.ca = ca;
            settings.node.addresses = vec!["10.99.0.11".parse().unwrap()];
        });
        says(&worker, 75, line);
        says(&worker, 75, "; kiln never sets the clock, check time synchronisation");
    }
}

/// No kubelet runs on any of them, so that the cluster takes all for dead.
pub fn nodes_that_are_not_ready_keep_their_blocks(place: &Place) {
    let holder = place.born("silent");
    let status = json!({"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "KubeletNotReady"}]}});
    place.ask("PATCH", "/api/v1/nodes/silent/status", &status);
    let block = node(&place.bench, "silent")["spec"]["podCIDR"].clone();
    let other = place.born("other");
    assert_ne!(node(&place.bench, "other")["spec"]["podCIDR"], block);
    for worker in [&holder, &other] {
        worker.run(&["verify"]).is(0);
    }
    assert_eq!(claims(&place.bench).len(), 2);
}

/// What runs on recorded claims goes on, and says why nobody was asked.
pub fn a_node_outlives_its_control_plane(place: &mut Place) {
    let worker = place.born("lasting");
    place.bench.down("kube-apiserver");
    for word in ["run", "verify"] {
        let start = Instant::now();
        worker.run(&[word]).is(0);
        assert!(start.elapsed() < Duration::from_secs(30), "{word} has a limit");
    }
}
