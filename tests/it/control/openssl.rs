// SPDX-License-Identifier: Apache-2.0
//! openssl judges what kiln made: chains, subjects, usages, names, lifetimes and modes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::tree::{NOW_S, Tree};

fn openssl(words: &[&str], files: &[&Path]) -> String {
    let output = Command::new("openssl").args(words).args(files).output().expect("openssl");
    assert!(
        output.status.success(),
        "openssl {words:?} {files:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Judges a leaf; `purposes` are openssl's own words for the sides of a connection.
fn verify(tree: &Tree, authority: &str, certificate: &Path, purposes: &[&str]) {
    let now = NOW_S.to_string();
    let authority = tree.path(authority);
    let authority = authority.to_str().unwrap();
    for purpose in purposes {
        let words = ["verify", "-x509_strict", "-attime", &now, "-purpose", purpose, "-CAfile", authority];
        openssl(&words, &[certificate]);
    }
    for purpose in ["sslclient", "sslserver"].iter().filter(|purpose| !purposes.contains(purpose)) {
        let mut refused = Command::new("openssl");
        refused.args(["verify", "-attime", &now, "-purpose", purpose, "-CAfile", authority]).arg(certificate);
        assert!(
            !refused.output().unwrap().status.success(),
            "{} must not be a {purpose}",
            certificate.display()
        );
    }
}

fn show(certificate: &Path, what: &[&str]) -> String {
    let mut words = vec!["x509", "-noout", "-nameopt", "RFC2253"];
    words.extend(what);
    words.push("-in");
    openssl(&words, &[certificate])
}

fn public_keys_match(certificate: &Path, key: &Path) {
    let of_certificate = openssl(&["x509", "-noout", "-pubkey", "-in"], &[certificate]);
    assert_eq!(of_certificate, openssl(&["pkey", "-pubout", "-in"], &[key]), "{}", certificate.display());
}

const CLIENT: &[&str] = &["sslclient"];
const SERVER: &[&str] = &["sslserver"];
const BOTH: &[&str] = &["sslclient", "sslserver"];

#[test]
fn every_leaf_is_as_kubeadm_lays_it_out() {
    let tree = Tree::whole();
    let table = [
        ("apiserver", "ca.crt", "CN=kube-apiserver", SERVER),
        (
            "apiserver-kubelet-client",
            "ca.crt",
            "CN=kube-apiserver-kubelet-client,O=kubeadm:cluster-admins",
            CLIENT,
        ),
        ("front-proxy-client", "front-proxy-ca.crt", "CN=front-proxy-client", CLIENT),
        ("etcd/server", "etcd/ca.crt", "CN=control-1", BOTH),
        ("etcd/peer", "etcd/ca.crt", "CN=control-1", BOTH),
        ("etcd/healthcheck-client", "etcd/ca.crt", "CN=kube-etcd-healthcheck-client", CLIENT),
        ("apiserver-etcd-client", "etcd/ca.crt", "CN=kube-apiserver-etcd-client", CLIENT),
    ];
    for (base, authority, subject, purposes) in table {
        let certificate = tree.path(&format!("{base}.crt"));
        verify(&tree, authority, &certificate, purposes);
        public_keys_match(&certificate, &tree.path(&format!("{base}.key")));
        assert_eq!(show(&certificate, &["-subject"]).trim(), format!("subject={subject}"));
        let usage = show(&certificate, &["-ext", "keyUsage,basicConstraints"]);
        assert!(usage.contains("Digital Signature, Key Encipherment\n"), "{usage}");
        assert!(usage.contains("CA:FALSE"), "{usage}");
        let dates = show(&certificate, &["-dates"]);
        assert_eq!(
            dates, "notBefore=Nov 20 09:55:00 2026 GMT\nnotAfter=Nov 20 10:00:00 2027 GMT\n",
            "{base}"
        );
    }
}

#[test]
fn every_authority_lasts_ten_years_and_signs() {
    let tree = Tree::whole();
    for (base, name) in [("ca", "kubernetes"), ("front-proxy-ca", "front-proxy-ca"), ("etcd/ca", "etcd-ca")] {
        let certificate = tree.path(&format!("{base}.crt"));
        let said =
            show(&certificate, &["-subject", "-issuer", "-dates", "-ext", "keyUsage,basicConstraints"]);
        assert!(said.contains(&format!("subject=CN={name}\nissuer=CN={name}\n")), "{said}");
        assert!(said.contains("Digital Signature, Key Encipherment, Certificate Sign"), "{said}");
        assert!(said.contains("CA:TRUE"), "{said}");
        assert!(
            said.contains("notBefore=Nov 20 09:55:00 2026 GMT\nnotAfter=Nov 17 10:00:00 2036 GMT"),
            "{said}"
        );
        public_keys_match(&certificate, &tree.path(&format!("{base}.key")));
    }
    let public = openssl(&["pkey", "-pubout", "-in"], &[&tree.path("sa.key")]);
    assert_eq!(public, tree.read("sa.pub"));
}

#[test]
fn servers_are_named_by_dns_names_and_addresses_each_of_its_type() {
    let mut tree = Tree::empty();
    tree.settings.cluster.services =
        ["10.96.0.0/16", "fd00:96::/112"].map(|range| range.parse().unwrap()).into();
    tree.identity.addresses.push("fd00:99::1".parse().unwrap());
    tree.settings.api.endpoint = "https://api.example.org:6443".to_owned();
    tree.settings.control_plane.names = ["kube.example.org", "192.0.2.7"].map(str::to_owned).into();
    tree.settle().unwrap();
    let names = |base: &str| {
        let said = show(&tree.path(&format!("{base}.crt")), &["-ext", "subjectAltName"]);
        said.lines().last().unwrap().trim().to_owned()
    };
    assert_eq!(
        names("apiserver"),
        "DNS:control-1, DNS:kubernetes, DNS:kubernetes.default, DNS:kubernetes.default.svc, \
        DNS:kubernetes.default.svc.cluster.local, IP Address:10.96.0.1, IP Address:FD00:96:0:0:0:0:0:1, \
        IP Address:10.99.0.1, IP Address:FD00:99:0:0:0:0:0:1, DNS:api.example.org, DNS:kube.example.org, \
        IP Address:192.0.2.7"
    );
    let member = "DNS:control-1, DNS:localhost, IP Address:10.99.0.1, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1";
    assert_eq!((names("etcd/server").as_str(), names("etcd/peer").as_str()), (member, member));
}

#[test]
fn every_kubeconfig_holds_its_users_credential() {
    let tree = Tree::whole();
    let table = [
        ("admin.conf", "CN=kubernetes-admin,O=kubeadm:cluster-admins"),
        ("super-admin.conf", "CN=kubernetes-super-admin,O=system:masters"),
        ("controller-manager.conf", "CN=system:kube-controller-manager"),
        ("scheduler.conf", "CN=system:kube-scheduler"),
    ];
    let scratch = tempfile::tempdir().unwrap();
    for (name, subject) in table {
        let text = tree.read(&format!("/etc/kubernetes/{name}"));
        let part = |key: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(key)).unwrap();
            let path = scratch.path().join(format!("{name}-{key}"));
            fs::write(&path, STANDARD.decode(line.trim()).unwrap()).unwrap();
            path
        };
        let certificate = part("client-certificate-data:");
        verify(&tree, "ca.crt", &certificate, CLIENT);
        public_keys_match(&certificate, &part("client-key-data:"));
        assert_eq!(show(&certificate, &["-subject"]).trim(), format!("subject={subject}"));
        assert_eq!(
            fs::read(part("certificate-authority-data:")).unwrap(),
            fs::read(tree.path("ca.crt")).unwrap()
        );
    }
    let current = tree.path("/var/lib/kubelet/pki/kubelet-client-current.pem");
    let dated = "/var/lib/kubelet/pki/kubelet-client-2026-11-20-10-00-00.pem";
    assert_eq!(fs::read_link(&current).unwrap(), PathBuf::from(dated));
    verify(&tree, "ca.crt", &tree.path(dated), CLIENT);
    public_keys_match(&tree.path(dated), &tree.path(dated));
    assert_eq!(
        show(&tree.path(dated), &["-subject"]).trim(),
        "subject=CN=system:node:control-1,O=system:nodes"
    );
    assert!(!show(&tree.path(dated), &["-ext", "keyUsage,subjectAltName"]).contains("Alternative"));
}

/// Whatever the umask of whoever starts it: the unit's is 0077, a terminal's 0022.
#[test]
fn nobody_else_reads_a_file_with_a_key() {
    let tree = Tree::whole();
    let mut secrets = Vec::new();
    for name in tree.snapshot().into_keys() {
        let path = tree.root().join(&name);
        if path.is_symlink() {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let has_key = ["PRIVATE KEY", "client-key-data", "secretbox"].iter().any(|word| text.contains(word));
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        if has_key {
            assert_eq!(mode, 0o600, "{}", name.display());
            secrets.push(name);
        }
    }
    // Ten pairs, the service accounts' key, four kubeconfigs, kubelet's certificate and the encryption's key.
    assert_eq!(secrets.len(), 10 + 1 + 4 + 1 + 1, "{secrets:?}");
}
