// SPDX-License-Identifier: Apache-2.0
//! Files of others: used where they fit, named where they do not, never replaced.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::tree::{DAY_S, NOW_S, Tree};

const PKI: &str = "/etc/kubernetes/pki";

fn openssl(tree: &Tree, words: &str) {
    let mut openssl = Command::new("openssl");
    openssl.args(words.split_whitespace()).current_dir(tree.path("/etc/kubernetes/pki"));
    let output = openssl.output().expect("openssl");
    assert!(output.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The one thing that is wrong.
fn trouble(tree: &Tree) -> String {
    let before = tree.snapshot();
    let troubles = tree.troubles();
    assert!(tree.settle().is_err());
    assert_eq!(tree.snapshot(), before, "what does not fit is not touched");
    assert_eq!(troubles.len(), 1, "{troubles:#?}");
    troubles.into_iter().next().unwrap()
}

#[test]
fn keys_as_kubeadm_and_openssl_write_them_are_used() {
    for key in [
        "ecparam -genkey -name prime256v1 -noout -out ca.key",
        "genrsa -traditional -out ca.key 2048",
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out ca.key",
        "ecparam -genkey -name secp384r1 -noout -out ca.key",
    ] {
        let tree = Tree::empty();
        tree.write("marker", "");
        openssl(&tree, key);
        tree.write("ca.key", &tree.read("ca.key"));
        tree.settle().unwrap_or_else(|error| panic!("{key}: {error}"));
        let now = NOW_S.to_string();
        openssl(&tree, &format!("verify -x509_strict -attime {now} -CAfile ca.crt apiserver.crt"));
    }
}

#[test]
fn half_a_pair_and_the_wrong_half_are_named() {
    let tree = Tree::whole();
    tree.remove("apiserver.key");
    assert_eq!(
        trouble(&tree),
        format!(
            "{PKI}/apiserver.crt is there without {PKI}/apiserver.key: put the other half there, or remove this one"
        )
    );
    tree.write("apiserver.key", &tree.read("etcd/server.key"));
    assert_eq!(
        trouble(&tree),
        format!(
            "{PKI}/apiserver.crt belongs to another private key: put the right pair there, or remove \
            {PKI}/apiserver.crt and {PKI}/apiserver.key so that new ones are made"
        )
    );
    tree.write("apiserver.key", "something else");
    assert_eq!(
        trouble(&tree),
        format!(
            "{PKI}/apiserver.key holds no private key that can be read (PEM of a P-256, P-384 or RSA key): put the \
            right pair there, or remove {PKI}/apiserver.crt and {PKI}/apiserver.key so that new ones are made"
        )
    );
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let tree = Tree::whole();
    tree.remove("sa.key");
    tree.write("etcd/peer.crt", &tree.read("etcd/server.crt"));
    fs::set_permissions(tree.path("ca.key"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::remove_file(tree.path("front-proxy-client.key")).unwrap();
    fs::create_dir(tree.path("front-proxy-client.key")).unwrap();
    let again = format!("put the right pair there, or remove {PKI}/etcd/peer.crt and {PKI}/etcd/peer.key");
    assert_eq!(
        tree.troubles(),
        [
            format!("{PKI}/ca.key holds a key and others may read it (mode 0644): chmod 600 {PKI}/ca.key"),
            format!(
                "{PKI}/sa.pub is there without {PKI}/sa.key: put the other half there, or remove this one"
            ),
            format!("{PKI}/front-proxy-client.key is a folder: put the file itself there"),
            format!("{PKI}/etcd/peer.crt belongs to another private key: {again} so that new ones are made"),
        ]
    );
}

#[test]
fn another_authority_another_name_and_another_endpoint_are_named() {
    let tree = Tree::whole();
    let other = Tree::whole();
    for file in ["apiserver.crt", "apiserver.key"] {
        tree.write(file, &other.read(file));
    }
    let said = trouble(&tree);
    assert!(
        said.starts_with(&format!(
            "{PKI}/apiserver.crt is not signed by the trusted authority (InvalidSignatureForPublicKey): "
        )),
        "{said}"
    );

    let mut tree = Tree::whole();
    tree.settings.control_plane.names = vec!["kube.example.org".to_owned(), "192.0.2.7".to_owned()];
    let said = trouble(&tree);
    assert!(
        said.starts_with(&format!("{PKI}/apiserver.crt is not valid for kube.example.org, 192.0.2.7: ")),
        "{said}"
    );

    let mut tree = Tree::whole();
    tree.settings.api.endpoint = "https://10.99.0.1:443".to_owned();
    let servers: Vec<String> =
        tree.troubles().iter().map(|said| said.split(':').next().unwrap().to_owned()).collect();
    assert_eq!(servers.len(), 4, "{servers:?}");
    assert!(tree.troubles().contains(
        &"/etc/kubernetes/admin.conf is for the server https://10.99.0.1:6443, not https://10.99.0.1:443: remove \
        /etc/kubernetes/admin.conf so that a new one is made"
            .to_owned()
    ));

    let mut tree = Tree::whole();
    tree.identity.name = "control-2".to_owned();
    let said = tree.troubles().join("\n");
    assert!(
        said.contains("is for CN=system:node:control-1, O=system:nodes, not for CN=system:node:control-2, O=system:nodes"),
        "{said}"
    );
    assert!(
        said.contains(&format!("{PKI}/etcd/server.crt is for CN=control-1, not for CN=control-2: ")),
        "{said}"
    );
}

#[test]
fn a_kubeconfig_of_another_cluster_is_named() {
    let tree = Tree::whole();
    tree.write("/etc/kubernetes/scheduler.conf", &Tree::whole().read("/etc/kubernetes/scheduler.conf"));
    assert_eq!(
        trouble(&tree),
        format!(
            "/etc/kubernetes/scheduler.conf trusts another authority than {PKI}/ca.crt: remove \
            /etc/kubernetes/scheduler.conf so that a new one is made"
        )
    );
    tree.write("/etc/kubernetes/scheduler.conf", "[]");
    assert!(trouble(&tree).starts_with("/etc/kubernetes/scheduler.conf is no kubeconfig that can be read: "));
    let tree = Tree::whole();
    tree.write("/etc/kubernetes/scheduler.conf", &tree.read("/etc/kubernetes/admin.conf"));
    assert!(trouble(&tree).starts_with(
        "/etc/kubernetes/scheduler.conf is for CN=kubernetes-admin, O=kubeadm:cluster-admins, not for \
        CN=system:kube-scheduler: "
    ));
}

#[test]
fn authorities_of_etcd_and_the_front_proxy_may_be_elsewhere_if_their_leaves_are_here() {
    let tree = Tree::whole();
    tree.remove("etcd/ca.key");
    tree.remove("front-proxy-ca.key");
    assert_eq!(tree.settle().unwrap(), 0);
    tree.remove("etcd/peer.crt");
    tree.remove("etcd/peer.key");
    assert_eq!(
        trouble(&tree),
        format!(
            "{PKI}/etcd/peer.crt is missing, and {PKI}/etcd/ca.key that would sign it is kept elsewhere: put it \
            there with its key, signed by that authority"
        )
    );
}

#[test]
fn a_cluster_authority_without_its_key_needs_a_pair_that_signs() {
    let tree = Tree::whole();
    tree.remove("ca.key");
    assert_eq!(
        trouble(&tree),
        format!(
            "{PKI}/ca.key is missing, and so is a pair that signs instead ({PKI}/signing.crt and .key): put the key \
            there, or such a pair whose certificate is in ca.crt as well"
        )
    );
    let other = Tree::whole();
    tree.write("signing.crt", &other.read("ca.crt"));
    tree.write("signing.key", &other.read("ca.key"));
    assert_eq!(
        trouble(&tree),
        format!("{PKI}/signing.crt is not one of {PKI}/ca.crt: append it to {PKI}/ca.crt")
    );
    // From the start with a bundle: leaves are signed by the pair, and the controller manager is told of it.
    let tree = Tree::empty();
    tree.write("ca.crt", &(Tree::whole().read("ca.crt") + &other.read("ca.crt")));
    tree.write("signing.crt", &other.read("ca.crt"));
    tree.write("signing.key", &other.read("ca.key"));
    tree.settle().unwrap();
    let arguments = tree.read("/etc/kubernetes/kube-controller-manager.env");
    assert!(arguments.contains(&format!(
        "--cluster-signing-cert-file={PKI}/signing.crt --cluster-signing-key-file={PKI}/signing.key "
    )));
}

#[test]
fn with_a_cluster_in_etcd_nothing_that_it_was_made_with_is_made_again() {
    let irreplaceable =
        ["ca.crt", "etcd/ca.crt", "front-proxy-ca.crt", "sa.key", "/etc/kubernetes/encryption.yaml"];
    for name in irreplaceable {
        let tree = Tree::whole();
        fs::create_dir_all(tree.path("/var/lib/etcd/member")).unwrap();
        assert_eq!(tree.settle().unwrap(), 0);
        tree.remove(name);
        let path = if name.starts_with('/') { name.to_owned() } else { format!("{PKI}/{name}") };
        assert_eq!(
            trouble(&tree),
            format!(
                "{path} is missing, and /var/lib/etcd/member holds a cluster that was made with it: restore it from a \
                backup; kiln never makes a second one for the same data"
            )
        );
    }
    // All at once, and a leaf is no loss.
    let tree = Tree::empty();
    fs::create_dir_all(tree.path("/var/lib/etcd/member")).unwrap();
    assert_eq!(tree.troubles().len(), irreplaceable.len(), "{:?}", tree.troubles());
    let tree = Tree::whole();
    fs::create_dir_all(tree.path("/var/lib/etcd/member")).unwrap();
    tree.remove("apiserver.crt");
    tree.remove("/etc/kubernetes/admin.conf");
    assert_eq!(tree.settle().unwrap(), 2);
}

/// What a control plane's new machine needs of the old one's disk, beside etcd's data, and no more.
pub const CLUSTERS_OWN: [&str; 9] = [
    "ca.crt",
    "ca.key",
    "etcd/ca.crt",
    "etcd/ca.key",
    "front-proxy-ca.crt",
    "front-proxy-ca.key",
    "sa.key",
    "sa.pub",
    "/etc/kubernetes/encryption.yaml",
];

#[test]
fn another_machine_goes_on_with_what_the_cluster_was_made_with() {
    let old = Tree::whole();
    let mut new = Tree::empty();
    new.identity.name = "control-2".to_owned();
    CLUSTERS_OWN.iter().for_each(|name| new.write(name, &old.read(name)));
    fs::create_dir_all(new.path("/var/lib/etcd/member")).unwrap();
    new.settle().unwrap();
    assert_eq!(new.troubles(), Vec::<String>::new());
    assert!(CLUSTERS_OWN.iter().all(|name| new.read(name) == old.read(name)));
    for name in ["etcd/server.crt", "apiserver.crt", "/etc/kubernetes/admin.conf"] {
        assert_ne!(new.read(name), old.read(name), "{name} is the machine's own");
    }
}

#[test]
fn old_leaves_are_renewed_with_the_key_they_have() {
    for late_s in [336 * DAY_S, 400 * DAY_S] {
        let mut tree = Tree::whole();
        tree.now_s += late_s;
        let before = tree.snapshot();
        // Seven leaves, four kubeconfigs, kubelet's certificate and the link to it.
        assert_eq!(tree.settle().unwrap(), 7 + 4 + 2);
        assert_eq!(tree.settle().unwrap(), 0);
        for (name, text) in
            tree.snapshot().iter().filter(|(name, _)| name.to_str().unwrap().ends_with(".key"))
        {
            assert_eq!(before.get(name), Some(text), "{}", name.display());
        }
    }
    // What can't be renewed here is said.
    let mut tree = Tree::whole();
    tree.remove("etcd/ca.key");
    tree.now_s += 400 * DAY_S;
    assert_eq!(
        tree.troubles()[0],
        format!(
            "{PKI}/etcd/server.crt has expired on 2027-11-20T10:00:00Z, and here it is 2027-12-25T10:00:00Z: check \
            the clock, or renew it"
        )
    );
}

#[test]
fn a_clock_that_is_behind_is_told_apart() {
    let mut tree = Tree::whole();
    tree.now_s -= 3600;
    let kiln::firstboot::control::Next::Stuck(troubles) = tree.next() else { panic!() };
    assert!(troubles.iter().all(|trouble| trouble.is_of_time), "{troubles:#?}");
    assert_eq!(
        troubles[0].to_string(),
        format!(
            "{PKI}/ca.crt is not valid before 2026-11-20T09:55:00Z, and here it is 2026-11-20T09:00:00Z: check the \
            clock, or renew it"
        )
    );
}

#[test]
fn settings_that_can_do_no_control_plane_are_named() {
    let said = |change: fn(&mut Tree)| {
        let mut tree = Tree::empty();
        change(&mut tree);
        trouble(&tree)
    };
    assert_eq!(
        said(|tree| tree.settings.api.endpoint = "http://10.99.0.1".to_owned()),
        "api.endpoint is not https://HOST:PORT: write it so"
    );
    assert_eq!(
        said(|tree| tree.settings.cluster.services = vec!["fd00::/112".parse().unwrap()]),
        "node.addresses has none of the family of the first service range (IPv6): give this machine an IPv6 address, \
        or put the other service range first"
    );
    assert_eq!(
        said(|tree| tree.settings.cluster.services.clear()),
        "cluster.services is empty: give one range of each family at most"
    );
}
