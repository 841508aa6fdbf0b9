// SPDX-License-Identifier: Apache-2.0
//! A certificate as others or kiln wrote it: what it says, without a judgement.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate, X509Name};

use super::leaf::San;
use super::misfit::Misfit;

/// Reads all certificates of a PEM text, at least one.
pub(super) fn read_all(pem: &str) -> Result<Vec<CertificateDer<'static>>, Misfit> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(Misfit::NotACertificate),
    }
}

/// Reads what a certificate says.
pub(super) fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Misfit> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(Misfit::NotACertificate),
    }
}

/// Returns the subject as `CN=..., O=...`: what Kubernetes takes for user and groups.
pub(super) fn subject(name: &X509Name<'_>) -> String {
    let common = name.iter_common_name().map(|part| ("CN", part));
    let parts = common.chain(name.iter_organization().map(|part| ("O", part)));
    let texts: Vec<String> =
        parts.map(|(kind, part)| format!("{kind}={}", part.as_str().unwrap_or("?"))).collect();
    texts.join(", ")
}

/// Returns the subject alternative names that are DNS names or addresses.
pub(super) fn names(certificate: &X509Certificate<'_>) -> Vec<San> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let names = extension.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    names.iter().filter_map(name).collect()
}

fn name(name: &GeneralName<'_>) -> Option<San> {
    match name {
        GeneralName::DNSName(name) => Some(San::Dns((*name).to_owned())),
        GeneralName::IPAddress(bytes) => address(bytes).map(San::Ip),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(|four| Ipv4Addr::from(four).into());
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(|six| Ipv6Addr::from(six).into())).ok()
}
