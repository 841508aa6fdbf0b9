// SPDX-License-Identifier: Apache-2.0
//! Bootstrap tokens: what they are good for, and the program that makes them.

use std::path::Path;
use std::process::Output;

use kiln::settings::Addressing;
use kiln::token::Token;
use serde_json::{Value, json};

use super::cluster::{CLAIMS, Cluster, NODES, both_families, in_cluster, until};
use super::people::Person;
use crate::bench::Bench;

#[test]
fn a_token_is_good_for_certificate_requests_and_for_nothing_else() {
    in_cluster(both_families(Addressing::Claim), |cluster| {
        let token = cluster.token(1);
        // That it gets a node's certificate is shown by the way.
        cluster.join("one", &token);
        let bearer = Person::with_token(cluster, &token);
        let requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
        bearer.may(cluster, "GET", requests, &Value::Null);
        nothing_else(cluster, &bearer, &token.id);
        for (method, body) in
            [("DELETE", Value::Null), ("PATCH", json!({"metadata": {"labels": {"a": "b"}}}))]
        {
            let said = bearer.ask(cluster, method, &format!("{requests}/test-one"), &body);
            assert_eq!(said.code, 403, "{said:?}");
        }
        cluster.runtime.block_on(cluster.clients.admin.token_delete(&token.id)).unwrap();
        until("a revoked token is not accepted", || {
            bearer.ask(cluster, "GET", requests, &Value::Null).code == 401
        });
    });
}

fn nothing_else(cluster: &Cluster, bearer: &Person, id: &str) {
    let named = json!({"metadata": {"name": "x"}});
    for (method, path, verb, resource) in [
        ("GET", NODES, "list", "nodes"),
        ("GET", "/api/v1/nodes/one", "get", "nodes"),
        ("POST", NODES, "create", "nodes"),
        ("GET", CLAIMS, "list", "configmaps"),
        ("POST", CLAIMS, "create", "configmaps"),
        ("GET", "/api/v1/namespaces/kube-system/secrets", "list", "secrets"),
        ("GET", "/api/v1/services", "list", "services"),
        ("GET", "/api/v1/pods", "list", "pods"),
    ] {
        let body = if method == "POST" { &named } else { &Value::Null };
        let said = bearer.ask(cluster, method, path, body);
        let words = said.body["message"].as_str().unwrap_or_default();
        let wanted = format!("User \"system:bootstrap:{id}\" cannot {verb} resource \"{resource}\"");
        assert!(said.code == 403 && words.contains(&wanted), "{method} {path}: {said:?}");
    }
}

fn kiln(bench: &Bench, words: &[&str]) -> Output {
    let kubeconfig = bench.root().join("etc/kubernetes/super-admin.conf");
    let mut command = bench.in_network(Path::new(env!("CARGO_BIN_EXE_kiln")));
    command.args(words).args(["--kubeconfig", kubeconfig.to_str().unwrap()]).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn kiln_makes_lists_and_revokes_tokens() {
    let bench = Bench::start(both_families(Addressing::Claim));
    let made = kiln(&bench, &["token", "create", "--ttl", "10m", "--description", "for the spring"]);
    assert!(made.status.success() && made.stderr.is_empty(), "{made:?}");
    let token = Token::parse(text(&made.stdout)).unwrap();
    let secret = token.reveal().split_off(7);
    for words in [&["token", "list"][..], &["token", "list", "--format", "json"]] {
        let listed = kiln(&bench, words);
        let shown = text(&listed.stdout);
        assert!(listed.status.success(), "{listed:?}");
        assert!(!shown.contains(&secret), "the secret is printed once");
        for part in [&token.id, "good", "system:bootstrappers:kiln:worker", "for the spring"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
    }
    assert!(kiln(&bench, &["token", "revoke", &token.id]).status.success());
    let again = kiln(&bench, &["token", "revoke", &token.id]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("not found"), "{again:?}");
    assert_eq!(text(&kiln(&bench, &["token", "list"]).stdout), "");
    for (words, reason) in [
        (vec!["token", "create", "--ttl", "2h"], "kiln: a token lives for an hour at most"),
        (vec!["token", "revoke", &token.reveal()], "kiln: give the id alone"),
    ] {
        let refused = kiln(&bench, &words);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(text(&refused.stderr).starts_with(reason), "{refused:?}");
    }
    assert!(kiln(&bench, &["token", "create", "--ttl", "2h", "--long-lived"]).status.success());
}
