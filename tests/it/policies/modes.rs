// SPDX-License-Identifier: Apache-2.0
//! The other kinds of pool: one family, and a cluster whose own allocator sets blocks.

use kiln::settings::Addressing;
use serde_json::{Value, json};

use super::cluster::{CLAIMS, NODES, both_families, in_cluster, spec, until};

#[test]
fn a_pool_of_ipv4_alone_takes_blocks_of_ipv4_alone() {
    let mut options = both_families(Addressing::Static);
    options.settings.cluster.pods.truncate(1);
    options.settings.cluster.reserved.clear();
    in_cluster(options, |cluster| {
        let node = cluster.join("one", &cluster.token(1));
        let mut more = cluster.claim(63, &node.name, &node.uid);
        more["data"]["v6"] = json!("fd00:1::/64");
        let said = node.person.ask(cluster, "POST", CLAIMS, &more);
        assert_eq!(said.code, 403, "{said:?}");
        node.person.may(cluster, "POST", CLAIMS, &cluster.claim(63, &node.name, &node.uid));
        let path = format!("{NODES}/one");
        let words = "a Node has one block of each family of the pool, in the pool's order";
        node.person.may_not(cluster, "PATCH", &path, &spec(&["10.234.15.192/26", "fd00:1::/64"]), words);
        node.person.may(cluster, "PATCH", &path, &cluster.podcidrs(63));
    });
}

#[test]
fn a_pool_of_ipv6_alone_takes_blocks_of_ipv6_alone() {
    let mut options = both_families(Addressing::Derived);
    options.settings.cluster.pods.remove(0);
    in_cluster(options, |cluster| {
        let node = cluster.join("one", &cluster.token(1));
        node.person.may(cluster, "POST", CLAIMS, &cluster.claim(255, &node.name, &node.uid));
        let words = "the pool has no block with this index";
        let mut beyond = cluster.claim(255, &node.name, &node.uid);
        beyond["metadata"]["name"] = json!("b-256");
        node.person.may_not(cluster, "POST", CLAIMS, &beyond, words);
        let path = format!("{NODES}/one");
        let words = "a Node's blocks are of the pool's ranges";
        node.person.may_not(cluster, "PATCH", &path, &spec(&["fd00:2::/64"]), words);
        node.person.may(cluster, "PATCH", &path, &cluster.podcidrs(255));
    });
}

#[test]
fn where_the_clusters_allocator_sets_blocks_nodes_claim_and_set_nothing() {
    let mut options = both_families(Addressing::Kcm);
    options.settings.cluster.reserved.clear();
    in_cluster(options, |cluster| {
        let node = cluster.join("one", &cluster.token(1));
        let words = "in this cluster the blocks of nodes are set by its own allocator, nothing is claimed";
        node.person.may_not(cluster, "POST", CLAIMS, &cluster.claim(5, &node.name, &node.uid), words);
        let path = format!("{NODES}/one");
        until("the allocator has set the Node's blocks", || {
            let node = cluster.admin.may(cluster, "GET", &path, &Value::Null);
            node["spec"]["podCIDRs"].as_array().is_some_and(|blocks| blocks.len() == 2)
        });
        let itself = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "two"}, "spec": cluster.podcidrs(7)["spec"]});
        let words = "in this cluster podCIDRs are set by its own allocator, not by nodes";
        let two = cluster.admin.as_user("system:node:two", &["system:nodes"]);
        two.may_not(cluster, "POST", NODES, &itself, words);
    });
}
