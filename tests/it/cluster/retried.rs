// SPDX-License-Identifier: Apache-2.0
//! What is tried again, when, and what never is.

use std::time::Duration;

use kiln::cluster::{ApiErrorKind as Kind, Backoff};

use super::faults::{CLAIM, claim};
use super::server::{Reply, Server};

const PATIENCE: Duration = Duration::from_secs(60);

fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(1), Duration::from_millis(5), 1)
}

fn busy(retry_after: &str) -> Reply {
    Reply::status(429, "TooManyRequests", "{}").with(&format!("Retry-After: {retry_after}"))
}

#[tokio::test]
async fn a_look_is_repeated_until_it_succeeds() {
    let cut = Reply::Bytes("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".to_owned());
    let replies = [cut, busy("0"), Reply::status(503, "", "{}"), Reply::ok(CLAIM)];
    let server = Server::start(replies);
    let client = server.client();
    let looked =
        client.retrying(backoff(), PATIENCE, async || client.config_map_get("kiln-ipam", "b-7").await);
    assert_eq!(looked.await.unwrap().meta.name, "b-7");
    let counts = client.counts();
    assert_eq!((counts.requests, counts.retries), (4, 3));
}

#[tokio::test]
async fn a_create_that_may_have_happened_is_given_back_and_one_that_did_not_is_repeated() {
    let server = Server::start([busy("0"), Reply::Bytes(String::new()), Reply::ok(CLAIM)]);
    let client = server.client();
    let made = client.retrying(backoff(), PATIENCE, async || client.config_map_create(&claim()).await);
    let error = made.await.unwrap_err();
    assert!(matches!(error.kind, Kind::Broken(_)) && error.may_have_happened(), "{error:?}");
    assert_eq!(server.lines().len(), 2, "after 429 again, after the cut not");
}

#[tokio::test]
async fn both_forms_of_retry_after_are_read_and_the_date_by_the_servers_own_clock() {
    let date = busy("Fri, 01 Jan 2021 00:01:00 GMT").with("Date: Fri, 01 Jan 2021 00:00:00 GMT");
    for (reply, expected_s) in [(busy("90"), Some(90)), (date, Some(60)), (busy("soon"), None)] {
        let server = Server::start([reply]);
        let client = server.client();
        // The limit is too near for what is asked, so nothing is waited for.
        let limit = Duration::from_secs(if expected_s.is_some() { 50 } else { 0 });
        let looked = client.retrying(backoff(), limit, async || client.node_get("n").await);
        let error = looked.await.unwrap_err();
        assert_eq!(error.retry_after().map(|wait| wait.as_secs()), expected_s);
        assert_eq!(server.lines().len(), 1);
    }
}

#[tokio::test]
async fn lists_go_page_by_page_and_begin_anew_when_the_server_forgot() {
    let page = |name: &str, next: &str| {
        Reply::ok(format!(
            r#"{{"metadata":{{"continue":"{next}"}},"items":[{{"metadata":{{"name":"{name}"}}}}]}}"#
        ))
    };
    let forgot = Reply::status(410, "Expired", "{}");
    let server = Server::start([page("b-1", "x/y"), forgot, page("b-2", "z"), page("b-3", "")]);
    let metas = server.client().config_map_metas("kiln-ipam").await.unwrap();
    assert_eq!(metas.iter().map(|meta| meta.name.as_str()).collect::<Vec<_>>(), ["b-2", "b-3"]);
    let path = "GET /api/v1/namespaces/kiln-ipam/configmaps?limit=500";
    let next = |token: &str| format!("{path}&continue={token}");
    assert_eq!(server.lines(), [path.to_owned(), next("x%2Fy"), path.to_owned(), next("z")]);
    let accept = "accept: application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    assert!(server.seen()[0].headers.contains(accept));
    // A server that leads in a circle forgets for ever.
    let server = Server::start((0..9).map(|_| Reply::status(410, "Expired", "{}")));
    let error = server.client().config_map_metas("kiln-ipam").await.unwrap_err();
    assert!(matches!(error.kind, Kind::Gone { .. }) && server.lines().len() == 3, "{error:?}");
}
