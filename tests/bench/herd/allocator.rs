// SPDX-License-Identifier: Apache-2.0
//! The cluster's own allocator: nodes register, kube-controller-manager sets their podCIDRs.

use std::collections::BTreeSet;
use std::rc::Rc;

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::task::LocalSet;

use crate::bench::Credential;
use crate::it::races::crowd::{CURRENT, Crowd, Machine};
use crate::it::races::pool;
use crate::policies::cluster::{Cluster, NODES};

/// Requests that register Nodes, and one that watches them.
pub struct Ready {
    creates: Vec<RequestBuilder>,
    watch: Watch,
}

/// A watch of the Nodes, which goes on where it was cut off: a server lets go of those who read too slowly.
struct Watch {
    client: reqwest::Client,
    nodes: String,
    /// The resourceVersion that was seen last.
    from: String,
}

/// Prepares `count` Nodes, each with a connection of its own; what costs no request is not measured.
pub fn prepare(cluster: &Cluster, count: u32) -> Ready {
    pool::empty(cluster);
    let endpoint = &cluster.settings.api.endpoint;
    let list = cluster.admin.may(cluster, "GET", NODES, &Value::Null);
    let from = list["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let admin = Credential::of_kubeconfig(&cluster.pki.with_file_name("admin.conf"));
    let admin = client(cluster, &format!("{}{}", admin.certificate_pem, admin.key_pem));
    let create = |machine: &Rc<Machine>| {
        let body = json!({"metadata": {"name": machine.name}}).to_string();
        let request = client(cluster, &machine.text(CURRENT)).post(format!("{endpoint}{NODES}"));
        request.header("Content-Type", "application/json").body(body)
    };
    let crowd = Crowd::new(cluster, &cluster.settings, endpoint);
    Ready {
        creates: crowd.machines("n", count).iter().map(create).collect(),
        watch: Watch { client: admin, nodes: format!("{endpoint}{NODES}"), from },
    }
}

/// Registers the Nodes and waits until all have podCIDRs.
pub fn serve(cluster: &Cluster, ready: Ready) {
    let local = LocalSet::new();
    let count = ready.creates.len();
    let creating: Vec<_> =
        ready.creates.into_iter().map(|request| local.spawn_local(create(request))).collect();
    local.block_on(&cluster.runtime, async {
        let created = async {
            for node in creating {
                node.await.unwrap();
            }
        };
        tokio::join!(created, served(ready.watch, count));
    });
}

async fn create(request: RequestBuilder) {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 201, "{}", answer.text().await.unwrap());
}

fn client(cluster: &Cluster, pem: &str) -> reqwest::Client {
    let ca = reqwest::Certificate::from_pem(cluster.ca.as_bytes()).unwrap();
    let identity = reqwest::Identity::from_pem(pem.as_bytes()).unwrap();
    reqwest::Client::builder()
        .no_proxy()
        .http1_only()
        .tls_certs_only([ca])
        .identity(identity)
        .build()
        .unwrap()
}

/// Follows the Nodes until so many of them have podCIDRs.
async fn served(mut watch: Watch, count: usize) {
    let mut served = BTreeSet::new();
    while served.len() < count {
        watch.follow(&mut served, count).await;
    }
}

impl Watch {
    /// Follows the Nodes until so many have podCIDRs, or the server ends the watch.
    async fn follow(&mut self, served: &mut BTreeSet<String>, count: usize) {
        let url = format!("{}?watch=1&resourceVersion={}", self.nodes, self.from);
        let mut answer = self.client.get(url).send().await.unwrap();
        let mut bytes = Vec::new();
        while served.len() < count {
            let Some(chunk) = answer.chunk().await.unwrap() else { return };
            bytes.extend_from_slice(&chunk);
            while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = bytes.drain(..=end).collect();
                self.saw(&serde_json::from_slice(&line).unwrap(), served);
            }
        }
    }

    fn saw(&mut self, event: &Value, served: &mut BTreeSet<String>) {
        let metadata = &event["object"]["metadata"];
        assert_ne!(event["type"], "ERROR", "{event}");
        self.from = metadata["resourceVersion"].as_str().unwrap().to_owned();
        if !event["object"]["spec"]["podCIDR"].is_null() && event["type"] != "DELETED" {
            served.insert(metadata["name"].to_string());
        }
    }
}
