// SPDX-License-Identifier: Apache-2.0
//! The HTTP clients: no redirects, no proxy, no environment, bounded times and bounded answers.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};

use super::error::AwsErrorKind as Kind;
use crate::cause;
use crate::cluster::Names;

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// For a connection.
    pub(super) connect: Duration,
    /// For a request as a whole.
    pub(super) request: Duration,
}

/// Returns a client that trusts the public roots and `ca` (PEM).
pub(super) fn client(limits: Limits, ca: Option<&str>) -> Result<Client, Kind> {
    let failed = |error: &dyn Error| Kind::Refused(format!("the HTTP client: {error}"));
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in CertificateDer::pem_slice_iter(ca.unwrap_or_default().as_bytes()) {
        let certificate = certificate.map_err(|error| failed(&error))?;
        roots.add(certificate).map_err(|error| failed(&error))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| failed(&error))?;
    let mut tls = builder.with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Client::builder()
        .tls_backend_preconfigured(tls)
        .http1_only()
        // A static glibc has no resolver.
        .dns_resolver(Names)
        .referer(false)
        .redirect(Policy::none())
        .user_agent(concat!("kiln-firstboot/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(limits.connect)
        .timeout(limits.request)
        .no_proxy()
        .build()
        .map_err(|error| failed(&error))
}

/// Returns what an error of the HTTP library means.
pub(super) fn kind(error: &reqwest::Error, endpoint: &str) -> Kind {
    let why = clean(&cause::root_of(error));
    if error.is_connect() {
        Kind::Unreachable { endpoint: endpoint.to_owned(), why }
    } else {
        Kind::Unanswered(why)
    }
}

/// Returns an answer's body, which is `most` bytes long at most.
pub(super) async fn body(mut response: Response, most: usize, endpoint: &str) -> Result<Vec<u8>, Kind> {
    let mut all = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| kind(&error, endpoint))? {
        if all.len() + chunk.len() > most {
            return Err(Kind::Malformed(format!("it is longer than {most} bytes")));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

/// A server's words go to the console: bounded, without control characters, and without EC2's encoded account of a refusal,
/// which only an administrator can read and which is longer than a screen.
pub(super) fn clean(text: &str) -> String {
    let text = text.split(" Encoded authorization failure message").next().unwrap_or_default();
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}
