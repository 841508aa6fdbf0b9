// SPDX-License-Identifier: Apache-2.0
//! A request as a value. Pure.

use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::body::BODY_MAX_BYTES;

/// A request before a client makes it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) path: Vec<String>,
    pub(super) query: Vec<(&'static str, String)>,
    /// Media type and bytes.
    pub(super) body: Option<(&'static str, Vec<u8>)>,
    pub(super) accept: &'static str,
    /// Instead of the client's own limit.
    pub(super) limit: Option<Duration>,
    pub(super) answer_max_bytes: usize,
}

/// How a PATCH says what is to change.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patch {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Server-side apply; JSON is YAML.
    Apply,
}

impl Patch {
    fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json-patch+json",
            Self::Merge => "application/merge-patch+json",
            Self::Apply => "application/apply-patch+yaml",
        }
    }
}

impl Request {
    fn new(method: &'static str, path: &[&str]) -> Self {
        let path = path.iter().map(|segment| (*segment).to_owned()).collect();
        let accept = "application/json";
        Self {
            method,
            path,
            query: Vec::new(),
            body: None,
            accept,
            limit: None,
            answer_max_bytes: BODY_MAX_BYTES,
        }
    }

    pub(super) fn get(path: &[&str]) -> Self {
        Self::new("GET", path)
    }

    pub(super) fn post(path: &[&str], body: &Value) -> Self {
        Self::new("POST", path).with("application/json", body)
    }

    pub(super) fn patch(path: &[&str], patch: Patch, body: &Value) -> Self {
        Self::new("PATCH", path).with(patch.media_type(), body)
    }

    pub(super) fn delete(path: &[&str], body: &Value) -> Self {
        Self::new("DELETE", path).with("application/json", body)
    }

    fn with(mut self, media_type: &'static str, body: &Value) -> Self {
        self.body = Some((media_type, body.to_string().into_bytes()));
        self
    }

    /// Adds a name to the path.
    pub(super) fn at(mut self, name: &str) -> Self {
        self.path.push(name.to_owned());
        self
    }

    pub(super) fn query(mut self, key: &'static str, value: &str) -> Self {
        self.query.push((key, value.to_owned()));
        self
    }

    pub(super) fn accept(mut self, accept: &'static str) -> Self {
        self.accept = accept;
        self
    }

    pub(super) fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    pub(super) fn answer_max_bytes(mut self, bytes: usize) -> Self {
        self.answer_max_bytes = bytes;
        self
    }

    /// Returns the address below a server's.
    ///
    /// # Errors
    /// For a name that would lead elsewhere (k8s.io/apimachinery, `IsValidPathSegmentName`).
    pub(super) fn url(&self, server: &Url) -> Result<Url, String> {
        let is_bad = |name: &&String| matches!(name.as_str(), "" | "." | "..") || name.contains(['/', '%']);
        if let Some(name) = self.path.iter().find(is_bad) {
            return Err(format!("{name:?} is no name of an object"));
        }
        let mut url = server.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => drop(segments.pop_if_empty().extend(&self.path)),
            Err(()) => return Err("the server's address has no path".to_owned()),
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(name: &str) -> Result<String, String> {
        let server = Url::parse("https://proxy.example.org/clusters/one/").unwrap();
        let request = Request::get(&["api", "v1", "nodes"]).at(name).query("fieldManager", "a b&c");
        request.url(&server).map(String::from)
    }

    #[test]
    fn a_name_stays_one_segment() {
        let base = "https://proxy.example.org/clusters/one/api/v1/nodes";
        assert_eq!(url("system:node").unwrap(), format!("{base}/system:node?fieldManager=a+b%26c"));
        assert_eq!(url("a b?c#d").unwrap(), format!("{base}/a%20b%3Fc%23d?fieldManager=a+b%26c"));
        for bad in ["", ".", "..", "a/b", "..%2f"] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }
}
