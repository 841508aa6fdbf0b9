// SPDX-License-Identifier: Apache-2.0
//! Whom the client trusts, and what it says of those it does not: a wrong clock is told apart from a wrong server.

use kiln::cluster::{Access, ApiErrorKind as Kind, Client, Credential, TlsClock};
use rcgen::{CertificateParams, KeyPair};

use super::server::{Certificate, Reply, Server};

const VERSION: &str = r#"{"major":"1","minor":"36","gitVersion":"v1.36.3"}"#;

async fn met(certificate: Certificate) -> Kind {
    let server = Server::with(certificate, [Reply::ok(VERSION)]);
    let error = server.client().version().await.unwrap_err();
    assert!(server.lines().is_empty(), "nothing was said to it");
    assert_eq!(error.request.to_string(), "GET /version");
    error.kind
}

const PAST: ((i32, u8, u8), (i32, u8, u8)) = ((2020, 1, 1), (2021, 1, 1));
const FUTURE: ((i32, u8, u8), (i32, u8, u8)) = ((2998, 1, 1), (2999, 1, 1));

#[tokio::test]
async fn a_certificate_out_of_its_time_speaks_of_the_clock() {
    let kind = met(Certificate { valid: PAST, ..Certificate::default() }).await;
    let Kind::TlsClock(TlsClock::Expired { now_s, not_after_s: 1_609_459_200 }) = kind else {
        panic!("{kind:?}")
    };
    let words = kind.to_string();
    assert!(words.contains("expired on Fri, 01 Jan 2021 00:00:00 GMT"), "{words}");
    assert!(words.contains(&format!("ahead by at least {} s", now_s - 1_609_459_200)), "{words}");
    let kind = met(Certificate { valid: FUTURE, ..Certificate::default() }).await;
    assert!(matches!(kind, Kind::TlsClock(TlsClock::NotYetValid { .. })), "{kind:?}");
    assert!(kind.to_string().contains("the clock is behind by at least "), "{kind}");
    assert!(kind.may_pass(), "the clock may be set any moment");
}

#[tokio::test]
async fn a_server_of_another_ca_or_name_is_no_matter_of_the_clock() {
    for valid in [Certificate::default().valid, PAST, FUTURE] {
        let kind = met(Certificate { valid, is_of_the_ca: false, ..Certificate::default() }).await;
        assert_eq!(kind, Kind::TlsUntrusted("it was not signed by the cluster's CA".to_owned()));
        let kind = met(Certificate { valid, name: "other.example", ..Certificate::default() }).await;
        let Kind::TlsUntrusted(why) = &kind else { panic!("{kind:?}") };
        assert!(why.contains("localhost") && why.contains("other.example"), "{why}");
        assert!(!kind.may_pass());
    }
}

#[test]
fn what_can_not_be_used_is_said_before_anything_is_sent() {
    let server = Server::start([]);
    let good = server.access();
    let of = |change: &dyn Fn(&mut Access)| {
        let mut access = good.clone();
        change(&mut access);
        Client::new(&access).unwrap_err().to_string()
    };
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["me".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    let other = KeyPair::generate().unwrap().serialize_pem();
    let own =
        |chain: &str, key: &str| Credential::Certificate { chain: chain.to_owned(), key: key.to_owned() };
    for (said, expected) in [
        (of(&|a| a.server = "http://localhost".to_owned()), "does not start with https://"),
        (of(&|a| a.server = "localhost:6443".to_owned()), "does not start with https://"),
        (of(&|a| a.server = "10.0.0.1:6443".to_owned()), "is not https://HOST:PORT"),
        (of(&|a| a.server = "https://me:hunter2@localhost".to_owned()), "holds a name or a password"),
        (of(&|a| a.server = "https://localhost/?a=b".to_owned()), "holds more than host, port and path"),
        (of(&|a| a.ca = String::new()), "the cluster's CA certificates: there is no certificate (PEM)"),
        (of(&|a| a.ca = "-----BEGIN CERTIFICATE-----\n".to_owned()), "the cluster's CA certificates: "),
        (of(&|a| a.credential = own("", &other)), "the credential: there is no certificate (PEM)"),
        (of(&|a| a.credential = own(&certificate, "x")), "the credential: there is no private key (PEM)"),
        (of(&|a| a.credential = own(&certificate, &other)), "the credential: "),
        (
            of(&|a| a.credential = Credential::Token("a\nb".to_owned())),
            "the credential: the token has characters",
        ),
    ] {
        assert!(said.contains(expected), "{said}");
        assert!(!said.contains("hunter2") && !said.contains("PRIVATE"), "{said}");
    }
    let mut both = good;
    both.credential = Credential::of_pem(&(certificate + &key.serialize_pem()));
    assert!(Client::new(&both).is_ok());
}
