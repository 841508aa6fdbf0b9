// SPDX-License-Identifier: Apache-2.0
//! What a node's own certificate is good for, and what not.

use kiln::settings::Addressing;
use serde_json::{Value, json};

use super::cluster::{CLAIMS, Cluster, NODES, POOL, both_families, in_cluster, spec};
use super::people::Joined;

#[test]
fn a_node_does_its_own_work_and_nobody_elses() {
    in_cluster(both_families(Addressing::Claim), |cluster| {
        let token = cluster.token(1);
        let (one, two) = (cluster.join("one", &token), cluster.join("two", &token));
        claims_that_are_refused(cluster, &one, &two);
        claims_that_stand(cluster, &one, &two);
        podcidrs(cluster, &one, &two);
        what_is_not_a_nodes_business(cluster, &one, &two);
        what_a_node_reads(cluster, &one);
        a_name_alone_or_a_group_alone_is_no_node(cluster, &one);
    });
}

const NAMED: &str = "denied request: a node creates claims here and nothing else, named b-INDEX with the index in plain decimal";
const KEYS: &str = "a claim's data has the keys pool, node, instance, nonce and one for each family of the pool, all of them short";
const BLOCKS: &str = "a claim's blocks are of the pool's ranges and block length";
const OWNER: &str = "a claim is owned by the Node of who creates it";
const HOLD: &str = "a claim's owner neither controls it nor waits for it";

/// A change that makes a claim a bad one: where, what to, and the words that refuse it.
type Bad = (&'static str, Value, &'static str);

