// SPDX-License-Identifier: Apache-2.0
//! One pool after the other on the same control plane, and whether a cluster is sound.

use std::collections::BTreeSet;
use std::time::Duration;

use kiln::audit::look::look;
use kiln::settings::Settings;
use serde_json::{Value, json};

use crate::policies::cluster::{CLAIMS, Cluster, NODES, POOL, until_within};

/// A thousand Nodes are deleted, their claims collected and whatever else the controllers do about it, on two slow cores.
const COLLECTED: Duration = Duration::from_secs(300);

/// Makes the cluster's only pool: `range` in blocks of /`prefix`. Nodes and claims of an earlier one go.
pub fn make(cluster: &Cluster, range: &str, prefix: u8) -> Settings {
    empty(cluster);
    let allow = json!({"metadata": {"annotations": {"kiln.dev/allow-delete": "true"}}});
    cluster.admin.may(cluster, "PATCH", POOL, &allow);
    cluster.admin.may(cluster, "DELETE", POOL, &Value::Null);
    let mut settings = cluster.settings.clone();
    settings.cluster.pods = vec![range.parse().unwrap()];
    settings.cluster.block_prefix = Some(prefix);
    settings.cluster.block_prefix_v6 = None;
    settings.cluster.reserved.clear();
    settings.cluster.pods_max = 10;
    let birth = cluster.bootstrap(&settings);
    assert_eq!((birth.end, birth.warnings), (Ok(()), Vec::new()));
    settings
}

/// Deletes all Nodes, and waits until their claims are gone. Not in one request: that ends after a minute (the API
/// server's --request-timeout), and a thousand Nodes may take longer.
pub fn empty(cluster: &Cluster) {
    until_within(COLLECTED, "the Nodes are deleted", || {
        let some = cluster.admin.may(cluster, "GET", &format!("{NODES}?limit=1"), &Value::Null);
        let is_empty = some["items"].as_array().unwrap().is_empty();
        if !is_empty {
            cluster.admin.may(cluster, "DELETE", &format!("{NODES}?limit=100"), &Value::Null);
        }
        is_empty
    });
    until_within(COLLECTED, "the claims are collected", || claims(cluster).is_empty());
}

/// Claims by name and owner.
pub fn claims(cluster: &Cluster) -> Vec<(String, String)> {
    let maps = cluster.admin.may(cluster, "GET", CLAIMS, &Value::Null);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let maps = maps["items"].as_array().unwrap().iter();
    let all =
        maps.map(|map| (text(&map["metadata"]["name"]), text(&map["metadata"]["ownerReferences"][0]["uid"])));
    all.filter(|(name, _)| name.starts_with("b-")).collect()
}

/// Every Node has a block of its own and the claim on it: by a look that knows nothing of kiln, and by kiln's audit. The
/// Nodes `without` have none.
pub fn is_sound(cluster: &Cluster, without: &[&str]) {
    let nodes = cluster.admin.may(cluster, "GET", NODES, &Value::Null);
    let nodes: Vec<&Value> = nodes["items"].as_array().unwrap().iter().collect();
    let blocks: Vec<&str> = nodes.iter().filter_map(|node| node["spec"]["podCIDR"].as_str()).collect();
    assert_eq!(blocks.len(), nodes.len() - without.len());
    assert_eq!(blocks.iter().collect::<BTreeSet<_>>().len(), blocks.len(), "no block twice");
    let owners: BTreeSet<String> = claims(cluster).into_iter().map(|(_, uid)| uid).collect();
    assert_eq!(owners.len(), blocks.len());
    assert!(
        nodes
            .iter()
            .filter(|node| !node["spec"]["podCIDR"].is_null())
            .all(|node| { owners.contains(node["metadata"]["uid"].as_str().unwrap()) })
    );
    let audit = cluster.runtime.block_on(look(&cluster.clients.admin)).unwrap();
    assert_eq!(audit.problems, []);
    assert_eq!(audit.held() as usize, blocks.len());
    assert_eq!(audit.joining.iter().map(String::as_str).collect::<Vec<_>>(), without);
}
