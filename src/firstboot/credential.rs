// SPDX-License-Identifier: Apache-2.0
//! The node's credential as files: kubelet's own store, and the kubeconfig that all of the node's programs share.

use sha2::{Digest as _, Sha256};

use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer;

use super::file::File;
use crate::settings::Api;

/// kubelet's store of its client certificate (k8s.io/client-go/util/certificate).
pub const STORE: &str = "/var/lib/kubelet/pki";
/// The symbolic link in [`STORE`] that kubelet renews at each rotation; its target holds certificate and key.
pub const CURRENT: &str = "kubelet-client-current.pem";
/// What the names of the dated files in [`STORE`] start with.
pub const DATED_PREFIX: &str = "kubelet-client-";
/// The cluster's CA certificates.
pub const AUTHORITY: &str = "/etc/kubernetes/pki/ca.crt";
/// The kubeconfig.
pub const KUBECONFIG: &str = "/etc/kubernetes/kubelet.conf";

/// Returns the path of a file in kubelet's store.
pub fn stored(name: &str) -> String {
    format!("{STORE}/{name}")
}

/// Returns the name of a new file in kubelet's store; `date` is `2006-01-02-15-04-05`, as kubelet writes it.
pub fn dated(date: &str) -> String {
    format!("{DATED_PREFIX}{date}.pem")
}

/// Returns whether a file of the store holds a client certificate with its key.
pub fn is_dated(name: &str) -> bool {
    name.starts_with(DATED_PREFIX) && name.ends_with(".pem") && name != CURRENT
}

/// Returns the files that a credential needs beside certificate and key.
pub fn files(api: &Api) -> [File; 2] {
    let mut ca = api.ca.trim_end().to_owned();
    ca.push('\n');
    [
        File::readable(AUTHORITY, ca),
        File { path: KUBECONFIG.to_owned(), mode: 0o600, text: kubeconfig(&api.endpoint) },
    ]
}

/// By paths, so that whoever reads it again finds the certificate that kubelet has rotated to.
fn kubeconfig(endpoint: &str) -> String {
    let current = stored(CURRENT);
    let server = serde_json::to_string(endpoint).expect("a text");
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: default
  cluster:
    certificate-authority: {AUTHORITY}
    server: {server}
users:
- name: default
  user:
    client-certificate: {current}
    client-key: {current}
contexts:
- name: default
  context:
    cluster: default
    user: default
current-context: default
"
    )
}

/// Returns the name of the certificate request for this key and node: whoever asks again asks under the same name, and
/// nobody else does.
pub fn request_name(public_key_pem: &str, node_name: &str) -> String {
    let text = format!("system:node:{node_name}\nsystem:nodes\n{public_key_pem}");
    let hash: String = Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("kiln-{hash}")
}

/// Returns whether a PKCS#10 request, in PEM, is for this public key and node.
pub fn is_own_request(request_pem: &[u8], public_key_pem: &str, node_name: &str) -> bool {
    let parsed = || {
        let (_, request) = parse_x509_pem(request_pem).ok()?;
        let (_, key) = parse_x509_pem(public_key_pem.as_bytes()).ok()?;
        let (_, request) = X509CertificationRequest::from_der(&request.contents).ok()?;
        let info = &request.certification_request_info;
        let subject = format!("O=system:nodes, CN=system:node:{node_name}");
        Some(info.subject_pki.raw == key.contents && info.subject.to_string() == subject)
    };
    parsed().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::super::pki;
    use super::*;

    #[test]
    fn the_kubeconfig_names_paths_and_holds_no_key() {
        let api = Api { endpoint: "https://[fd00::1]:6443".to_owned(), ca: "CERT\n\n".to_owned() };
        let [ca, config] = files(&api);
        assert_eq!((ca.text.as_str(), ca.mode, config.mode), ("CERT\n", 0o644, 0o600));
        let value: serde_json::Value = serde_yaml::from_str(&config.text).unwrap();
        assert_eq!(value["clusters"][0]["cluster"]["server"], "https://[fd00::1]:6443");
        let user = &value["users"][0]["user"];
        assert_eq!(user["client-key"], "/var/lib/kubelet/pki/kubelet-client-current.pem");
        assert_eq!(user["client-key"], user["client-certificate"]);
    }

    #[test]
    fn a_request_has_a_name_of_its_own_for_each_key_and_node() {
        let name = request_name("a", "w");
        assert_eq!(name, request_name("a", "w"));
        assert!(name != request_name("b", "w") && name != request_name("a", "v"));
        assert_eq!(name.len(), 37);
    }

    #[test]
    fn a_request_is_known_by_key_and_subject() {
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let public = pki::Key::parse(&key).unwrap().public_pem();
        let request = pki::request(&key, "w").unwrap();
        assert!(is_own_request(request.as_bytes(), &public, "w"));
        assert!(!is_own_request(request.as_bytes(), &public, "v"));
        let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let other = pki::Key::parse(&other).unwrap().public_pem();
        assert!(!is_own_request(request.as_bytes(), &other, "w"));
        assert!(!is_own_request(b"nonsense", &public, "w"));
    }

    #[test]
    fn the_store_has_dated_files_and_a_link() {
        assert!(is_dated(&dated("2026-11-21-04-05-06")));
        for other in [CURRENT, "kubelet.crt", "kubelet-server-2026-11-21-04-05-06.pem", "kubelet-client.key"]
        {
            assert!(!is_dated(other), "{other}");
        }
    }
}