fn bad() -> Vec<Bad> {
    vec![
        ("/metadata/name", json!("b-05"), NAMED),
        ("/metadata/name", json!("b-+5"), "a lowercase RFC 1123 subdomain"),
        ("/metadata/name", json!("b-99999999999"), NAMED),
        ("/metadata/name", json!("pool2"), NAMED),
        ("/metadata/name", json!("pool"), NAMED),
        ("/metadata/name", json!("b-64"), "the pool has no block with this index"),
        ("/metadata/name", json!("b-99999999"), "the pool has no block with this index"),
        ("/metadata/name", json!("b-3"), "the block with this index is reserved"),
        ("/immutable", json!(false), "a claim is immutable"),
        ("/immutable", Value::Null, "a claim is immutable"),
        ("/metadata/finalizers", json!(["example.org/keep"]), "a claim has no finalizers"),
        ("/metadata/ownerReferences", json!([]), "a claim has exactly one owner"),
        (
            "/metadata/ownerReferences/1",
            json!({"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "x"}),
            "a claim has exactly one owner",
        ),
        ("/metadata/ownerReferences/0/name", json!("two"), OWNER),
        ("/metadata/ownerReferences/0/kind", json!("Pod"), OWNER),
        ("/metadata/ownerReferences/0/apiVersion", json!("example.org/v1"), OWNER),
        ("/metadata/ownerReferences/0/controller", json!(true), HOLD),
        ("/metadata/ownerReferences/0/blockOwnerDeletion", json!(true), HOLD),
        ("/data", Value::Null, KEYS),
        ("/data/more", json!("x"), KEYS),
        ("/data/nonce", json!("x".repeat(257)), KEYS),
        ("/data/v6", Value::Null, KEYS),
        ("/binaryData", json!({"more": "eA=="}), KEYS),
        ("/data/node", json!("two"), "a claim's data names the node that creates it"),
        (
            "/data/pool",
            json!("0123456789abcdef0123456789abcdef"),
            "the claim is on another pool than this cluster's",
        ),
        ("/data/v4", json!("x"), BLOCKS),
        ("/data/v4", json!("10.235.0.0/26"), BLOCKS),
        ("/data/v4", json!("10.234.0.0/25"), BLOCKS),
        ("/data/v4", json!("10.234.0.1/26"), BLOCKS),
        ("/data/v6", json!("fd00:1:0:100::/64"), BLOCKS),
        ("/data/v6", json!("fd00:1:0:05::/64"), BLOCKS),
        ("/data/v6", json!("10.234.0.0/26"), BLOCKS),
    ]
}

/// Sets what a JSON pointer names, also where nothing is yet; null takes it away.
fn set(object: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match object.pointer_mut(parent).unwrap() {
        Value::Array(items) if key.parse::<usize>().unwrap() == items.len() => items.push(value),
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        Value::Object(keys) if value.is_null() => drop(keys.remove(key)),
        parent => parent[key] = value,
    }
}

fn claims_that_are_refused(cluster: &Cluster, one: &Joined, two: &Joined) {
    let good = cluster.claim(5, &one.name, &one.uid);
    for (pointer, value, words) in bad() {
        let mut claim = good.clone();
        set(&mut claim, pointer, value);
        let code = if words.ends_with("subdomain") { 422 } else { 403 };
        let said = one.person.ask(cluster, "POST", CLAIMS, &claim);
        let message = said.body["message"].as_str().unwrap_or_default();
        assert!(said.code == code && message.contains(words), "{pointer}: {claim}: {said:?}");
    }
    // Another node's claim, as itself and as the other.
    two.person.may_not(cluster, "POST", CLAIMS, &good, OWNER);
    let mut theirs = good.clone();
    theirs["metadata"].as_object_mut().unwrap().remove("name");
    theirs["metadata"]["generateName"] = json!("b-");
    one.person.may_not(cluster, "POST", CLAIMS, &theirs, NAMED);
    let left = cluster.admin.may(cluster, "GET", CLAIMS, &Value::Null);
    let names = left["items"].as_array().unwrap().iter().map(|map| map["metadata"]["name"].as_str().unwrap());
    assert_eq!(names.filter(|name| *name != "kube-root-ca.crt").collect::<Vec<_>>(), ["pool"]);
}

fn claims_that_stand(cluster: &Cluster, one: &Joined, two: &Joined) {
    one.person.may(cluster, "POST", CLAIMS, &cluster.claim(5, &one.name, &one.uid));
    let taken = cluster.claim(5, &two.name, &two.uid);
    two.person.meets(cluster, "POST", CLAIMS, &taken, 409, "configmaps \"b-5\" already exists");
    let own = format!("{CLAIMS}/b-5");
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    for node in [one, two] {
        let words = |verb| {
            format!(
                "User \"system:node:{}\" cannot {verb} resource \"configmaps\" in API group \"\" in the namespace \
                 \"kiln-ipam\": can only read resources of this type",
                node.name
            )
        };
        node.person.may_not(cluster, "DELETE", &own, &Value::Null, &words("delete"));
        node.person.may_not(cluster, "PATCH", &own, &label, &words("patch"));
        node.person.may_not(cluster, "DELETE", CLAIMS, &Value::Null, &words("deletecollection"));
        node.person.may_not(cluster, "PATCH", POOL, &label, &words("patch"));
    }
    // Also with every right that RBAC has, the policies say no.
    let mighty = cluster.admin.as_user("system:node:one", &["system:nodes", "kubeadm:cluster-admins"]);
    let words = "denied request: a node never changes or deletes what lies here";
    mighty.may_not(cluster, "DELETE", &own, &Value::Null, words);
    mighty.may_not(cluster, "DELETE", CLAIMS, &Value::Null, words);
    mighty.may_not(cluster, "PATCH", &own, &label, words);
}

const FAMILIES: &str = "a Node has one block of each family of the pool, in the pool's order";
const RANGES: &str = "a Node's blocks are of the pool's ranges";
const MASK: &str = "a Node's blocks have the pool's block length and no bits after it";

fn podcidrs(cluster: &Cluster, one: &Joined, two: &Joined) {
    let own = format!("{NODES}/one");
    for (blocks, words) in [
        (&["10.234.1.64/26"][..], FAMILIES),
        (&["fd00:1:0:5::/64", "10.234.1.64/26"], FAMILIES),
        (&["10.235.1.64/26", "fd00:1:0:5::/64"], RANGES),
        (&["10.234.1.64/26", "fd00:2:0:5::/64"], RANGES),
        (&["10.224.0.0/12", "fd00:1:0:5::/64"], RANGES),
        (&["10.234.0.0/25", "fd00:1:0:5::/64"], MASK),
        (&["10.234.1.64/27", "fd00:1:0:5::/64"], MASK),
        (&["10.234.1.64/26", "fd00:1:0:5::/80"], MASK),
        (&["10.234.1.64/26", "fd00:1:0:05::/64"], MASK),
    ] {
        one.person.may_not(cluster, "PATCH", &own, &spec(blocks), words);
    }
    let words = "node \"two\" is not allowed to modify node \"one\"";
    two.person.may_not(cluster, "PATCH", &own, &cluster.podcidrs(5), words);
    one.person.may(cluster, "PATCH", &own, &cluster.podcidrs(5));
    one.person.may(cluster, "PATCH", &own, &cluster.podcidrs(5));
    let words = "node updates may not change podCIDR except from \"\" to valid";
    one.person.meets(cluster, "PATCH", &own, &cluster.podcidrs(6), 422, words);
    // A second allocator, with the rights that it has.
    let allocator = cluster.admin.as_user("system:serviceaccount:kube-system:node-controller", &[]);
    let words = "in this cluster podCIDRs are set by the node itself, from its claim";
    allocator.may_not(cluster, "PATCH", &format!("{NODES}/two"), &cluster.podcidrs(7), words);
    let taints = json!({"spec": {"unschedulable": true}});
    allocator.may(cluster, "PATCH", &own, &taints);
}

fn what_is_not_a_nodes_business(cluster: &Cluster, one: &Joined, two: &Joined) {
    let status = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    let words = "node \"one\" is not allowed to modify node \"two\"";
    one.person.may_not(cluster, "PATCH", &format!("{NODES}/{}/status", two.name), &status, words);
    let secrets = "/api/v1/namespaces/kube-system/secrets";
    one.person.may_not(
        cluster,
        "GET",
        secrets,
        &Value::Null,
        "in the namespace \"kube-system\": No Object name found",
    );
    let role = json!({"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}});
    let words = "is not allowed to modify labels: node-role.kubernetes.io/control-plane";
    one.person.may_not(cluster, "PATCH", &format!("{NODES}/one"), &role, words);
    let words = "cannot delete resource \"nodes\" in API group \"\" at the cluster scope";
    one.person.may_not(cluster, "DELETE", &format!("{NODES}/one"), &Value::Null, words);
    let map = json!({"metadata": {"name": "x"}});
    let words = "in the namespace \"default\": can only read resources of this type";
    one.person.may_not(cluster, "POST", "/api/v1/namespaces/default/configmaps", &map, words);
}

/// Claims for the node, the rest for its flannel and its kube-proxy.
fn what_a_node_reads(cluster: &Cluster, one: &Joined) {
    let claim = format!("{CLAIMS}/b-5");
    for path in [
        CLAIMS,
        POOL,
        &claim,
        NODES,
        "/api/v1/nodes/two",
        "/api/v1/services",
        "/apis/discovery.k8s.io/v1/endpointslices",
        "/apis/networking.k8s.io/v1/servicecidrs",
    ] {
        one.person.may(cluster, "GET", path, &Value::Null);
    }
    // What flannel writes.
    let annotation =
        json!({"metadata": {"annotations": {"flannel.alpha.coreos.com/public-ip": "10.99.0.2"}}});
    one.person.may(cluster, "PATCH", &format!("{NODES}/one/status"), &annotation);
}

/// RBAC believes the group, the Node authorizer asks for both: who has one alone must not slip through the policies.
fn a_name_alone_or_a_group_alone_is_no_node(cluster: &Cluster, one: &Joined) {
    let claim = cluster.claim(7, &one.name, &one.uid);
    cluster.admin.as_user("mallory", &["system:nodes"]).may_not(cluster, "POST", CLAIMS, &claim, OWNER);
    let other = cluster.claim(7, "mallory", &one.uid);
    cluster.admin.as_user("mallory", &["system:nodes"]).may_not(cluster, "POST", CLAIMS, &other, OWNER);
    let named = cluster.admin.as_user("system:node:one", &["kubeadm:cluster-admins"]);
    let mut bad = claim;
    bad["immutable"] = json!(false);
    named.may_not(cluster, "POST", CLAIMS, &bad, "a claim is immutable");
}
