// SPDX-License-Identifier: Apache-2.0
//! The HTTP client, and what its errors mean: HTTPS and HTTP/1.1 only, no redirects, no environment.

use std::error::Error;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, NoProxy};

use super::access::{Access, AccessError, Credential};
use super::error::ApiErrorKind as Kind;
use super::names::Names;
use super::{status, tls};
use crate::cause;

pub(super) fn build(access: &Access) -> Result<Client, AccessError> {
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls::config(access)?)
        .http1_only()
        // A static glibc has no resolver; an address is not looked up at all.
        .dns_resolver(Names)
        .https_only(true)
        .referer(false)
        .redirect(Policy::none())
        .user_agent(&access.agent)
        .default_headers(headers(&access.credential)?)
        .connect_timeout(access.limits.connect)
        .timeout(access.limits.request)
        .pool_max_idle_per_host(1)
        // Well before the server (Go: 90 s) or a balancer (often 60 s) ends it, so that no request meets that moment.
        .pool_idle_timeout(Duration::from_secs(30))
        .no_proxy();
    if let Some(proxy) = &access.proxy {
        let except = proxy.except.as_deref().and_then(NoProxy::from_string);
        // The library's reason may hold the address, and that a password.
        let wrong = |_| AccessError::Proxy("it is not http://HOST:PORT".to_owned());
        let proxy = reqwest::Proxy::https(&proxy.address).map_err(wrong)?;
        builder = builder.proxy(proxy.no_proxy(except));
    }
    builder.build().map_err(|error| AccessError::Http(error.to_string()))
}

fn headers(credential: &Credential) -> Result<HeaderMap, AccessError> {
    let mut headers = HeaderMap::new();
    if let Credential::Token(token) = credential {
        let wrong =
            |_| AccessError::Credential("the token has characters that no header may have".to_owned());
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(wrong)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

/// Returns what an error of the HTTP library means.
pub(super) fn kind(error: &reqwest::Error) -> Kind {
    if error.is_builder() {
        return Kind::Unsendable(root_of(error));
    }
    // Later than the handshake, TLS may fail under an answer that was on its way.
    let tls = cause::find::<rustls::Error>(error).filter(|tls| error.is_connect() || tls::is_refusal(tls));
    if let Some(tls) = tls {
        return tls::kind(tls);
    }
    match (error.is_connect(), error.is_timeout()) {
        (is_connect, true) => Kind::TimedOut { sent: !is_connect },
        (true, false) => Kind::Unreachable(root_of(error)),
        (false, false) => Kind::Broken(root_of(error)),
    }
}

/// As the server's own words, it is bounded and without control characters.
fn root_of(error: &(dyn Error + 'static)) -> String {
    status::clean(&cause::root_of(error))
}
