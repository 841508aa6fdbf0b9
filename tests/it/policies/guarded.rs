// SPDX-License-Identifier: Apache-2.0
//! Deletions: what the blocks of running machines hang on, and that other work goes on.

use kiln::settings::Addressing;
use serde_json::{Value, json};

use super::cluster::{CLAIMS, Cluster, NODES, POOL, both_families, in_cluster, until};
use super::people::Joined;

const NODE: &str = "denied request: the Node is Ready, so its machine runs and uses its block; power it off first, or \
                    annotate the Node with kiln.dev/allow-delete=true";
const GROUND: &str = "denied request: the blocks of running machines hang on it; annotate it with \
                      kiln.dev/allow-delete=true if no node is left";
const STAY: &str = "denied request: claims and the pool are changed only by who may change everything";

#[test]
fn a_running_machines_block_is_freed_only_by_who_means_it() {
    in_cluster(both_families(Addressing::Claim), |cluster| {
        let token = cluster.token(1);
        a_ready_node_is_kept(cluster, &cluster.join("one", &token));
        a_node_that_is_not_ready_goes(cluster, &cluster.join("two", &token), "Unknown");
        a_node_that_is_not_ready_goes(cluster, &cluster.join("three", &token), "False");
        let four = cluster.join("four", &token);
        cluster.admin.may(cluster, "DELETE", &format!("{NODES}/four"), &Value::Null);
        let gone = cluster.claim(9, &four.name, &four.uid);
        four.person.may(cluster, "POST", CLAIMS, &gone);
        until("a claim of a Node that is gone is collected", || is_gone(cluster, 9));
        editors_of_config_maps_hand_out_no_blocks(cluster, &cluster.join("five", &token));
        an_administrators_work_is_not_hindered(cluster);
        the_pool_goes_only_by_who_means_it(cluster);
    });
}

fn is_gone(cluster: &Cluster, index: u32) -> bool {
    cluster.admin.ask(cluster, "GET", &format!("{CLAIMS}/b-{index}"), &Value::Null).code == 404
}

fn report(cluster: &Cluster, node: &Joined, ready: &str) {
    let path = format!("{NODES}/{}/status", node.name);
    let conditions =
        json!([{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}]);
    node.person.may(cluster, "PATCH", &path, &json!({"status": {"conditions": conditions}}));
}

fn a_ready_node_is_kept(cluster: &Cluster, node: &Joined) {
    node.person.may(cluster, "POST", CLAIMS, &cluster.claim(5, &node.name, &node.uid));
    report(cluster, node, "True");
    let path = format!("{NODES}/{}", node.name);
    cluster.admin.may_not(cluster, "DELETE", &path, &Value::Null, NODE);
    cluster.admin.may_not(cluster, "DELETE", NODES, &Value::Null, NODE);
    let cloud = cluster.admin.as_user("system:serviceaccount:kube-system:node-controller", &[]);
    cloud.may_not(cluster, "DELETE", &path, &Value::Null, NODE);
    cluster.admin.may(
        cluster,
        "PATCH",
        &path,
        &json!({"metadata": {"annotations": {"kiln.dev/allow-delete": "true"}}}),
    );
    cluster.admin.may(cluster, "DELETE", &path, &Value::Null);
    until("the claim of a deleted Node is collected", || is_gone(cluster, 5));
}

fn a_node_that_is_not_ready_goes(cluster: &Cluster, node: &Joined, ready: &str) {
    node.person.may(cluster, "POST", CLAIMS, &cluster.claim(6, &node.name, &node.uid));
    report(cluster, node, ready);
    let cloud = cluster.admin.as_user("system:serviceaccount:kube-system:node-controller", &[]);
    cloud.may(cluster, "DELETE", &format!("{NODES}/{}", node.name), &Value::Null);
    until("the claim of a deleted Node is collected", || is_gone(cluster, 6));
}

fn editors_of_config_maps_hand_out_no_blocks(cluster: &Cluster, node: &Joined) {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "editors"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "editor"}],
    });
    cluster.admin.may(cluster, "POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", &binding);
    let editor = cluster.admin.as_user("editor", &[]);
    let map = json!({"metadata": {"name": "notes"}});
    until("the editor's right is believed", || editor.ask(cluster, "POST", CLAIMS, &map).code == 201);
    editor.may(cluster, "DELETE", &format!("{CLAIMS}/notes"), &Value::Null);
    let claim = cluster.claim(8, &node.name, &node.uid);
    editor.may_not(cluster, "POST", CLAIMS, &claim, STAY);
    node.person.may(cluster, "POST", CLAIMS, &claim);
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    let path = format!("{CLAIMS}/b-8");
    editor.may_not(cluster, "PATCH", &path, &label, STAY);
    editor.may_not(cluster, "DELETE", &path, &Value::Null, STAY);
    editor.may_not(cluster, "PATCH", POOL, &label, STAY);
}

fn an_administrators_work_is_not_hindered(cluster: &Cluster) {
    let admin = &cluster.admin;
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "by-hand"}});
    admin.may(cluster, "POST", NODES, &node);
    let path = format!("{NODES}/by-hand");
    admin.may(
        cluster,
        "PATCH",
        &path,
        &json!({"metadata": {"labels": {"node-role.kubernetes.io/worker": ""}}}),
    );
    admin.may(cluster, "PATCH", &path, &json!({"spec": {"unschedulable": true}}));
    admin.may(cluster, "PATCH", &path, &cluster.podcidrs(11));
    admin.may(cluster, "PATCH", &path, &json!({"spec": {"unschedulable": null}}));
    admin.may(
        cluster,
        "POST",
        CLAIMS,
        &cluster.claim(11, "by-hand", &uid(&admin.may(cluster, "GET", &path, &Value::Null))),
    );
    admin.may(cluster, "PATCH", &format!("{CLAIMS}/b-11"), &json!({"metadata": {"labels": {"a": "b"}}}));
    admin.may(cluster, "DELETE", &format!("{CLAIMS}/b-11"), &Value::Null);
    admin.may(cluster, "DELETE", &path, &Value::Null);
    admin.may(cluster, "POST", "/api/v1/namespaces", &json!({"metadata": {"name": "apps"}}));
    admin.may(cluster, "POST", "/api/v1/namespaces/apps/configmaps", &json!({"metadata": {"name": "b-05"}}));
    admin.may(cluster, "DELETE", "/api/v1/namespaces/apps/configmaps/b-05", &Value::Null);
    admin.may(cluster, "DELETE", "/api/v1/namespaces/apps", &Value::Null);
}

fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap().to_owned()
}

fn the_pool_goes_only_by_who_means_it(cluster: &Cluster) {
    let admin = &cluster.admin;
    let namespace = "/api/v1/namespaces/kiln-ipam";
    for path in [POOL, CLAIMS, namespace] {
        admin.may_not(cluster, "DELETE", path, &Value::Null, GROUND);
    }
    admin.may(
        cluster,
        "PATCH",
        namespace,
        &json!({"metadata": {"annotations": {"kiln.dev/allow-delete": "true"}}}),
    );
    admin.may(cluster, "DELETE", namespace, &Value::Null);
    until("the namespace is gone with all that lies in it", || {
        admin.ask(cluster, "GET", namespace, &Value::Null).code == 404
    });
    let again = cluster.bootstrap(&cluster.settings);
    assert_eq!((again.end, again.warnings), (Ok(()), Vec::new()), "and it can be made anew");
}
