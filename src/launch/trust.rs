// SPDX-License-Identifier: Apache-2.0
//! Trust: how an operator and a new control plane come to know each other without a secret on the way. The operator's request
//! goes there in user-data; what is signed comes back in parameters, and becomes a kubeconfig beside the operator's key. Pure.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rcgen::{CertificateParams, DnType, KeyPair, PublicKeyData as _};
use serde_json::json;
use x509_parser::pem::parse_x509_pem;

use crate::names::{SHARED_CA, SHARED_OPERATOR, SHARED_TOKEN};

/// The operator's key can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}; remove the file if it is nobody's, and another key is made")]
pub struct NoKey(pub(super) String);

/// What a control plane has shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    /// The cluster's CA certificates (PEM).
    pub ca: String,
    /// The operator's certificate (PEM).
    pub certificate: String,
}

/// Returns the names of all parameters that a control plane may have shared below a path.
pub fn all_names(path: &str) -> [String; 3] {
    [SHARED_CA, SHARED_OPERATOR, SHARED_TOKEN].map(|name| format!("{path}/{name}"))
}

/// Returns the names of the parameters below a path: CA, certificate.
pub fn names(path: &str) -> [String; 2] {
    [SHARED_CA, SHARED_OPERATOR].map(|name| format!("{path}/{name}"))
}

/// Returns the request (PEM) of an operator of this name for a certificate of their key.
///
/// # Errors
/// When the key can't be read.
pub fn request(key_pem: &str, name: &str) -> Result<String, NoKey> {
    let key = KeyPair::from_pem(key_pem).map_err(|error| NoKey(error.to_string()))?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    let request = params.serialize_request(&key).and_then(|request| request.pem());
    request.map_err(|error| NoKey(error.to_string()))
}

/// Returns what is shared, once it is there and for this key: what an earlier cluster of the same name has left is none, though
/// its operator had the same key; `stale` is the certificate that was there before the control plane was.
pub fn shared(
    found: &BTreeMap<String, String>,
    path: &str,
    key_pem: &str,
    stale: Option<&str>,
) -> Option<Shared> {
    let [ca, operator] = names(path);
    let (ca, certificate) = (found.get(&ca)?.clone(), found.get(&operator)?.clone());
    if stale == Some(certificate.as_str()) {
        return None;
    }
    let key = KeyPair::from_pem(key_pem).ok()?;
    let (_, pem) = parse_x509_pem(certificate.as_bytes()).ok()?;
    let is_of_key = pem.parse_x509().ok()?.public_key().raw == key.subject_public_key_info();
    is_of_key.then_some(Shared { ca, certificate })
}

/// Returns the kubeconfig; `key_file` is the name of the key's file in the same folder.
pub fn kubeconfig(cluster: &str, endpoint: &str, shared: &Shared, key_file: &str) -> String {
    let user = format!("{cluster}-operator");
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": cluster, "cluster": {
            "server": endpoint, "certificate-authority-data": BASE64.encode(&shared.ca),
        }}],
        "users": [{ "name": user, "user": {
            "client-certificate-data": BASE64.encode(&shared.certificate), "client-key": key_file,
        }}],
        "contexts": [{ "name": cluster, "context": { "cluster": cluster, "user": user } }],
        "current-context": cluster,
    });
    serde_yaml::to_string(&config).expect("texts")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(key: &KeyPair) -> String {
        CertificateParams::default().self_signed(key).unwrap().pem()
    }

    #[test]
    fn what_is_shared_counts_if_it_is_for_the_operators_key() {
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut found = BTreeMap::from([("/p/ca".to_owned(), "CA".to_owned())]);
        assert_eq!(shared(&found, "/p", &key.serialize_pem(), None), None);
        found.insert("/p/operator".to_owned(), certificate(&other));
        assert_eq!(shared(&found, "/p", &key.serialize_pem(), None), None, "of an earlier cluster");
        let earlier = certificate(&key);
        found.insert("/p/operator".to_owned(), earlier.clone());
        assert_eq!(shared(&found, "/p", &key.serialize_pem(), Some(&earlier)), None, "of one with this key");
        let shared = shared(&found, "/p", &key.serialize_pem(), None).unwrap();
        let text = kubeconfig("demo", "https://10.0.1.10:6443", &shared, "demo.key");
        assert!(text.contains("client-key: demo.key") && !text.contains("PRIVATE"), "{text}");
        let read = |path: &str| Ok::<_, String>(format!("read {path}"));
        let access = crate::cluster::Access::from_kubeconfig(&text, &read).unwrap();
        assert_eq!((access.server.as_str(), access.ca.as_str()), ("https://10.0.1.10:6443", "CA"));
    }

    #[test]
    fn a_request_says_who_asks_and_no_key_is_told() {
        let key = KeyPair::generate().unwrap().serialize_pem();
        assert!(request(&key, "me").unwrap().starts_with("-----BEGIN CERTIFICATE REQUEST-----"));
        let error =
            request("-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n", "me").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
