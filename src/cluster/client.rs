// SPDX-License-Identifier: Apache-2.0
//! The client: one connection, one credential; every request of the other files goes through here.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, DATE, RETRY_AFTER};
use serde::de::DeserializeOwned;
use url::Url;

use super::access::{Access, AccessError};
use super::body::Body;
use super::error::{ApiError, ApiErrorKind as Kind, RequestLine};
use super::meter::{Counts, Meter};
use super::object::Served;
use super::request::Request;
use super::{clock, status, transport};
use crate::host::clock::now_s;
use crate::progress::Teller;

/// A client of one API server with one credential. It is cheap to make and cheap to clone; clones share the connection,
/// the counts and what is known of the server.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    server: Url,
    meter: Arc<Meter>,
    /// What kinds the server has, by group version.
    pub(super) served: Arc<Mutex<BTreeMap<String, Arc<Vec<Served>>>>>,
    is_dry_run: bool,
    /// `Impersonate-User` and `Impersonate-Group`.
    pretended: Vec<(&'static str, String)>,
    /// Hears why a request takes long.
    pub(super) teller: Teller,
}

impl Client {
    /// Returns a client; nothing is sent yet. Make a new one when a certificate or token has been renewed.
    ///
    /// # Errors
    /// If address, CA, credential or proxy can't be used.
    pub fn new(access: &Access) -> Result<Self, AccessError> {
        Ok(Self {
            server: server(&access.server)?,
            http: transport::build(access)?,
            meter: Arc::default(),
            served: Arc::default(),
            is_dry_run: false,
            pretended: Vec::new(),
            teller: Teller::default(),
        })
    }

    /// Returns the same client; `teller` hears why a request is made again.
    #[must_use]
    pub fn telling(&self, teller: Teller) -> Self {
        Self { teller, ..self.clone() }
    }

    /// Returns the same client, but whatever it writes is only judged by the server, not kept.
    #[must_use]
    pub fn dry_run(&self) -> Self {
        Self { is_dry_run: true, ..self.clone() }
    }

    /// Returns the same client in the name of another user and its groups, which takes the right to impersonate.
    #[must_use]
    pub fn impersonating(&self, user: &str, groups: &[&str]) -> Self {
        let user = [("Impersonate-User", user.to_owned())];
        let groups = groups.iter().map(|group| ("Impersonate-Group", (*group).to_owned()));
        Self { pretended: user.into_iter().chain(groups).collect(), ..self.clone() }
    }

    /// Returns what this client and its clones have cost so far.
    pub fn counts(&self) -> Counts {
        self.meter.counts()
    }

    /// Returns how far the server's clock is ahead of ours (behind, where negative), in seconds, by the `Date` of its last
    /// answer, which has no fractions; none before the first one.
    pub fn skew_s(&self) -> Option<i64> {
        self.meter.skew_s()
    }

    /// Returns the same client as who it is.
    pub(super) fn honestly(&self) -> Self {
        Self { pretended: Vec::new(), ..self.clone() }
    }

    pub(super) fn count_retry(&self) {
        self.meter.retry();
    }

    pub(super) fn line(&self, request: &Request) -> RequestLine {
        let path = request.url(&self.server).map_or_else(
            |_| format!("/{}", status::clean(&request.path.join("/"))),
            |url| url.path().to_owned(),
        );
        RequestLine { method: request.method, path, is_dry_run: self.is_dry_run && request.method != "GET" }
    }

    /// Makes a request and returns its answer as JSON.
    pub(super) async fn read<W, T>(&self, request: Request) -> Result<T, ApiError>
    where
        W: DeserializeOwned,
        T: TryFrom<W, Error: fmt::Display>,
    {
        let answer = async {
            let all = self.exchange(&request).await?.all(request.answer_max_bytes).await?;
            let wire: W = serde_json::from_slice(&all).map_err(|error| Kind::Malformed(error.to_string()))?;
            T::try_from(wire).map_err(|error| Kind::Malformed(status::clean(&error.to_string())))
        };
        answer.await.map_err(|kind| ApiError { kind, request: self.line(&request) })
    }

    /// Makes a request and returns its answer once the server has agreed; the body has yet to come.
    pub(super) async fn exchange(&self, request: &Request) -> Result<Body, Kind> {
        let mut url = request.url(&self.server).map_err(Kind::Unsendable)?;
        if self.is_dry_run && request.method != "GET" {
            url.query_pairs_mut().append_pair("dryRun", "All");
        }
        let method = Method::from_bytes(request.method.as_bytes())
            .map_err(|error| Kind::Unsendable(error.to_string()))?;
        let mut builder = self.http.request(method, url).header(ACCEPT, request.accept);
        let mut length = 0;
        if let Some((media_type, body)) = &request.body {
            length = body.len();
            builder = builder.header(CONTENT_TYPE, *media_type).body(body.clone());
        }
        for (name, value) in &self.pretended {
            builder = builder.header(*name, value);
        }
        if let Some(limit) = request.limit {
            builder = builder.timeout(limit);
        }
        self.meter.request(length);
        let response = builder.send().await.map_err(|error| transport::kind(&error))?;
        self.accept(response).await
    }

    async fn accept(&self, response: reqwest::Response) -> Result<Body, Kind> {
        let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let local_s = now_s();
        let date = text(DATE).and_then(clock::parse);
        if let Some(server_s) = date {
            self.meter.set_skew_s(clock::skew_s(server_s, local_s));
        }
        let status = response.status();
        let retry_after = text(RETRY_AFTER).map(str::to_owned);
        let body = Body::new(response, self.meter.clone());
        if status.is_success() {
            return Ok(body);
        }
        let said = body.beginning().await;
        let server_s = date.unwrap_or(local_s);
        Err(status::kind(
            status::Head { status: status.as_u16(), retry_after: retry_after.as_deref(), server_s },
            &said,
        ))
    }
}

fn server(found: &str) -> Result<Url, AccessError> {
    let wrong = |why| AccessError::Server { found: status::clean(found), why };
    let url = Url::parse(found).map_err(|_| wrong("is not https://HOST:PORT"))?;
    match url {
        url if url.scheme() != "https" => Err(wrong("does not start with https://")),
        // It would be shown in errors.
        url if !url.username().is_empty() || url.password().is_some() => {
            Err(AccessError::Server { found: String::new(), why: "holds a name or a password" })
        }
        url if url.query().is_some() || url.fragment().is_some() => {
            Err(wrong("holds more than host, port and path"))
        }
        url => Ok(url),
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("server", &self.server.as_str()).finish_non_exhaustive()
    }
}
