// SPDX-License-Identifier: Apache-2.0
//! Lists, page by page: consistent, since no version is named, and begun anew where the server forgot the first page.

use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Client;
use super::body::PAGE_MAX_BYTES;
use super::error::{ApiError, ApiErrorKind as Kind};
use super::request::Request;
use super::status;

/// Objects on a page, as kubectl asks for.
const PAGE: &str = "500";
/// A million objects; a server that leads in a circle is left after these.
const PAGES_MAX: usize = 2000;
/// A page that comes five minutes after the first finds its version compacted away (etcd), so twice is often enough.
const ATTEMPTS: usize = 3;

#[derive(Debug, Deserialize)]
struct Page<W> {
    #[serde(default)]
    metadata: PageMeta,
    items: Option<Vec<W>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PageMeta {
    r#continue: String,
}

impl Client {
    /// Lists all objects that a request asks for.
    pub(super) async fn list<W, T>(&self, request: impl Fn() -> Request) -> Result<Vec<T>, ApiError>
    where
        W: DeserializeOwned,
        T: TryFrom<W, Error: fmt::Display>,
    {
        let mut attempt = 1;
        loop {
            match self.pages::<W, T>(&request).await {
                Err(ApiError { kind: Kind::Gone { .. }, .. }) if attempt < ATTEMPTS => attempt += 1,
                other => return other,
            }
        }
    }

    async fn pages<W, T>(&self, request: &impl Fn() -> Request) -> Result<Vec<T>, ApiError>
    where
        W: DeserializeOwned,
        T: TryFrom<W, Error: fmt::Display>,
    {
        let mut all = Vec::new();
        let mut next = String::new();
        let malformed =
            |what: String| ApiError { kind: Kind::Malformed(what), request: self.line(&request()) };
        for _ in 0..PAGES_MAX {
            let mut page = request().query("limit", PAGE).answer_max_bytes(PAGE_MAX_BYTES);
            if !next.is_empty() {
                page = page.query("continue", &next);
            }
            let Page { metadata, items } = self.read::<Page<W>, _>(page).await?;
            for item in items.unwrap_or_default() {
                all.push(T::try_from(item).map_err(|error| malformed(status::clean(&error.to_string())))?);
            }
            next = metadata.r#continue;
            if next.is_empty() {
                return Ok(all);
            }
        }
        Err(malformed(format!("the list has more than {PAGES_MAX} pages")))
    }
}
