// SPDX-License-Identifier: Apache-2.0
//! The HTTP client: rustls with ring, a resolver in Rust (a static glibc has none), HTTPS and nothing else.

use std::sync::Arc;

use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Client, NoProxy, Proxy};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};

use super::error::{DownloadError, DownloadErrorKind, PlainRedirect, TooManyRedirects, shown};
use super::{Limits, Settings};
use crate::host::files;

/// A bundle of all public roots has about 250 KiB.
const CA_FILE_MAX_BYTES: u64 = 4 << 20;

pub(super) fn build(settings: &Settings) -> Result<Client, DownloadError> {
    let Limits { connect, stall, redirects, .. } = settings.limits;
    let wrong = |error: reqwest::Error| {
        DownloadError::new("", DownloadErrorKind::Setting(format!("the HTTP client: {error}")))
    };
    let mut builder = Client::builder()
        .user_agent(concat!("kiln/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls(settings)?)
        .hickory_dns(true)
        .https_only(true)
        .referer(false)
        .redirect(Policy::custom(move |attempt| redirect(attempt, redirects)))
        .connect_timeout(connect)
        .read_timeout(stall)
        // The environment is an argument here, so reqwest must not look at it by itself.
        .no_proxy();
    if let Some(address) = &settings.https_proxy {
        check_proxy(address)?;
        let proxy = Proxy::https(address).map_err(|error| {
            let what = format!("HTTPS_PROXY '{}' is no address: {error}", shown(address));
            DownloadError::new("", DownloadErrorKind::Setting(what))
        })?;
        let except = settings.no_proxy.as_deref().and_then(NoProxy::from_string);
        builder = builder.proxy(proxy.no_proxy(except));
    }
    builder.build().map_err(wrong)
}

/// Refuses what is no HTTP proxy: nothing would ever come through it.
fn check_proxy(address: &str) -> Result<(), DownloadError> {
    match address.split_once("://") {
        None | Some(("http" | "https", _)) => Ok(()),
        Some((scheme, _)) => {
            let what = format!(
                "HTTPS_PROXY '{}' is a proxy of the kind '{scheme}'; kiln speaks with http:// and https:// proxies",
                shown(address)
            );
            Err(DownloadError::new("", DownloadErrorKind::Setting(what)))
        }
    }
}

fn redirect(attempt: Attempt<'_>, max: usize) -> Action {
    if attempt.url().scheme() != "https" {
        let to = attempt.url().to_string();
        return attempt.error(PlainRedirect { to });
    }
    if attempt.previous().len() > max {
        return attempt.error(TooManyRedirects);
    }
    attempt.follow()
}

fn tls(settings: &Settings) -> Result<ClientConfig, DownloadError> {
    let setting = |what| DownloadError::new("", DownloadErrorKind::Setting(what));
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for path in &settings.ca_files {
        let name = path.display();
        let pem = files::read(path, CA_FILE_MAX_BYTES)
            .map_err(|error| setting(format!("the CA file {name}: {}", error.source)))?;
        let mut count = 0;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let added = certificate.map_err(|error| error.to_string());
            let added = added.and_then(|it| roots.add(it).map_err(|error| error.to_string()));
            added.map_err(|why| setting(format!("the CA file {name}: {why}")))?;
            count += 1;
        }
        if count == 0 {
            return Err(setting(format!("the CA file {name} holds no certificate (PEM)")));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| setting(format!("TLS: {error}")))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
