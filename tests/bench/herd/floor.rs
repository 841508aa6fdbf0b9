// SPDX-License-Identifier: Apache-2.0
//! The load generator: for each node a connection of its own and the three writes that no client can do without.

use std::rc::Rc;

use kiln::ipam::{Ranges, claim_name, family, mirror};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::task::LocalSet;

use crate::it::races::crowd::{CURRENT, Machine};
use crate::policies::cluster::{CLAIMS, Cluster, NODES};

/// A node with its client, its index and all bodies but for the UID.
pub struct Node {
    client: Client,
    name: String,
    data: Value,
    index: u32,
    blocks: Vec<String>,
    mirror: Option<String>,
}

/// Prepares nodes: what costs no request is not measured.
pub fn nodes(cluster: &Cluster, machines: &[Rc<Machine>]) -> Vec<Node> {
    let ca = reqwest::Certificate::from_pem(cluster.ca.as_bytes()).unwrap();
    let ranges = Ranges::of(&cluster.settings.cluster).unwrap();
    let node = |(index, machine): (u32, &Rc<Machine>)| {
        let blocks = ranges.blocks(index).unwrap();
        let mut data = json!({"pool": ranges.hash(), "node": machine.name, "instance": "i", "nonce": "0"});
        data[family(&blocks[0])] = json!(blocks[0].to_string());
        let identity = reqwest::Identity::from_pem(machine.text(CURRENT).as_bytes()).unwrap();
        let client =
            Client::builder().no_proxy().http1_only().tls_certs_only([ca.clone()]).identity(identity);
        Node {
            client: client.build().unwrap(),
            name: machine.name.clone(),
            data,
            index,
            blocks: blocks.iter().map(ToString::to_string).collect(),
            mirror: mirror(&blocks),
        }
    };
    (0..).zip(machines).map(node).collect()
}

/// Does all writes of all nodes.
pub fn serve(cluster: &Cluster, nodes: Vec<Node>) {
    let local = LocalSet::new();
    let server = cluster.settings.api.endpoint.clone();
    let all: Vec<_> = nodes.into_iter().map(|node| local.spawn_local(node.write(server.clone()))).collect();
    local.block_on(&cluster.runtime, async {
        for node in all {
            node.await.unwrap();
        }
    });
}

impl Node {
    async fn write(self, server: String) {
        let name = &self.name;
        let made = self.ask("POST", &format!("{server}{NODES}"), json!({"metadata": {"name": name}})).await;
        let uid = made["metadata"]["uid"].as_str().unwrap();
        let owner = json!({"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid});
        let meta = json!({"name": claim_name(self.index), "ownerReferences": [owner]});
        let claim = json!({"metadata": meta, "immutable": true, "data": self.data});
        self.ask("POST", &format!("{server}{CLAIMS}"), claim).await;
        let labels = json!({"ipblock": self.mirror});
        let spec = json!({"podCIDR": self.blocks[0], "podCIDRs": self.blocks});
        let patch = json!({"metadata": {"labels": labels}, "spec": spec});
        self.ask("PATCH", &format!("{server}{NODES}/{name}"), patch).await;
    }

    async fn ask(&self, method: &str, url: &str, body: Value) -> Value {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let request = self.client.request(method.parse().unwrap(), url).header("Content-Type", kind);
        let answer = request.body(body.to_string()).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{method} {url}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }
}
