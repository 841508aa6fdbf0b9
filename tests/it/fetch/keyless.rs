// SPDX-License-Identifier: Apache-2.0
//! Keyless signatures: an authority of Fulcio's form (root, intermediate, certificates of ten minutes), whose signers sign
//! with OpenSSL.

use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kiln::digest::Digest;
use kiln::sigstore::{self, Accepted, Authority, Signer, SigstoreError};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, SanType,
};
use time::OffsetDateTime;

use super::gpg::{DAY_S, START_S};
use super::server::Server;
use super::vendor::publish_with_digest;

/// Whose signatures on Kubernetes' binaries count (kubernetes.io, "Verify Signed Kubernetes Artifacts").
pub const KUBERNETES: Signer = Signer {
    identity: "krel-staging@k8s-releng-prod.iam.gserviceaccount.com",
    issuer: "https://accounts.google.com",
};

/// Where a server has the authority's certificates.
pub const AUTHORITY: &str = "fulcio.sigstore.dev/api/v2/trustBundle";

const SIGNED_S: u64 = START_S + 20 * DAY_S;
const NOW_S: u64 = START_S + 400 * DAY_S;
const MINUTES_10_S: u64 = 600;

/// An authority.
pub struct Fulcio {
    /// SHA-256 of its root.
    pub root: String,
    /// What `/api/v2/trustBundle` answers.
    pub bundle: String,
    intermediate: Issuer<'static, KeyPair>,
}

/// Who gets a certificate, when and for what.
struct Subject<'a> {
    identity: &'a str,
    issuer: &'a str,
    issued_at_s: u64,
    usage: ExtendedKeyUsagePurpose,
}

impl Subject<'_> {
    fn kubernetes() -> Self {
        let Signer { identity, issuer } = KUBERNETES;
        Self { identity, issuer, issued_at_s: SIGNED_S, usage: ExtendedKeyUsagePurpose::CodeSigning }
    }
}

fn at(seconds: u64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds.cast_signed()).unwrap()
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::OrganizationName, "sigstore.test");
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = (at(START_S), at(START_S + 3650 * DAY_S));
    params
}

impl Fulcio {
    pub fn new() -> Self {
        let key = || KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
        let (root_key, mut root) = (key(), authority_params("sigstore"));
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root_certificate = root.self_signed(&root_key).unwrap();
        let root = Issuer::new(root, root_key);
        let (key, mut params) = (key(), authority_params("sigstore-intermediate"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        let certificate = params.signed_by(&key, &root).unwrap();
        let chain = [certificate.pem(), root_certificate.pem()];
        Self {
            root: Digest::of(root_certificate.der()).to_string().to_ascii_uppercase(),
            bundle: serde_json::json!({ "chains": [{ "certificates": chain }] }).to_string(),
            intermediate: Issuer::new(params, key),
        }
    }

    /// Certifies a new key; returns the certificate as cosign writes it, and the key as PEM.
    fn certify(&self, subject: &Subject<'_>) -> (String, String) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.subject_alt_names = vec![SanType::Rfc822Name(subject.identity.try_into().unwrap())];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![subject.usage.clone()];
        let issuer = subject.issuer.as_bytes();
        let der = [&[0x0c, u8::try_from(issuer.len()).unwrap()], issuer].concat();
        let extension =
            |last, value| CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 57264, 1, last], value);
        params.custom_extensions = vec![extension(1, issuer.to_vec()), extension(8, der)];
        params.not_before = at(subject.issued_at_s);
        params.not_after = at(subject.issued_at_s + MINUTES_10_S);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let certificate = params.signed_by(&key, &self.intermediate).unwrap();
        (STANDARD.encode(certificate.pem()), key.serialize_pem())
    }

    /// Serves a file with its digest, and a good signature and certificate of Kubernetes' signer.
    pub fn publish(&self, server: &Server, path: &str, content: &[u8]) {
        publish_with_digest(server, path, content);
        let (certificate, key) = self.certify(&Subject::kubernetes());
        server.file(&format!("{path}.cert"), certificate.as_bytes());
        server.file(&format!("{path}.sig"), sign(&key, content).as_bytes());
    }

    fn authority(&self) -> Authority {
        let accepted = Accepted { fingerprint: self.root.clone(), by_manifest: true };
        Authority::parse(self.bundle.as_bytes(), &[accepted]).unwrap()
    }

    fn judged(&self, subject: &Subject<'_>) -> Result<sigstore::Certified, SigstoreError> {
        let (certificate, _) = self.certify(subject);
        sigstore::certified(&self.authority(), certificate.as_bytes(), KUBERNETES, NOW_S)
    }

    fn words(&self, subject: &Subject<'_>) -> String {
        self.judged(subject).unwrap_err().to_string()
    }
}

