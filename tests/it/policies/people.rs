// SPDX-License-Identifier: Apache-2.0
//! Who asks: by a client of its own, which knows nothing of kiln's, so that each judges the other.

use kiln::cluster::{Access, ApiErrorKind, Client, CsrState, KUBELET_CLIENT_SIGNER, NewCsr};
use kiln::cluster::{Backoff, Credential as Kiln};
use kiln::host::clock;
use kiln::token::Token;
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};

use super::cluster::{Cluster, LIMIT, NODES};
use crate::bench::Credential;

/// Somebody with a credential, or with somebody else's name.
#[derive(Clone)]
pub struct Person {
    http: reqwest::Client,
    endpoint: String,
    headers: Vec<(&'static str, String)>,
}

/// What the server said.
#[derive(Debug)]
pub struct Said {
    pub code: u16,
    pub body: Value,
}

impl Person {
    pub fn with_certificate(endpoint: &str, ca: &str, credential: &Credential) -> Self {
        let pem = format!("{}{}", credential.certificate_pem, credential.key_pem);
        let identity = reqwest::Identity::from_pem(pem.as_bytes()).unwrap();
        Self {
            http: builder(ca).identity(identity).build().unwrap(),
            endpoint: endpoint.to_owned(),
            headers: Vec::new(),
        }
    }

    pub fn with_token(cluster: &Cluster, token: &Token) -> Self {
        let headers = vec![("Authorization", format!("Bearer {}", token.reveal()))];
        Self {
            http: builder(&cluster.ca).build().unwrap(),
            endpoint: cluster.settings.api.endpoint.clone(),
            headers,
        }
    }

    /// The same, in the name of another.
    pub fn as_user(&self, user: &str, groups: &[&str]) -> Self {
        let mut other = self.clone();
        other.headers.push(("Impersonate-User", user.to_owned()));
        other.headers.extend(groups.iter().map(|group| ("Impersonate-Group", (*group).to_owned())));
        other
    }

    /// Asks the server; `PATCH` is a merge patch.
    pub fn ask(&self, cluster: &Cluster, method: &str, path: &str, body: &Value) -> Said {
        let media_type = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let url = format!("{}{path}", self.endpoint);
        let mut request = self.http.request(method.parse().unwrap(), url).header("Content-Type", media_type);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        if !body.is_null() {
            request = request.body(body.to_string());
        }
        cluster.runtime.block_on(async {
            let answer = request.send().await.unwrap();
            let code = answer.status().as_u16();
            let text = answer.text().await.unwrap();
            Said { code, body: serde_json::from_str(&text).unwrap_or_else(|_| json!({"message": text})) }
        })
    }

    /// Asks for what must be done.
    #[track_caller]
    pub fn may(&self, cluster: &Cluster, method: &str, path: &str, body: &Value) -> Value {
        let said = self.ask(cluster, method, path, body);
        assert!((200..300).contains(&said.code), "{method} {path} {body}: {said:?}");
        said.body
    }

    /// Asks for what must be refused with 403, in words that end so.
    #[track_caller]
    pub fn may_not(&self, cluster: &Cluster, method: &str, path: &str, body: &Value, words: &str) {
        self.meets(cluster, method, path, body, 403, words);
    }

    /// Asks for what must be refused with this status, in words that end so.
    #[track_caller]
    pub fn meets(&self, cluster: &Cluster, method: &str, path: &str, body: &Value, code: u16, words: &str) {
        let said = self.ask(cluster, method, path, body);
        let message = said.body["message"].as_str().unwrap_or_default();
        assert!(
            said.code == code && message.ends_with(words),
            "{method} {path} {body}: {said:?}\nwanted {code}: {words}"
        );
    }
}

fn builder(ca: &str) -> reqwest::ClientBuilder {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let ca = reqwest::Certificate::from_pem(ca.as_bytes()).unwrap();
    reqwest::Client::builder().no_proxy().timeout(LIMIT).tls_certs_only([ca])
}

/// A node that has joined as a machine would: token, request, certificate, Node.
pub struct Joined {
    pub name: String,
    pub uid: String,
    pub person: Person,
}

impl Cluster {
    /// Makes a token as `kiln token create` does.
    pub fn token(&self, seed: u8) -> Token {
        let token = Token::of_chance([seed; 24]);
        let new = token.created(clock::now_s(), 600, "of a test").unwrap();
        self.runtime.block_on(self.clients.admin.token_create(&new)).unwrap();
        token
    }

    /// Joins a node.
    pub fn join(&self, name: &str, token: &Token) -> Joined {
        let endpoint = &self.settings.api.endpoint;
        let person = Person::with_certificate(endpoint, &self.ca, &self.certificate(name, token));
        let node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"kiln.dev/rack": "7", "topology.kubernetes.io/zone": "a"}},
            "spec": {"taints": [{"key": "dedicated", "value": "x", "effect": "NoSchedule"}], "providerID": format!("test://{name}")},
        });
        let made = person.may(self, "POST", NODES, &node);
        let uid = made["metadata"]["uid"].as_str().unwrap().to_owned();
        Joined { name: name.to_owned(), uid, person }
    }

    /// Gets a node's certificate by a token; kube-controller-manager approves and signs it.
    fn certificate(&self, name: &str, token: &Token) -> Credential {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::OrganizationName, "system:nodes");
        params.distinguished_name.push(DnType::CommonName, format!("system:node:{name}"));
        let new = NewCsr {
            name: format!("test-{name}"),
            request: params.serialize_request(&key).unwrap().pem().unwrap(),
            signer_name: KUBELET_CLIENT_SIGNER.to_owned(),
            usages: vec!["digital signature".to_owned(), "client auth".to_owned()],
            expiration_s: None,
        };
        let access = Access::of_node(&self.settings.api.endpoint, &self.ca, Kiln::Token(token.reveal()));
        let client = Client::new(&access).unwrap();
        let issued = self.runtime.block_on(async {
            // Tokens and bindings are believed within a moment.
            let begin = std::time::Instant::now();
            let made = loop {
                match client.retrying(backoff(), LIMIT, async || client.csr_create(&new).await).await {
                    Err(error) if error.kind == ApiErrorKind::Unauthorized && begin.elapsed() < LIMIT => {
                        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    }
                    made => break made.unwrap(),
                }
            };
            client.csr_await(&made, LIMIT, backoff()).await.unwrap()
        });
        let CsrState::Issued(certificate_pem) = issued else { panic!("{name}: {issued:?}") };
        Credential { certificate_pem, key_pem: key.serialize_pem() }
    }
}

fn backoff() -> Backoff {
    let ms = std::time::Duration::from_millis;
    Backoff::new(ms(20), ms(500), 1)
}
