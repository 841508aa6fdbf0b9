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
    watch: RequestBuilder,
}

/// Prepares `count` Nodes, each with a connection of its own; what costs no request is not measured.
pub fn prepare(cluster: &Cluster, count: u32) -> Ready {
    pool::empty(cluster);
    let endpoint = &cluster.settings.api.endpoint;
    let list = cluster.admin.may(cluster, "GET", NODES, &Value::Null);
    let from = list["metadata"]["resourceVersion"].as_str().unwrap();
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
        watch: admin.get(format!("{endpoint}{NODES}?watch=1&resourceVersion={from}")),
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
async fn served(watch: RequestBuilder, count: usize) {
    let mut answer = watch.send().await.unwrap();
    let (mut bytes, mut served) = (Vec::new(), BTreeSet::new());
    while served.len() < count {
        bytes.extend_from_slice(&answer.chunk().await.unwrap().expect("the watch goes on"));
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = bytes.drain(..=end).collect();
            let event: Value = serde_json::from_slice(&line).unwrap();
            if !event["object"]["spec"]["podCIDR"].is_null() && event["type"] != "DELETED" {
                served.insert(event["object"]["metadata"]["name"].to_string());
            }
        }
    }
}
