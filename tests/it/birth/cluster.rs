// SPDX-License-Identifier: Apache-2.0
//! What a cluster must have before workers may be born: namespace, pool, a token and rights.

use std::time::{Duration, Instant};

use kiln::ipam::Ranges;
use serde_json::{Value, json};

use crate::bench::Bench;

/// A bootstrap token that the bench's cluster knows.
pub const TOKEN: &str = "abcdef.0123456789abcdef";

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// Makes all of it.
pub fn prepare(bench: &Bench) {
    let pool = Ranges::of(&bench.settings.cluster).unwrap();
    post(bench, "/api/v1/namespaces", &json!({ "metadata": { "name": "kiln-ipam" } }));
    post(
        bench,
        "/api/v1/namespaces/kiln-ipam/configmaps",
        &json!({ "metadata": { "name": "pool" }, "immutable": true, "data": pool.data() }),
    );
    post(
        bench,
        "/api/v1/namespaces/kube-system/secrets",
        &json!({
            "metadata": { "name": "bootstrap-token-abcdef" },
            "type": "bootstrap.kubernetes.io/token",
            "stringData": {
                "token-id": "abcdef",
                "token-secret": "0123456789abcdef",
                "usage-bootstrap-authentication": "true",
                "auth-extra-groups": "system:bootstrappers:kiln:worker",
            },
        }),
    );
    let workers = "system:bootstrappers:kiln:worker";
    bind(bench, "bootstrap", "system:node-bootstrapper", workers);
    bind(bench, "approve", "system:certificates.k8s.io:certificatesigningrequests:nodeclient", workers);
    post(
        bench,
        &format!("{RBAC}/namespaces/kiln-ipam/roles"),
        &json!({
            "metadata": { "name": "nodes" },
            "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "get", "list"] }],
        }),
    );
    post(
        bench,
        &format!("{RBAC}/namespaces/kiln-ipam/rolebindings"),
        &binding("nodes", "Role", "nodes", "system:nodes"),
    );
}

fn bind(bench: &Bench, name: &str, role: &str, group: &str) {
    post(bench, &format!("{RBAC}/clusterrolebindings"), &binding(name, "ClusterRole", role, group));
}

fn binding(name: &str, kind: &str, role: &str, group: &str) -> Value {
    let api = "rbac.authorization.k8s.io";
    json!({
        "metadata": { "name": format!("test-{name}") },
        "roleRef": { "apiGroup": api, "kind": kind, "name": role },
        "subjects": [{ "apiGroup": api, "kind": "Group", "name": group }],
    })
}

fn post(bench: &Bench, path: &str, body: &Value) {
    let answer = bench.ask(Some(&bench.super_admin()), "POST", path, Some(&body.to_string()));
    assert_eq!(answer.status, 201, "{path}: {}", answer.body);
}

/// Reads a Node.
pub fn node(bench: &Bench, name: &str) -> Value {
    let answer = bench.ask(Some(&bench.super_admin()), "GET", &format!("/api/v1/nodes/{name}"), None);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

/// Lists all claims.
pub fn claims(bench: &Bench) -> Vec<Value> {
    let path = "/api/v1/namespaces/kiln-ipam/configmaps";
    let all = bench.ask(Some(&bench.super_admin()), "GET", path, None).json();
    let is_claim = |map: &&Value| map["metadata"]["name"].as_str().unwrap().starts_with("b-");
    all["items"].as_array().unwrap().iter().filter(is_claim).cloned().collect()
}

/// Waits until the cluster is so.
pub fn within(is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "the cluster did not get there");
        std::thread::sleep(Duration::from_millis(50));
    }
}
