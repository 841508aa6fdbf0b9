// SPDX-License-Identifier: Apache-2.0
//! Whether a certificate will do: key, subject, usage, names, time and chain, each with a word of its own.

use rcgen::PublicKeyData;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter};
use x509_parser::prelude::X509Certificate;

use super::certificate;
use super::key::Key;
use super::leaf::{Leaf, San};
use super::misfit::Misfit;

/// When a certificate is valid; both seconds belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first second, since 1970.
    pub from_s: u64,
    /// The last second, since 1970.
    pub until_s: u64,
}

impl Validity {
    /// Returns it again, if it holds at that second.
    ///
    /// # Errors
    /// [`Misfit::NotYet`] and [`Misfit::Expired`].
    pub fn check(self, now_s: u64) -> Result<Self, Misfit> {
        match self {
            Self { from_s, .. } if now_s < from_s => Err(Misfit::NotYet { from_s, now_s }),
            Self { until_s, .. } if now_s > until_s => Err(Misfit::Expired { until_s, now_s }),
            _ => Ok(self),
        }
    }
}

/// Judges the client certificate of a node's kubelet.
///
/// # Errors
/// The first thing that is wrong.
pub fn judge(
    certificate_pem: &str,
    key_pem: &str,
    authorities_pem: &str,
    node_name: &str,
    now_s: u64,
) -> Result<Validity, Misfit> {
    let key = Key::parse(key_pem)?;
    judge_leaf(&Leaf::kubelet(node_name), certificate_pem, &key, authorities_pem, now_s)
}

/// Judges a leaf: the first certificate of a text. Further ones of the text may lie between it and an authority.
///
/// The time comes last but one, so that a certificate whose only fault is its age says so.
///
/// # Errors
/// The first thing that is wrong.
pub fn judge_leaf(
    wanted: &Leaf,
    certificate_pem: &str,
    key: &impl PublicKeyData,
    authorities_pem: &str,
    now_s: u64,
) -> Result<Validity, Misfit> {
    let chain = certificate::read_all(certificate_pem)?;
    let leaf = certificate::parse(&chain[0])?;
    check_key(&leaf, key)?;
    check_subject(&leaf, wanted)?;
    check_usage(&leaf, wanted)?;
    check_names(&leaf, wanted)?;
    let validity = validity(&leaf);
    check_chain(&chain, authorities_pem, now_s.clamp(validity.from_s, validity.until_s))?;
    validity.check(now_s)
}

/// Judges the certificate of an authority: the first of a text.
///
/// # Errors
/// The first thing that is wrong.
pub fn judge_authority(certificate_pem: &str, key: Option<&Key>, now_s: u64) -> Result<Validity, Misfit> {
    let all = certificate::read_all(certificate_pem)?;
    let authority = certificate::parse(&all[0])?;
    let may_sign = authority.key_usage().ok().flatten().is_none_or(|usage| usage.value.key_cert_sign());
    if !authority.is_ca() || !may_sign {
        return Err(Misfit::NotAnAuthority);
    }
    if let Some(key) = key {
        check_key(&authority, key)?;
    }
    validity(&authority).check(now_s)
}

/// Returns whether the first certificate of a text is one of those of another text.
pub fn holds(bundle_pem: &str, certificate_pem: &str) -> bool {
    match (certificate::read_all(bundle_pem), certificate::read_all(certificate_pem)) {
        (Ok(bundle), Ok(certificates)) => bundle.contains(&certificates[0]),
        _ => false,
    }
}

fn validity(certificate: &X509Certificate<'_>) -> Validity {
    let second = |time: i64| u64::try_from(time).unwrap_or(0);
    let validity = certificate.validity();
    Validity {
        from_s: second(validity.not_before.timestamp()),
        until_s: second(validity.not_after.timestamp()),
    }
}

fn check_key(certificate: &X509Certificate<'_>, key: &impl PublicKeyData) -> Result<(), Misfit> {
    let is_of_key = certificate.public_key().subject_public_key.data == key.der_bytes();
    if is_of_key { Ok(()) } else { Err(Misfit::OtherKey) }
}

fn check_subject(leaf: &X509Certificate<'_>, wanted: &Leaf) -> Result<(), Misfit> {
    let organization = wanted.organization.iter().map(|organization| format!(", O={organization}"));
    let wanted = format!("CN={}{}", wanted.name, organization.collect::<String>());
    let found = certificate::subject(leaf.subject());
    if found == wanted { Ok(()) } else { Err(Misfit::Subject { found, wanted }) }
}

fn check_usage(leaf: &X509Certificate<'_>, wanted: &Leaf) -> Result<(), Misfit> {
    let extended = leaf.extended_key_usage().ok().flatten().map(|extended| extended.value);
    if wanted.usage.serves() && !extended.is_some_and(|extended| extended.server_auth) {
        return Err(Misfit::Usage("TLS server authentication"));
    }
    if wanted.usage.calls() && !extended.is_some_and(|extended| extended.client_auth) {
        return Err(Misfit::Usage("TLS client authentication"));
    }
    let plain = leaf.key_usage().ok().flatten();
    if plain.is_some_and(|plain| !plain.value.digital_signature()) {
        return Err(Misfit::Usage("digital signatures"));
    }
    Ok(())
}

fn check_names(leaf: &X509Certificate<'_>, wanted: &Leaf) -> Result<(), Misfit> {
    let found = certificate::names(leaf);
    let missing: Vec<String> =
        wanted.names.iter().filter(|name| !found.contains(name)).map(San::to_string).collect();
    if missing.is_empty() { Ok(()) } else { Err(Misfit::Names(missing)) }
}

/// Usages have been checked with better words before the chain is.
struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        Ok(())
    }
}

fn check_chain(chain: &[CertificateDer<'_>], authorities_pem: &str, at_s: u64) -> Result<(), Misfit> {
    let authorities = certificate::read_all(authorities_pem)?;
    let anchors: Result<Vec<TrustAnchor<'_>>, _> =
        authorities.iter().map(webpki::anchor_from_trusted_cert).collect();
    let broken = |error: webpki::Error| Misfit::Chain(error.to_string());
    let anchors = anchors.map_err(broken)?;
    let leaf = EndEntityCert::try_from(&chain[0]).map_err(broken)?;
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(at_s));
    leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &anchors, &chain[1..], at, AnyUsage, None, None)
        .map(drop)
        .map_err(broken)
}
