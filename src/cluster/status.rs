// SPDX-License-Identifier: Apache-2.0
//! A refusal in the API's words (a `Status` object) as a kind of error. Pure.

use serde::Deserialize;

use super::clock;
use super::kind::{ApiErrorKind as Kind, Cause};

/// A policy's message is at most 1,024 bytes; more is no help to a person.
const MESSAGE_MAX_CHARS: usize = 1500;
/// A Status may list thousands of broken rules.
const CAUSES_MAX: usize = 20;

/// What a refusal says next to its body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    /// The HTTP status.
    pub(super) status: u16,
    /// `Retry-After`.
    pub(super) retry_after: Option<&'a str>,
    /// The server's time where it says one, else ours; in seconds since 1970.
    pub(super) server_s: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    kind: String,
    message: String,
    reason: String,
    code: u16,
    details: Details,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    name: String,
    kind: String,
    causes: Vec<RawCause>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawCause {
    reason: String,
    field: String,
    message: String,
}

/// Returns what an answer that is no success means.
pub(super) fn kind(head: Head<'_>, body: &[u8]) -> Kind {
    let said = serde_json::from_slice::<Status>(body).ok().filter(|said| said.kind == "Status");
    let is_from_api = said.is_some();
    // Other programs answer in between, and `/readyz` in plain text.
    let status =
        said.unwrap_or_else(|| Status { message: String::from_utf8_lossy(body).into(), ..Status::default() });
    sort(head, status, is_from_api)
}

/// Returns what a watch's event of type ERROR means: its object is a Status.
pub(super) fn kind_of_event(object: serde_json::Value) -> Kind {
    match serde_json::from_value::<Status>(object) {
        Ok(said) => sort(Head { status: said.code, retry_after: None, server_s: 0 }, said, true),
        Err(error) => Kind::Malformed(format!("a watch's error: {error}")),
    }
}

fn sort(head: Head<'_>, said: Status, is_from_api: bool) -> Kind {
    let status = head.status;
    let retry_after = head.retry_after.and_then(|text| clock::retry_after(text, head.server_s));
    let message = clean(&said.message);
    let Details { name, kind: resource, causes } = said.details;
    let causes: Vec<Cause> = causes.into_iter().take(CAUSES_MAX).map(cause).collect();
    match status {
        401 => Kind::Unauthorized,
        403 => Kind::Forbidden { message },
        // A proxy's page, or an unknown path, must never be taken for an object that is gone.
        404 if is_from_api && said.reason == "NotFound" && !name.is_empty() => {
            Kind::NotFound { resource: clean(&resource), name: clean(&name) }
        }
        409 if said.reason == "AlreadyExists" => Kind::AlreadyExists { message },
        409 => Kind::Conflict { message, causes },
        410 => Kind::Gone { message },
        422 => Kind::Invalid { message, causes },
        429 => Kind::TooManyRequests { message, retry_after },
        500.. => Kind::Server { status, message, retry_after },
        _ => Kind::Status { status, message },
    }
}

fn cause(RawCause { reason, field, message }: RawCause) -> Cause {
    Cause { reason: clean(&reason), field: clean(&field), message: clean(&message) }
}

/// Returns a stranger's text as one line without control characters and of bounded length, fit for a log or terminal.
pub fn clean(text: &str) -> String {
    let mut clean = String::new();
    let mut chars = text.trim().chars();
    for char in chars.by_ref().take(MESSAGE_MAX_CHARS) {
        let is_gap = char.is_control() || char.is_whitespace();
        match (is_gap, clean.ends_with(' ')) {
            (true, true) => {}
            (true, false) => clean.push(' '),
            // Marks that turn the direction of a terminal's text are no control characters to Unicode.
            (false, _) if matches!(char, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
                {}
            (false, _) => clean.push(char),
        }
    }
    clean.truncate(clean.trim_end().len());
    if chars.next().is_some() {
        clean.push_str(" ...");
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, body: &str) -> Kind {
        kind(Head { status, retry_after: Some("3"), server_s: 0 }, body.as_bytes())
    }

    fn status(reason: &str, details: &str) -> String {
        format!(r#"{{"kind":"Status","message":"why","reason":"{reason}","details":{details}}}"#)
    }

    #[test]
    fn each_status_is_what_it_is() {
        let why = || "why".to_owned();
        let wait = Some(std::time::Duration::from_secs(3));
        let missing = || Kind::NotFound { resource: "configmaps".to_owned(), name: "b-7".to_owned() };
        for (code, reason, details, expected) in [
            (401, "Unauthorized", "{}", Kind::Unauthorized),
            (403, "Forbidden", "{}", Kind::Forbidden { message: why() }),
            (404, "NotFound", r#"{"name":"b-7","kind":"configmaps"}"#, missing()),
            (404, "NotFound", "{}", Kind::Status { status: 404, message: why() }),
            (409, "AlreadyExists", "{}", Kind::AlreadyExists { message: why() }),
            (409, "Conflict", "{}", Kind::Conflict { message: why(), causes: Vec::new() }),
            (410, "Expired", "{}", Kind::Gone { message: why() }),
            (422, "Invalid", "{}", Kind::Invalid { message: why(), causes: Vec::new() }),
            (429, "TooManyRequests", "{}", Kind::TooManyRequests { message: why(), retry_after: wait }),
            (503, "", "{}", Kind::Server { status: 503, message: why(), retry_after: wait }),
            (302, "", "{}", Kind::Status { status: 302, message: why() }),
            (400, "BadRequest", "{}", Kind::Status { status: 400, message: why() }),
        ] {
            assert_eq!(of(code, &status(reason, details)), expected);
        }
    }

    #[test]
    fn only_the_api_itself_can_say_that_an_object_is_missing() {
        for body in
            ["404 page not found", "<html>404</html>", "", r#"{"reason":"NotFound","details":{"name":"x"}}"#]
        {
            assert!(matches!(of(404, body), Kind::Status { status: 404, .. }), "{body}");
        }
    }

    #[test]
    fn a_conflict_names_the_fields() {
        let causes = r#"{"causes":[{"reason":"FieldManagerConflict","message":"conflict with \"kubectl\" using v1","field":".data.a"}]}"#;
        let Kind::Conflict { causes, .. } = of(409, &status("Conflict", causes)) else { panic!() };
        assert_eq!(causes[0].field, ".data.a");
        assert!(causes[0].message.contains("kubectl"));
    }

    #[test]
    fn strangers_words_are_one_clean_line() {
        assert_eq!(clean("  a\n\tb\u{1b}[31mc\u{202e}d\0 "), "a b [31mcd");
        assert_eq!(clean(&"x".repeat(9999)).chars().count(), MESSAGE_MAX_CHARS + 4);
    }
}
