use x509_parser::prelude::FromDer as _;

use super::*;

/// 2026-11-20T10:00:00Z.
const NOW_S: u64 = 1_795_168_800;

fn key() -> String {
    rcgen::KeyPair::generate().unwrap().serialize_pem()
}

fn cluster() -> (String, Key) {
    let key = Key::parse(&key()).unwrap();
    (authority("kubernetes", &key, NOW_S).unwrap(), key)
}

fn kubelets(node: &str, key: &str) -> (String, String) {
    let (authority, signer) = cluster();
    let leaf = leaf(&Leaf::kubelet(node), &Key::parse(key).unwrap(), &authority, &signer, NOW_S).unwrap();
    (leaf, authority)
}

#[test]
fn a_kubelets_certificate_fits_and_is_back_dated() {
    let key = key();
    let (leaf, authority) = kubelets("node-a", &key);
    let validity = judge(&leaf, &key, &authority, "node-a", NOW_S).unwrap();
    assert_eq!(validity, Validity { from_s: NOW_S - SKEW_S, until_s: NOW_S + LEAF_LIFETIME_S });
}

#[test]
fn each_misfit_has_its_own_words() {
    let mine = key();
    let (leaf, authority) = kubelets("node-a", &mine);
    let words = |leaf: &str, key: &str, authority: &str, node, now_s| {
        judge(leaf, key, authority, node, now_s).unwrap_err().to_string()
    };
    assert_eq!(
        words(&leaf, &mine, &authority, "node-b", NOW_S),
        "is for CN=system:node:node-a, O=system:nodes, not for CN=system:node:node-b, O=system:nodes"
    );
    assert_eq!(words(&leaf, &key(), &authority, "node-a", NOW_S), "belongs to another private key");
    assert_eq!(
        words(&leaf, &mine, &cluster().0, "node-a", NOW_S),
        "is not signed by the trusted authority (InvalidSignatureForPublicKey)"
    );
    assert_eq!(
        words(&leaf, &mine, &authority, "node-a", NOW_S - 301),
        "is not valid before 2026-11-20T09:55:00Z, and here it is 2026-11-20T09:54:59Z"
    );
    assert_eq!(
        words(&leaf, &mine, &authority, "node-a", NOW_S + LEAF_LIFETIME_S + 1),
        "has expired on 2027-11-20T10:00:00Z, and here it is 2027-11-20T10:00:01Z"
    );
    assert_eq!(
        words("", &mine, &authority, "node-a", NOW_S),
        "holds no certificate that can be read (PEM of X.509)"
    );
    let no_key = "holds no private key that can be read (PEM of a P-256, P-384 or RSA key)";
    assert_eq!(words(&leaf, &leaf, &authority, "node-a", NOW_S), no_key);
    assert_eq!(
        judge_authority(&leaf, None, NOW_S).unwrap_err().to_string(),
        "is not the certificate of an authority"
    );
}

#[test]
fn usages_and_names_that_lack_are_told() {
    let (authority, signer) = cluster();
    let key = Key::parse(&key()).unwrap();
    let mut wanted = Leaf::client("kube-apiserver", None);
    let client = leaf(&wanted, &key, &authority, &signer, NOW_S).unwrap();
    wanted.usage = Usage::Server;
    let misfit = judge_leaf(&wanted, &client, &key, &authority, NOW_S).unwrap_err();
    assert_eq!(misfit.to_string(), "is not allowed to be used for TLS server authentication");
    wanted.names = vec![San::of("kubernetes"), San::of("10.96.0.1")];
    let server = leaf(&wanted, &key, &authority, &signer, NOW_S).unwrap();
    judge_leaf(&wanted, &server, &key, &authority, NOW_S).unwrap();
    wanted.names.extend([San::of("fd00::1"), San::of("kubernetes.default")]);
    let misfit = judge_leaf(&wanted, &server, &key, &authority, NOW_S).unwrap_err();
    assert_eq!(misfit.to_string(), "is not valid for fd00::1, kubernetes.default");
}

#[test]
fn a_leaf_lies_within_its_authoritys_time() {
    let key = Key::parse(&key()).unwrap();
    let (authority, signer) = cluster();
    let late_s = NOW_S + AUTHORITY_LIFETIME_S - 60;
    let wanted = Leaf::client("x", None);
    let last = leaf(&wanted, &key, &authority, &signer, late_s).unwrap();
    let validity = judge_leaf(&wanted, &last, &key, &authority, late_s).unwrap();
    assert_eq!(validity.until_s, NOW_S + AUTHORITY_LIFETIME_S);
    let first = leaf(&wanted, &key, &authority, &signer, NOW_S - 10).unwrap();
    let validity = judge_leaf(&wanted, &first, &key, &authority, NOW_S).unwrap();
    assert_eq!(validity.from_s, NOW_S - SKEW_S);
    assert!(leaf(&wanted, &key, &authority, &signer, late_s + 61).unwrap_err().is_of_time());
}

#[test]
fn a_key_never_prints_itself() {
    let pem = key();
    let said = format!("{:?}", Key::parse(&pem).unwrap());
    assert_eq!(said, "Key { scheme: ECDSA_NISTP256_SHA256, .. }");
    assert!(Key::parse(&pem).unwrap().public_pem().starts_with("-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZI"));
}

#[test]
fn a_request_is_for_the_node_and_names_nothing_else() {
    let request = request(&key(), "node-a").unwrap();
    let (_, pem) = x509_parser::pem::parse_x509_pem(request.as_bytes()).unwrap();
    let (_, parsed) =
        x509_parser::certification_request::X509CertificationRequest::from_der(&pem.contents).unwrap();
    parsed.verify_signature().unwrap();
    assert_eq!(
        certificate::subject(&parsed.certification_request_info.subject),
        "CN=system:node:node-a, O=system:nodes"
    );
    assert!(parsed.requested_extensions().is_none());
}
