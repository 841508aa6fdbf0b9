// SPDX-License-Identifier: Apache-2.0
//! Certificates are made here, as kubeadm lays them out (cmd/kubeadm/app/util/pkiutil).

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use super::certificate;
use super::judge::{Validity, judge_authority};
use super::key::Key;
use super::leaf::{Leaf, San};
use super::misfit::Misfit;

/// How far certificates are back-dated, so that a machine whose clock is a little behind believes them; kubeadm's and
/// kube-controller-manager's number.
pub const SKEW_S: u64 = 5 * 60;
/// Ten years, as kubeadm.
pub const AUTHORITY_LIFETIME_S: u64 = 3650 * 24 * 60 * 60;
/// A year, as kubeadm.
pub const LEAF_LIFETIME_S: u64 = 365 * 24 * 60 * 60;

/// Returns the self-signed certificate of an authority with this common name.
///
/// # Errors
/// [`Misfit::Unmade`] if the name can't stand in a certificate.
pub fn authority(name: &str, key: &Key, now_s: u64) -> Result<String, Misfit> {
    let validity = Validity { from_s: now_s.saturating_sub(SKEW_S), until_s: now_s + AUTHORITY_LIFETIME_S };
    let mut params = params(name, None, key, validity)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    // As kubeadm since 1.20: some verifiers want a name in every certificate.
    params.subject_alt_names = vec![alternative(&San::Dns(name.to_owned()))?];
    Ok(params.self_signed(key).map_err(unmade)?.pem())
}

/// Returns the leaf for `key`, signed by an authority; it never outlives that.
///
/// # Errors
/// When the authority does not fit its key or the time, and [`Misfit::Unmade`] if a name can't stand in a certificate.
pub fn leaf(
    wanted: &Leaf,
    key: &impl PublicKeyData,
    authority_pem: &str,
    authority_key: &Key,
    now_s: u64,
) -> Result<String, Misfit> {
    let of_authority = judge_authority(authority_pem, Some(authority_key), now_s)?;
    let validity = Validity {
        from_s: now_s.saturating_sub(SKEW_S).max(of_authority.from_s),
        until_s: (now_s + LEAF_LIFETIME_S).min(of_authority.until_s),
    };
    let mut params = params(&wanted.name, wanted.organization.as_deref(), key, validity)?;
    params.use_authority_key_identifier_extension = true;
    params.is_ca = IsCa::ExplicitNoCa;
    if wanted.usage.serves() {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    if wanted.usage.calls() {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    }
    params.subject_alt_names = wanted.names.iter().map(alternative).collect::<Result<_, _>>()?;
    let authorities = certificate::read_all(authority_pem)?;
    let issuer = Issuer::from_ca_cert_der(&authorities[0], authority_key).map_err(unmade)?;
    Ok(params.signed_by(key, &issuer).map_err(unmade)?.pem())
}

fn params(
    name: &str,
    organization: Option<&str>,
    key: &impl PublicKeyData,
    validity: Validity,
) -> Result<CertificateParams, Misfit> {
    let mut params = CertificateParams::default();
    params.not_before = moment(validity.from_s)?;
    params.not_after = moment(validity.until_s)?;
    params.distinguished_name = subject(name, organization);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.serial_number = Some(serial(name, key, validity));
    Ok(params)
}

/// Returns a subject in the order in which kubelet writes it.
pub(super) fn subject(name: &str, organization: Option<&str>) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    if let Some(organization) = organization {
        subject.push(DnType::OrganizationName, organization);
    }
    subject.push(DnType::CommonName, name);
    subject
}

/// Returns a number that no other certificate of the authority has: a hash of what tells them apart. 16 bytes with the
/// first bit clear, because it is a positive integer (RFC 5280, 4.1.2.2).
fn serial(name: &str, key: &impl PublicKeyData, validity: Validity) -> SerialNumber {
    let hash = Sha256::new()
        .chain_update(key.subject_public_key_info())
        .chain_update(validity.from_s.to_be_bytes())
        .chain_update(name)
        .finalize();
    let mut bytes = hash[..16].to_vec();
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from(bytes)
}

fn alternative(name: &San) -> Result<SanType, Misfit> {
    Ok(match name {
        San::Dns(name) => SanType::DnsName(name.as_str().try_into().map_err(unmade)?),
        San::Ip(address) => SanType::IpAddress(*address),
    })
}

fn moment(second: u64) -> Result<OffsetDateTime, Misfit> {
    let second = i64::try_from(second).map_err(unmade)?;
    OffsetDateTime::from_unix_timestamp(second).map_err(unmade)
}

pub(super) fn unmade(error: impl std::fmt::Display) -> Misfit {
    Misfit::Unmade(error.to_string())
}
