// SPDX-License-Identifier: Apache-2.0
//! The request that a node sends to the cluster's signer of kubelet's client certificates.

use rcgen::CertificateParams;

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
