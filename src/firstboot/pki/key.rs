// SPDX-License-Identifier: Apache-2.0
//! A private key, parsed once. It signs and tells its public half; it never prints itself.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{PublicKeyData, SignatureAlgorithm};
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::sign::SigningKey;
use x509_parser::prelude::{FromDer as _, SubjectPublicKeyInfo};

use super::misfit::Misfit;

/// Characters in a line of PEM (RFC 7468, section 2).
const PEM_LINE: usize = 64;

/// What kiln signs with, in the order in which it is tried; the first that a key can do is its algorithm.
const SCHEMES: [(SignatureScheme, &SignatureAlgorithm); 3] = [
    (SignatureScheme::ECDSA_NISTP256_SHA256, &rcgen::PKCS_ECDSA_P256_SHA256),
    (SignatureScheme::ECDSA_NISTP384_SHA384, &rcgen::PKCS_ECDSA_P384_SHA384),
    (SignatureScheme::RSA_PKCS1_SHA256, &rcgen::PKCS_RSA_SHA256),
];

/// A private key: P-256 where kiln made it; P-384 and RSA of others are taken too.
pub struct Key {
    signing: Arc<dyn SigningKey>,
    scheme: SignatureScheme,
    algorithm: &'static SignatureAlgorithm,
    /// The bits of the subject public key, without the algorithm.
    public: Vec<u8>,
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Key").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

impl Key {
    /// Reads a private key: PKCS #8, SEC 1 or PKCS #1, as kiln, kubeadm and openssl write them.
    ///
    /// # Errors
    /// [`Misfit::NotAKey`] without any part of the text.
    pub fn parse(pem: &str) -> Result<Self, Misfit> {
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| Misfit::NotAKey)?;
        let signing = any_supported_type(&der).map_err(|_| Misfit::NotAKey)?;
        let can = |scheme: &SignatureScheme| signing.choose_scheme(&[*scheme]).is_some();
        let (scheme, algorithm) = *SCHEMES.iter().find(|(scheme, _)| can(scheme)).ok_or(Misfit::NotAKey)?;
        let info = signing.public_key().ok_or(Misfit::NotAKey)?;
        let (_, parsed) = SubjectPublicKeyInfo::from_der(&info).map_err(|_| Misfit::NotAKey)?;
        let public = parsed.subject_public_key.data.to_vec();
        Ok(Self { signing, scheme, algorithm, public })
    }

    /// Returns the public half as PEM, the format of kubeadm's sa.pub.
    pub fn public_pem(&self) -> String {
        let encoded = STANDARD.encode(self.subject_public_key_info());
        let lines: Vec<&str> =
            encoded.as_bytes().chunks(PEM_LINE).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signer = self.signing.choose_scheme(&[self.scheme]).ok_or(rcgen::Error::RemoteKeyError)?;
        signer.sign(message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}
