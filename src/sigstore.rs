// SPDX-License-Identifier: Apache-2.0
//! Sigstore's keyless signatures: who signed a file, by a certificate that lived for minutes. Fetches nothing.
//!
//! Fulcio certifies a key that a signer makes for one signature and throws away: whose it is (a mail address) and which
//! server knew them. Such a certificate is judged as of the time when it was issued, since the signature is from the ten
//! minutes after that. What an upstream that publishes only certificate and signature leaves out is the entry in the
//! public log (Rekor): that the key was thrown away in time is Fulcio's and the signer's word. Log proofs inside the
//! certificate (SCTs) are not checked either.
//!
//! Sources: sigstore/fulcio `docs/certificate-specification.md` and `docs/oid-info.md`.

mod authority;
mod error;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage};
use x509_parser::oid_registry::asn1_rs::{FromDer as _, Utf8String};
use x509_parser::prelude::{GeneralName, X509Certificate};

use crate::digest::Digest;
use crate::openpgp::SKEW_MAX_S;

pub use authority::{Accepted, Authority};
pub use error::{Signer, SigstoreError};

/// SHA-256 of Fulcio's root certificate "O=sigstore.dev, CN=sigstore" of 2021-10-07, valid until 2031-10-05.
/// Source: sigstore/root-signing, `targets/trusted_root.json`, second of `certificateAuthorities`.
pub const ROOT: &str = "3BA7B6CC4E95469D4D334B49CB257AD8537076FA84B0CA87FF4ECFE6A54680C1";

/// Larger than any certificate, signature or list of authorities.
pub const FILE_MAX_BYTES: u64 = 256 << 10;

/// id-kp-codeSigning (RFC 5280, 4.2.1.12), as DER writes it.
const CODE_SIGNING: KeyUsage = KeyUsage::required(&[0x2b, 6, 1, 5, 5, 7, 3, 3]);

/// The server that knew the signer (oid-info.md): a DER string, and before that a bare one.
const ISSUER: &str = "1.3.6.1.4.1.57264.1.8";
const ISSUER_BARE: &str = "1.3.6.1.4.1.57264.1.1";

/// A key that the wanted signer had for one signature.
#[derive(Debug, Clone)]
pub struct Certified {
    /// When the key was certified, seconds since 1970.
    pub issued_at_s: u64,
    /// SHA-256 of the root certificate, 64 upper-case hex digits.
    pub root: String,
    /// Whether the root is named in the manifest instead of compiled in.
    pub by_manifest: bool,
    key: VerifyingKey,
}

/// Judges a certificate (PEM, as such or in base64 as cosign writes it) against an authority.
///
/// # Errors
/// If it is not a certificate for signing code that the authority has issued to the wanted signer.
pub fn certified(
    authority: &Authority,
    certificate: &[u8],
    wanted: Signer,
    now_s: u64,
) -> Result<Certified, SigstoreError> {
    let der = read(certificate)?;
    let (_, leaf) = X509Certificate::from_der(&der).map_err(|error| malformed(&error))?;
    let issued_at_s = leaf.validity().not_before.timestamp().max(0).unsigned_abs();
    if issued_at_s > now_s + SKEW_MAX_S {
        return Err(SigstoreError::Future { issued_at_s, now_s });
    }
    let root = chained(authority, &der, issued_at_s)?;
    let (found, issuer) = (identities(&leaf), issuer(&leaf).unwrap_or_else(|| "nobody".to_owned()));
    if found != [wanted.identity] || issuer != wanted.issuer {
        let found = if found.is_empty() { "nobody".to_owned() } else { found.join(" and ") };
        return Err(SigstoreError::Other { found, issuer, wanted });
    }
    let key = VerifyingKey::from_sec1_bytes(&leaf.public_key().subject_public_key.data);
    let key = key.map_err(|_| SigstoreError::Malformed("its key is not one of P-256".to_owned()))?;
    Ok(Certified { issued_at_s, root: root.fingerprint.clone(), by_manifest: root.by_manifest, key })
}

impl Certified {
    /// Checks a signature (ASN.1, in base64) over the file whose SHA-256 is `digest`.
    ///
    /// # Errors
    /// If it is none, or over another file.
    pub fn check(&self, signature: &[u8], digest: &Digest) -> Result<(), SigstoreError> {
        let der = decode(signature).ok();
        let signature = der.and_then(|der| Signature::from_der(&der).ok());
        let signature = signature.ok_or(SigstoreError::MalformedSignature)?;
        self.key.verify_prehash(digest.as_bytes(), &signature).map_err(|_| SigstoreError::WrongFile)
    }
}

/// Decodes base64, which base64(1) breaks into lines.
fn decode(text: &[u8]) -> Result<Vec<u8>, base64::DecodeError> {
    STANDARD.decode(text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<_>>())
}

fn malformed(why: &dyn std::fmt::Display) -> SigstoreError {
    SigstoreError::Malformed(why.to_string())
}

fn read(certificate: &[u8]) -> Result<CertificateDer<'static>, SigstoreError> {
    let pem = decode(certificate).unwrap_or_else(|_| certificate.to_vec());
    CertificateDer::from_pem_slice(&pem).map_err(|error| malformed(&error))
}

/// Returns the accepted root that stands behind a certificate at the time when it was issued.
fn chained<'a>(
    authority: &'a Authority,
    leaf: &CertificateDer<'_>,
    at_s: u64,
) -> Result<&'a Accepted, SigstoreError> {
    let leaf = EndEntityCert::try_from(leaf).map_err(|error| malformed(&error))?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(at_s));
    let mut why = webpki::Error::UnknownIssuer;
    for (root, accepted) in &authority.roots {
        let verified = webpki::anchor_from_trusted_cert(root).and_then(|anchor| {
            let (anchors, others) = ([anchor], &authority.intermediates);
            leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, others, at, CODE_SIGNING, None, None)
                .map(drop)
        });
        match verified {
            Ok(()) => return Ok(accepted),
            Err(error) => why = error,
        }
    }
    Err(SigstoreError::Chain(why.to_string()))
}

/// Returns the mail addresses that a certificate is for.
fn identities(leaf: &X509Certificate<'_>) -> Vec<String> {
    let names = leaf.subject_alternative_name().ok().flatten();
    let names = names.iter().flat_map(|names| &names.value.general_names);
    names
        .map(|name| match name {
            GeneralName::RFC822Name(mail) => (*mail).to_owned(),
            other => other.to_string(),
        })
        .collect()
}

fn issuer(leaf: &X509Certificate<'_>) -> Option<String> {
    let value = |wanted: &str| {
        let found = leaf.extensions().iter().find(|extension| extension.oid.to_id_string() == wanted);
        found.map(|extension| extension.value)
    };
    match value(ISSUER) {
        Some(der) => Utf8String::from_der(der).ok().map(|(_, text)| text.string()),
        None => String::from_utf8(value(ISSUER_BARE)?.to_vec()).ok(),
    }
}
