// SPDX-License-Identifier: Apache-2.0
//! What the client makes of answers that are late, cut, huge, foreign or no answers at all.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use kiln::cluster::{ApiError, ApiErrorKind as Kind, Client, Limits, NewConfigMap, Proxy};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::server::{Reply, Server};

pub const CLAIM: &str = r#"{"metadata":{"name":"b-7","namespace":"kiln-ipam","uid":"u","resourceVersion":"5",
    "ownerReferences":[{"apiVersion":"v1","kind":"Node","name":"n","uid":"n-uid"}]},"immutable":true,"data":{"node":"n"}}"#;

pub fn claim() -> NewConfigMap {
    let (namespace, name) = ("kiln-ipam".to_owned(), "b-7".to_owned());
    NewConfigMap { namespace, name, immutable: true, ..NewConfigMap::default() }
}

/// Makes a create that gets one reply, and returns the error.
async fn created(reply: Reply) -> ApiError {
    let server = Server::start([reply]);
    let error = server.client().config_map_create(&claim()).await.unwrap_err();
    assert_eq!(error.request.to_string(), "POST /api/v1/namespaces/kiln-ipam/configmaps");
    assert!(!format!("{error} {error:?}").contains("0123456789abcdef"), "no token: {error:?}");
    assert_eq!(server.lines().len(), 1, "once is enough");
    error
}

#[tokio::test]
async fn a_cut_answer_leaves_open_whether_it_happened() {
    for cut in [
        "",
        "HTTP/1.1 201 Cre",
        "HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n{\"metadata\":",
        "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"me",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
    ] {
        let error = created(Reply::Bytes(cut.to_owned())).await;
        assert!(matches!(error.kind, Kind::Broken(_)), "{cut:?}: {error:?}");
        assert!(error.may_have_happened() && error.may_pass(), "{cut:?}");
    }
}