/// Signs with OpenSSL; the signature is written as cosign does.
fn sign(key_pem: &str, content: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem");
    std::fs::write(&key, key_pem).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["dgst", "-sha256", "-sign"]).arg(key).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut openssl = openssl.spawn().expect("openssl (apt-get install openssl)");
    openssl.stdin.take().unwrap().write_all(content).unwrap();
    let output = openssl.wait_with_output().unwrap();
    assert!(output.status.success());
    STANDARD.encode(output.stdout)
}

#[test]
fn a_file_counts_as_its_signers_own_long_after_the_certificate_has_expired() {
    let fulcio = Fulcio::new();
    let (certificate, key) = fulcio.certify(&Subject::kubernetes());
    let signature = sign(&key, b"kubelet");
    let pem = STANDARD.decode(&certificate).unwrap();
    for certificate in [certificate.into_bytes(), pem] {
        let certified = sigstore::certified(&fulcio.authority(), &certificate, KUBERNETES, NOW_S).unwrap();
        assert_eq!((certified.issued_at_s, certified.by_manifest), (SIGNED_S, true));
        assert_eq!(certified.root, fulcio.root);
        certified.check(signature.as_bytes(), &Digest::of(b"kubelet")).unwrap();
        // As base64(1) writes it.
        let (first, rest) = signature.split_at(64);
        certified.check(format!("{first}\r\n{rest}\r\n").as_bytes(), &Digest::of(b"kubelet")).unwrap();
        let wrong = certified.check(signature.as_bytes(), &Digest::of(b"Kubelet")).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "the file was changed after it was signed, or the signature is another file's"
        );
        for signature in ["", "c2lnbmF0dXJl", "not base64"] {
            let wrong = certified.check(signature.as_bytes(), &Digest::of(b"kubelet")).unwrap_err();
            assert_eq!(wrong.to_string(), "no signature could be read");
        }
    }
}

#[test]
fn certificates_of_others_and_for_other_things_do_not_count() {
    let (fulcio, other) = (Fulcio::new(), Fulcio::new());
    let wanted = "and not krel-staging@k8s-releng-prod.iam.gserviceaccount.com's, known to https://accounts.google.com";
    let subject = Subject { identity: "eve@kiln.test", ..Subject::kubernetes() };
    assert_eq!(
        fulcio.words(&subject),
        format!("it is eve@kiln.test's, known to https://accounts.google.com, {wanted}")
    );
    let subject = Subject { issuer: "https://eve.test", ..Subject::kubernetes() };
    let identity = KUBERNETES.identity;
    assert_eq!(fulcio.words(&subject), format!("it is {identity}'s, known to https://eve.test, {wanted}"));
    let subject = Subject { usage: ExtendedKeyUsagePurpose::ServerAuth, ..Subject::kubernetes() };
    let words = fulcio.words(&subject);
    assert!(words.starts_with("no accepted root certifies it for signing code: "), "{words}");
    let subject = Subject { issued_at_s: NOW_S + DAY_S, ..Subject::kubernetes() };
    assert_eq!(
        fulcio.words(&subject),
        "it was issued at 2026-02-06 00:00:00 UTC, which is in the future (now is 2026-02-05 00:00:00 UTC)"
    );
    // Before the authority itself was certified.
    let subject = Subject { issued_at_s: START_S - DAY_S, ..Subject::kubernetes() };
    assert!(fulcio.words(&subject).starts_with("no accepted root certifies it for signing code: "));
    // The same names, but another authority's.
    let (certificate, _) = other.certify(&Subject::kubernetes());
    let words = sigstore::certified(&fulcio.authority(), certificate.as_bytes(), KUBERNETES, NOW_S);
    assert!(matches!(words, Err(SigstoreError::Chain(_))), "{words:?}");
    for garbage in ["", "certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let read = sigstore::certified(&fulcio.authority(), garbage.as_bytes(), KUBERNETES, NOW_S);
        assert!(matches!(read, Err(SigstoreError::Malformed(_))), "{garbage}: {read:?}");
    }
}

#[test]
fn an_authority_counts_by_its_roots_fingerprint_alone() {
    let fulcio = Fulcio::new();
    let accepted = [Accepted { fingerprint: sigstore::ROOT.to_owned(), by_manifest: false }];
    let words = Authority::parse(fulcio.bundle.as_bytes(), &accepted).unwrap_err().to_string();
    assert!(words.contains(&format!(" and {}, but only {} counts", fulcio.root, sigstore::ROOT)), "{words}");
    for (bundle, why) in [
        ("", "there is none"),
        ("{}", "missing field `chains` at line 1 column 2"),
        ("{\"chains\": []}", "there is none"),
    ] {
        let words = Authority::parse(bundle.as_bytes(), &accepted).unwrap_err().to_string();
        assert_eq!(words, format!("no certificates of authorities could be read: {why}"));
    }
}
