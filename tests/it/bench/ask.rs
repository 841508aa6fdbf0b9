// SPDX-License-Identifier: Apache-2.0
//! A plain HTTP client for tests: not kiln's own, so that each judges the other.

use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A client certificate.
#[derive(Clone)]
pub struct Credential {
    pub certificate_pem: String,
    pub key_pem: String,
}

impl Credential {
    /// Reads the credential that a kubeconfig holds.
    pub fn of_kubeconfig(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let value: serde_json::Value = serde_yaml::from_str(&text).unwrap();
        let user = &value["users"][0]["user"];
        let decode =
            |key: &str| String::from_utf8(STANDARD.decode(user[key].as_str().unwrap()).unwrap()).unwrap();
        Self { certificate_pem: decode("client-certificate-data"), key_pem: decode("client-key-data") }
    }
}

/// What a server answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    /// Reads the body.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Asks once; `PATCH` is a merge patch. Without a CA any server is believed: the controllers' health has a certificate of its own making.
pub fn ask(
    url: &str,
    ca_pem: Option<&str>,
    credential: Option<&Credential>,
    method: &str,
    body: Option<&str>,
) -> Result<Answer, reqwest::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    runtime.block_on(async {
        let mut client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30));
        client = match ca_pem {
            Some(ca) => client.tls_certs_only([reqwest::Certificate::from_pem(ca.as_bytes())?]),
            None => client.tls_danger_accept_invalid_certs(true),
        };
        if let Some(credential) = credential {
            let pem = format!("{}{}", credential.certificate_pem, credential.key_pem);
            client = client.identity(reqwest::Identity::from_pem(pem.as_bytes())?);
        }
        let mut request = client.build()?.request(method.parse().unwrap(), url);
        if let Some(body) = body {
            let media_type =
                if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
            request = request.header("Content-Type", media_type).body(body.to_owned());
        }
        let answer = request.send().await?;
        Ok(Answer { status: answer.status().as_u16(), body: answer.text().await? })
    })
}

/// Asks until the answer is 200. `check` is called between and may panic.
pub fn wait_for(url: &str, credential: Option<&Credential>, limit: Duration, check: impl Fn()) {
    let start = Instant::now();
    let mut last = String::new();
    while start.elapsed() < limit {
        match ask(url, None, credential, "GET", None) {
            Ok(answer) if answer.status == 200 => return,
            Ok(answer) => last = format!("{} {}", answer.status, answer.body),
            Err(error) => last = format!("{error:?}"),
        }
        check();
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{url} was not ready within {limit:?}: {last}");
}
