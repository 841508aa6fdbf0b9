// SPDX-License-Identifier: Apache-2.0
//! Waiting for a certificate while watches are cut, forgotten and silent.

use std::time::Duration;

use kiln::cluster::{ApiErrorKind as Kind, Backoff, Csr, CsrState, Meta};
use serde_json::{Value, json};

use super::server::{Reply, Server};

/// "PEM" in base64.
const PEM: &str = "UEVN";

fn csr(version: &str, status: Value) -> Value {
    json!({
        "metadata": { "name": "c", "uid": "u", "resourceVersion": version },
        "spec": { "request": PEM, "signerName": "s" },
        "status": status,
    })
}

fn event(kind: &str, object: Value) -> String {
    json!({ "type": kind, "object": object }).to_string() + "\n"
}

fn pending() -> Value {
    csr("6", json!({ "conditions": [{ "type": "Approved" }] }))
}

fn issued() -> Value {
    csr("9", json!({ "certificate": PEM }))
}

async fn awaited(server: &Server, limit: Duration) -> Result<CsrState, Kind> {
    let meta = Meta {
        name: "c".to_owned(),
        uid: "u".to_owned(),
        resource_version: "5".to_owned(),
        ..Meta::default()
    };
    let (text, list) = (String::new, Vec::new);
    let state = CsrState::Pending;
    let asked =
        Csr { meta, request: Vec::new(), signer_name: text(), username: text(), usages: list(), state };
    let backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(5), 1);
    server.client().csr_await(&asked, limit, backoff).await.map_err(|error| error.kind)
}

const LONG: Duration = Duration::from_secs(60);
const LOOK: &str = "GET /apis/certificates.k8s.io/v1/certificatesigningrequests/c";

fn watch(version: &str) -> String {
    format!(
        "GET /apis/certificates.k8s.io/v1/certificatesigningrequests?fieldSelector=metadata.name%3Dc&watch=true\
         &resourceVersion={version}&timeoutSeconds=30"
    )
}

fn pem() -> CsrState {
    CsrState::Issued("PEM".to_owned())
}

#[tokio::test]
async fn a_watch_that_sees_the_end_is_one_request() {
    let events = event("MODIFIED", pending()) + &event("BOOKMARK", json!({})) + &event("MODIFIED", issued());
    // In pieces that end anywhere.
    let (first, second) = events.split_at(40);
    let server = Server::start([Reply::Chunks(vec![first.to_owned(), second.to_owned()], true)]);
    assert_eq!(awaited(&server, LONG).await, Ok(pem()));
    assert_eq!(server.lines(), [watch("5")]);
}

#[tokio::test]
async fn a_watch_that_is_cut_or_forgotten_is_taken_up_after_a_look() {
    let too_old =
        event("ERROR", json!({ "kind": "Status", "code": 410, "message": "too old resource version" }));
    let half = event("MODIFIED", issued());
    for broken in [
        Reply::Chunks(vec![event("MODIFIED", pending())], true),
        Reply::Chunks(vec![event("MODIFIED", pending())], false),
        Reply::Chunks(vec![half[..half.len() - 1].to_owned()], false),
        Reply::Chunks(vec!["garbage\n".to_owned()], false),
        Reply::Chunks(vec![too_old], false),
        Reply::Bytes(String::new()),
        Reply::status(410, "Expired", "{}"),
        Reply::status(429, "TooManyRequests", "{}").with("Retry-After: 0"),
        Reply::status(403, "Forbidden", "{}"),
        Reply::Endless,
    ] {
        let found = Reply::Chunks(vec![event("ADDED", issued())], false);
        let server = Server::start([broken, Reply::ok(pending().to_string()), found]);
        assert_eq!(awaited(&server, LONG).await, Ok(pem()));
        assert_eq!(server.lines(), [watch("5"), LOOK.to_owned(), watch("6")]);
    }
}

#[tokio::test]
async fn the_look_after_a_cut_may_be_the_end_and_may_fail_for_a_while() {
    let cut = || Reply::Bytes(String::new());
    let server = Server::start([cut(), Reply::ok(issued().to_string())]);
    assert_eq!(awaited(&server, LONG).await, Ok(pem()));
    let busy = Reply::status(503, "", "{}");
    let server = Server::start([cut(), busy, cut(), Reply::ok(issued().to_string())]);
    assert_eq!(awaited(&server, LONG).await, Ok(pem()));
    let server = Server::start([cut(), Reply::status(401, "Unauthorized", "{}")]);
    assert_eq!(awaited(&server, LONG).await, Err(Kind::Unauthorized), "the token has expired");
}

#[tokio::test]
async fn ends_that_are_no_certificate_are_told_apart() {
    let denied = json!({ "conditions": [{ "type": "Denied", "reason": "No", "message": "who are you" }] });
    let failed = json!({ "conditions": [{ "type": "Failed", "reason": "Ca", "message": "no key" }] });
    let mut other = issued();
    other["metadata"]["uid"] = "another".into();
    let missing = Reply::status(404, "NotFound", r#"{"name":"c","kind":"certificatesigningrequests"}"#);
    let seen = |kind: &str, object: Value| vec![Reply::Chunks(vec![event(kind, object)], false)];
    for (replies, expected) in [
        (seen("MODIFIED", csr("7", denied)), CsrState::Denied("No: who are you".to_owned())),
        (seen("MODIFIED", csr("7", failed)), CsrState::Failed("Ca: no key".to_owned())),
        (seen("DELETED", pending()), CsrState::Gone),
        (seen("ADDED", other.clone()), CsrState::Gone),
        (vec![Reply::Bytes(String::new()), Reply::ok(other.to_string())], CsrState::Gone),
        (vec![Reply::Bytes(String::new()), missing], CsrState::Gone),
    ] {
        let server = Server::start(replies);
        assert_eq!(awaited(&server, LONG).await, Ok(expected));
    }
}

#[tokio::test]
async fn the_wait_ends_when_its_time_is_over() {
    let still = || Reply::ok(pending().to_string());
    let quiet = || Reply::Chunks(Vec::new(), false);
    let server = Server::start((0..999).flat_map(|_| [quiet(), still()]));
    assert_eq!(awaited(&server, Duration::from_millis(200)).await, Ok(CsrState::Pending));
    assert_eq!(awaited(&server, Duration::ZERO).await, Ok(CsrState::Pending), "without a request");
}
