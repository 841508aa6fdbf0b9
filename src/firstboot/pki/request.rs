// SPDX-License-Identifier: Apache-2.0
//! Requests: what a node sends to the cluster's signer of kubelet's client certificates, and what an operator asks for.

use rcgen::{CertificateParams, CertificateSigningRequestParams, DnType, DnValue, PublicKey};

use super::issue::{subject, unmade};
use super::key::Key;
use super::leaf::Leaf;
use super::misfit::Misfit;

/// Returns the PEM of a request for kubelet's client certificate: subject O=system:nodes, CN=system:node:NAME and no
/// alternative name, or the signer kubernetes.io/kube-apiserver-client-kubelet refuses it.
///
/// # Errors
/// [`Misfit::NotAKey`], and [`Misfit::Unmade`] if the name can't stand in a request.
pub fn request(key_pem: &str, node_name: &str) -> Result<String, Misfit> {
    let key = Key::parse(key_pem)?;
    let wanted = Leaf::kubelet(node_name);
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(&wanted.name, wanted.organization.as_deref());
    params.serialize_request(&key).and_then(|request| request.pem()).map_err(unmade)
}

/// What somebody asks a certificate for: a name, and a key whose private half they have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The subject's common name.
    pub name: String,
    /// The public key.
    pub key: PublicKey,
}

/// Reads a request (PEM of PKCS #10) whose signature is its key's. Whatever else it asks for is not read.
///
/// # Errors
/// [`Misfit::NotARequest`].
pub fn asked(pem: &str) -> Result<Asked, Misfit> {
    let request = CertificateSigningRequestParams::from_pem(pem).map_err(|_| Misfit::NotARequest)?;
    let name = match request.params.distinguished_name.get(&DnType::CommonName) {
        Some(DnValue::Utf8String(name)) => name.clone(),
        Some(DnValue::PrintableString(name)) => name.to_string(),
        _ => return Err(Misfit::NotARequest),
    };
    Ok(Asked { name, key: request.public_key })
}
