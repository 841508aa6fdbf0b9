// SPDX-License-Identifier: Apache-2.0
//! The floors: what any client of the same server has to wait for. Clients in this very process, so that starting one
//! costs nothing.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kiln::firstboot::pki;
use reqwest::{Certificate, Client, Identity};
use serde_json::{Value, json};

use crate::bench::{Bench, Credential};
use crate::it::birth::cluster::TOKEN;

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
    let url = format!("{}{REQUESTS}", bench.endpoint());
    timed(bench, || async move {
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
            if found["status"]["certificate"].is_string() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
}
