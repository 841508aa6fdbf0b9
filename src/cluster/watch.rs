// SPDX-License-Identifier: Apache-2.0
//! A watch: events as they happen, until the caller has what it wants, the server ends it, or its time is over.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::Client;
use super::body::{BODY_MAX_BYTES, Body};
use super::error::{ApiError, ApiErrorKind as Kind};
use super::request::Request;
use super::status;

/// What happened to a watched object.
#[derive(Debug, PartialEq)]
pub(super) enum Event {
    /// It was made or changed, and is so now.
    Now(Value),
    /// It was deleted.
    Deleted,
}

#[derive(Debug, Deserialize)]
struct Wire {
    r#type: String,
    object: Value,
}

/// How much longer than the server the client waits, so that the end comes from the server and the connection lives on.
const GRACE: Duration = Duration::from_secs(5);

impl Client {
    /// Watches from `version` on for `limit` at most, and returns the first thing that `want` makes of an event; none:
    /// the watch ended before.
    pub(super) async fn watch<T>(
        &self,
        request: Request,
        version: &str,
        limit: Duration,
        mut want: impl FnMut(Event) -> Result<Option<T>, String>,
    ) -> Result<Option<T>, ApiError> {
        let seconds = limit.as_secs().max(1);
        let request = request
            .query("watch", "true")
            .query("resourceVersion", version)
            .query("timeoutSeconds", &seconds.to_string())
            .within(Duration::from_secs(seconds) + GRACE);
        let line = self.line(&request);
        let watching = async {
            let mut lines = Lines { body: self.exchange(&request).await?, bytes: Vec::new(), searched: 0 };
            while let Some(line) = lines.next().await? {
                let Some(event) = event(&line)? else { continue };
                if let Some(found) = want(event).map_err(Kind::Malformed)? {
                    return Ok(Some(found));
                }
            }
            Ok(None)
        };
        watching.await.map_err(|kind| ApiError { kind, request: line })
    }
}

fn event(line: &[u8]) -> Result<Option<Event>, Kind> {
    let wire: Wire =
        serde_json::from_slice(line).map_err(|error| Kind::Malformed(format!("a watch's event: {error}")))?;
    match wire.r#type.as_str() {
        "ADDED" | "MODIFIED" => Ok(Some(Event::Now(wire.object))),
        "DELETED" => Ok(Some(Event::Deleted)),
        "ERROR" => Err(status::kind_of_event(wire.object)),
        // Bookmarks, and what may be added.
        _ => Ok(None),
    }
}

/// A body as its lines, each of them bounded.
#[derive(Debug)]
struct Lines {
    body: Body,
    bytes: Vec<u8>,
    /// How many of the bytes hold no end of a line.
    searched: usize,
}

impl Lines {
    /// Returns the next whole line; what is left at the end without one was cut off and is no event.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Kind> {
        loop {
            if let Some(end) = self.bytes[self.searched..].iter().position(|byte| *byte == b'\n') {
                let rest = self.bytes.split_off(self.searched + end + 1);
                self.searched = 0;
                return Ok(Some(std::mem::replace(&mut self.bytes, rest)));
            }
            self.searched = self.bytes.len();
            let Some(chunk) = self.body.chunk().await? else { return Ok(None) };
            if self.bytes.len() + chunk.len() > BODY_MAX_BYTES {
                return Err(Kind::Malformed(format!("an event is longer than {BODY_MAX_BYTES} bytes")));
            }
            self.bytes.extend_from_slice(&chunk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_apart() {
        let of = |line: &str| event(line.as_bytes());
        let object = || Event::Now(serde_json::json!({ "a": 1 }));
        assert_eq!(of(r#"{"type":"ADDED","object":{"a":1}}"#).unwrap(), Some(object()));
        assert_eq!(of(r#"{"type":"MODIFIED","object":{"a":1}}"#).unwrap(), Some(object()));
        assert_eq!(of(r#"{"type":"DELETED","object":{}}"#).unwrap(), Some(Event::Deleted));
        assert_eq!(of(r#"{"type":"BOOKMARK","object":{}}"#).unwrap(), None);
        let too_old =
            r#"{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old resource version"}}"#;
        assert_eq!(of(too_old).unwrap_err(), Kind::Gone { message: "too old resource version".to_owned() });
        assert!(matches!(of("{"), Err(Kind::Malformed(_))));
    }
}
