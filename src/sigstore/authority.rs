// SPDX-License-Identifier: Apache-2.0
//! The certificates of an authority: which of its roots count, and what else it says.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;

use super::error::SigstoreError;
use crate::digest::Digest;

/// A root certificate that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// SHA-256 of the certificate, 64 upper-case hex digits.
    pub fingerprint: String,
    /// Whether it is named in the manifest instead of compiled in.
    pub by_manifest: bool,
}

/// Roots that count, and certificates that may lie between them and a signer's.
#[derive(Debug, Clone)]
pub struct Authority {
    pub(super) roots: Vec<(CertificateDer<'static>, Accepted)>,
    pub(super) intermediates: Vec<CertificateDer<'static>>,
}

/// What Fulcio's `/api/v2/trustBundle` answers.
#[derive(Deserialize)]
struct Bundle {
    chains: Vec<Chain>,
}

#[derive(Deserialize)]
struct Chain {
    certificates: Vec<String>,
}

impl Authority {
    /// Reads a list of authorities: the answer of Fulcio's `/api/v2/trustBundle`, or certificates as PEM.
    ///
    /// # Errors
    /// If it can't be read, or holds none of the accepted roots.
    pub fn parse(bytes: &[u8], accepted: &[Accepted]) -> Result<Self, SigstoreError> {
        let mut authority = Self { roots: Vec::new(), intermediates: Vec::new() };
        let mut found = Vec::new();
        for certificate in certificates(bytes)? {
            let fingerprint = Digest::of(&certificate).to_string().to_ascii_uppercase();
            match accepted.iter().find(|accepted| accepted.fingerprint == fingerprint) {
                Some(accepted) => authority.roots.push((certificate, accepted.clone())),
                None => authority.intermediates.push(certificate),
            }
            found.push(fingerprint);
        }
        if authority.roots.is_empty() {
            let accepted: Vec<&str> = accepted.iter().map(|accepted| accepted.fingerprint.as_str()).collect();
            return Err(SigstoreError::NotAccepted {
                found: found.join(" and "),
                accepted: accepted.join(" or "),
            });
        }
        Ok(authority)
    }
}

fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, SigstoreError> {
    let unread = |why: String| SigstoreError::Authority(why);
    let pem = match bytes.trim_ascii_start().first() {
        Some(b'{') => {
            let bundle: Bundle = serde_json::from_slice(bytes).map_err(|error| unread(error.to_string()))?;
            let chains = bundle.chains.into_iter().flat_map(|chain| chain.certificates);
            chains.collect::<Vec<_>>().join("\n").into_bytes()
        }
        _ => bytes.to_vec(),
    };
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(unread("there is none".to_owned())),
        Err(error) => Err(unread(error.to_string())),
    }
}
