// SPDX-License-Identifier: Apache-2.0
//! The floors: what any client of the same server has to wait for. Clients in this very process, so that starting one
//! costs nothing.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kiln::firstboot::pki;
use kiln::ipam::{Ranges, claim_name};
use reqwest::{Certificate, Client, Identity};
use serde_json::{Value, json};

use crate::bench::{Bench, Credential};
use crate::it::birth::cluster::{TOKEN, claims};

const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

fn client(bench: &Bench) -> reqwest::ClientBuilder {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let ca = Certificate::from_pem(bench.ca_pem().as_bytes()).unwrap();
    Client::builder().no_proxy().http1_only().tls_certs_only([ca])
}

/// Runs `work` with a runtime in the network of the control plane, and times it.
fn timed<F: Future<Output = ()>>(bench: &Bench, work: impl FnOnce() -> F + Send) -> f64 {
    bench.within(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let start = Instant::now();
        runtime.block_on(work());
        start.elapsed().as_secs_f64()
    })
}

/// One connection, one handshake with the node's certificate, one GET of an object. The client's own making is not timed.
pub fn get(bench: &Bench, credential: &Credential, path: &str) -> f64 {
    let pem = format!("{}{}", credential.certificate_pem, credential.key_pem);
    let client = client(bench).identity(Identity::from_pem(pem.as_bytes()).unwrap()).build().unwrap();
    let url = format!("{}{path}", bench.endpoint());
    timed(bench, || async move {
        let answer = client.get(url).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap();
    })
}

/// A certificate for a token: a key, a request, and asked until it is signed, which is noticed within a millisecond.
pub fn certificate(bench: &Bench, name: &str) -> f64 {
    let client = client(bench).build().unwrap();
    timed(bench, || async move {
        signed(bench, &client, name).await;
    })
}

/// The same, and what a node needs on top of it: a second connection, as the node, its Node, a claim on a block that is
/// known to be free, and podCIDRs. Nothing of it is on a disk of the node's, so a machine that is cut off forgets it.
pub fn node(bench: &Bench, name: &str) -> f64 {
    let token = client(bench).build().unwrap();
    let ranges = Ranges::of(&bench.settings.cluster).unwrap();
    let used: Vec<String> =
        claims(bench).iter().map(|claim| claim["metadata"]["name"].as_str().unwrap().to_owned()).collect();
    let index = (0..).find(|index| !used.contains(&claim_name(*index))).unwrap();
    let block = ranges.blocks(index).unwrap()[0].to_string();
    timed(bench, || async move {
        let pem = signed(bench, &token, name).await;
        let own = client(bench).identity(Identity::from_pem(pem.as_bytes()).unwrap()).build().unwrap();
        let nodes = format!("{}/api/v1/nodes", bench.endpoint());
        let made = write(&own, "POST", &nodes, &json!({"metadata": {"name": name}})).await;
        let owner = json!({"apiVersion": "v1", "kind": "Node", "name": name, "uid": made["metadata"]["uid"]});
        let meta = json!({"name": claim_name(index), "ownerReferences": [owner]});
        let data = json!({"pool": ranges.hash(), "node": name, "instance": "i", "nonce": "0", "v4": block});
        let claim = json!({"metadata": meta, "immutable": true, "data": data});
        let maps = format!("{}/api/v1/namespaces/kiln-ipam/configmaps", bench.endpoint());
        write(&own, "POST", &maps, &claim).await;
        let patch = json!({"spec": {"podCIDR": block, "podCIDRs": [block]}});
        write(&own, "PATCH", &format!("{nodes}/{name}"), &patch).await;
    })
}

/// Returns certificate and key.
async fn signed(bench: &Bench, client: &Client, name: &str) -> String {
    let url = format!("{}{REQUESTS}", bench.endpoint());
    let key = kiln::host::entropy::key_pem().unwrap();
    let request = STANDARD.encode(pki::request(&key, name).unwrap());
    let body = json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": {"name": name},
        "spec": {
            "request": request, "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
            "usages": ["client auth", "digital signature"],
        },
    });
    let made = client.post(&url).bearer_auth(TOKEN).header("Content-Type", "application/json");
    assert_eq!(made.body(body.to_string()).send().await.unwrap().status(), 201);
    loop {
        let answer = client.get(format!("{url}/{name}")).bearer_auth(TOKEN).send().await.unwrap();
        let found: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        if let Some(certificate) = found["status"]["certificate"].as_str() {
            let certificate = String::from_utf8(STANDARD.decode(certificate).unwrap()).unwrap();
            return format!("{certificate}{key}");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn write(client: &Client, method: &str, url: &str, body: &Value) -> Value {
    let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let request = client.request(method.parse().unwrap(), url).header("Content-Type", kind);
    let answer = request.body(body.to_string()).send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{method} {url}: {status} {text}");
    serde_json::from_str(&text).unwrap()
}