#[tokio::test]
async fn an_answer_without_sense_leaves_open_whether_it_happened() {
    for body in ["<html>welcome</html>", "", "null", "{}", r#"{"metadata":{"name":7}}"#] {
        let error = created(Reply::ok(body)).await;
        assert!(matches!(error.kind, Kind::Malformed(_)), "{body}: {error:?}");
        assert!(error.may_have_happened(), "{body}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_not_read() {
    let huge = "HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n";
    for reply in [Reply::Bytes(huge.to_owned()), Reply::Endless] {
        let error = created(reply).await;
        assert_eq!(error.kind, Kind::Malformed("it is longer than 4194304 bytes".to_owned()));
    }
}

#[tokio::test]
async fn refusals_did_not_happen() {
    for (code, reason) in
        [(401, "Unauthorized"), (403, "Forbidden"), (409, "AlreadyExists"), (422, "Invalid")]
    {
        let error = created(Reply::status(code, reason, "{}")).await;
        assert!(!error.may_have_happened() && !error.may_pass(), "{error:?}");
    }
    let error = created(Reply::status(504, "Timeout", "{}")).await;
    assert!(error.may_have_happened() && error.may_pass(), "etcd may still be at work: {error:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_a_proxys_404_is_no_missing_object() {
    let other = Server::start([]);
    let to = format!("Location: https://localhost:{}/", other.port);
    let error = created(Reply::Answer(307, String::new(), String::new()).with(&to)).await;
    assert!(matches!(error.kind, Kind::Status { status: 307, .. }), "{error:?}");
    assert_eq!(other.connections(), 0);
    let server =
        Server::start([Reply::Answer(404, String::new(), "<html>\u{1b}[31mno such\npage".to_owned())]);
    let error = server.client().config_map_get("kiln-ipam", "b-7").await.unwrap_err();
    assert_eq!(error.kind, Kind::Status { status: 404, message: "<html> [31mno such page".to_owned() });
}

#[tokio::test]
async fn silence_and_absence_are_told_apart() {
    let server = Server::start([Reply::Silence]);
    let mut access = server.access();
    access.limits.request = Duration::from_millis(300);
    let error = Client::new(&access).unwrap().config_map_create(&claim()).await.unwrap_err();
    assert_eq!(error.kind, Kind::TimedOut { sent: true });
    assert!(error.may_have_happened());
    // One that takes the connection and then says nothing, not even TLS.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    access.server = format!("https://localhost:{}", mute.local_addr().unwrap().port());
    access.limits = Limits { connect: Duration::from_millis(300), request: Duration::from_secs(30) };
    let client = Client::new(&access).unwrap();
    let error = client.config_map_create(&claim()).await.unwrap_err();
    assert_eq!(error.kind, Kind::TimedOut { sent: false });
    assert!(!error.may_have_happened());
    drop(mute);
    let error = client.config_map_create(&claim()).await.unwrap_err();
    assert!(matches!(&error.kind, Kind::Unreachable(why) if why.contains("refused")), "{error:?}");
    assert!(!error.may_have_happened() && error.may_pass());
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_is_not_sent() {
    let server = Server::start([]);
    for name in ["", "..", "b-7/../pool", "%2e%2e"] {
        let error = server.client().config_map_get("kiln-ipam", name).await.unwrap_err();
        assert!(matches!(error.kind, Kind::Unsendable(_)), "{error:?}");
    }
    let error = server.client().impersonating("a\nb", &[]).node_get("n").await.unwrap_err();
    assert!(matches!(error.kind, Kind::Unsendable(_)), "{error:?}");
    assert!(server.lines().is_empty());
}

#[tokio::test]
async fn one_connection_carries_all_requests_and_all_are_counted() {
    let server = Server::start((0..6).map(|_| Reply::ok(CLAIM).with("Date: Fri, 01 Jan 2021 00:00:00 GMT")));
    let client = server.client();
    assert_eq!(client.skew_s(), None);
    let mut data = BTreeMap::new();
    data.insert("node".to_owned(), "n".to_owned());
    for _ in 0..3 {
        let made = client.config_map_create(&NewConfigMap { data: data.clone(), ..claim() }).await.unwrap();
        assert_eq!((made.meta.owner_references[0].uid.as_str(), &made.data), ("n-uid", &data));
        assert!(client.config_map_get("kiln-ipam", "b-7").await.unwrap().immutable);
    }
    assert_eq!(server.connections(), 1);
    let counts = client.counts();
    assert_eq!((counts.requests, counts.retries), (6, 0));
    assert_eq!(counts.bytes_received, 6 * CLAIM.len() as u64);
    let seen = server.seen();
    assert_eq!(counts.bytes_sent, seen.iter().map(|seen| seen.body.len() as u64).sum::<u64>());
    assert!(seen[0].headers.contains("authorization: Bearer abcdef.0123456789abcdef"), "{}", seen[0].headers);
    assert!(seen[0].headers.contains(concat!("user-agent: kiln-firstboot/", env!("CARGO_PKG_VERSION"))));
    assert!(client.skew_s().unwrap() < -100_000_000, "the server lives in 2021");
}

#[tokio::test]
async fn a_dry_run_and_another_name_stay_with_the_client_that_has_them() {
    let server = Server::start((0..3).map(|_| Reply::ok(CLAIM)));
    let client = server.client();
    let proof = client.impersonating("system:node:n", &["system:nodes", "admins"]).dry_run();
    proof.config_map_create(&claim()).await.unwrap();
    proof.config_map_get("kiln-ipam", "b-7").await.unwrap();
    client.config_map_create(&claim()).await.unwrap();
    let [first, second, third] = &server.seen()[..] else { panic!() };
    assert_eq!(first.line, "POST /api/v1/namespaces/kiln-ipam/configmaps?dryRun=All");
    for part in
        ["impersonate-user: system:node:n", "impersonate-group: system:nodes", "impersonate-group: admins"]
    {
        assert!(first.headers.contains(part) && second.headers.contains(part), "{}", first.headers);
    }
    assert_eq!(second.line, "GET /api/v1/namespaces/kiln-ipam/configmaps/b-7");
    assert_eq!(third.line, "POST /api/v1/namespaces/kiln-ipam/configmaps");
    assert!(!third.headers.contains("impersonate"), "{}", third.headers);
    assert_eq!(client.counts().requests, 3, "they count together");
}

#[test]
fn the_environments_proxy_is_ignored() {
    let program = std::env::current_exe().unwrap();
    let test = "cluster::faults::one_connection_carries_all_requests_and_all_are_counted";
    let mut again = Command::new(program);
    // Port 1 is nobody's.
    again
        .args(["--exact", test])
        .env("HTTPS_PROXY", "http://127.0.0.1:1")
        .env("ALL_PROXY", "http://127.0.0.1:1");
    let output = again.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[tokio::test]
async fn a_proxy_that_is_asked_for_is_used() {
    let server = Server::start([Reply::ok(CLAIM)]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut access = server.access();
    let address = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    access.proxy = Some(Proxy { address, except: None });
    let (client, port) = (Client::new(&access).unwrap(), server.port);
    let proxy = async {
        let mut stream = BufReader::new(listener.accept().await.unwrap().0);
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        stream.get_mut().write_all(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        line
    };
    let (line, answer) = tokio::join!(proxy, async { client.config_map_get("kiln-ipam", "b-7").await });
    assert!(line.starts_with(&format!("CONNECT localhost:{port} ")), "{line}");
    assert!(matches!(answer.unwrap_err().kind, Kind::Unreachable(_)));
}
