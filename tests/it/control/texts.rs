// SPDX-License-Identifier: Apache-2.0
//! The texts that only repeat the settings, in every mode and family.

use kiln::settings::Addressing;

use super::tree::Tree;

fn controller_manager(change: impl FnOnce(&mut Tree)) -> String {
    let mut tree = Tree::empty();
    change(&mut tree);
    tree.settle().unwrap();
    tree.read("/etc/kubernetes/kube-controller-manager.env").lines().nth(1).unwrap().to_owned()
}

const SIGNING: &str = "KUBE_CONTROLLER_MANAGER_ARGS=\"--cluster-signing-cert-file=/etc/kubernetes/pki/ca.crt \
    --cluster-signing-key-file=/etc/kubernetes/pki/ca.key";

#[test]
fn the_clusters_own_allocator_runs_in_kcm_mode_alone() {
    let off = format!(
        "{SIGNING} --controllers=*,token-cleaner-controller,-node-ipam-controller --allocate-node-cidrs=false\""
    );
    for addressing in [Addressing::Claim, Addressing::Static, Addressing::Derived] {
        assert_eq!(controller_manager(|tree| tree.settings.cluster.addressing = addressing), off);
    }
    let on =
        "--controllers=*,token-cleaner-controller --allocate-node-cidrs=true --configure-cloud-routes=false";
    assert_eq!(
        controller_manager(|tree| tree.settings.cluster.addressing = Addressing::Kcm),
        format!(
            "{SIGNING} {on} --cluster-cidr=10.244.0.0/16 --service-cluster-ip-range=10.96.0.0/16 \
            --node-cidr-mask-size=24\""
        )
    );
    let dual = |tree: &mut Tree| {
        let cluster = &mut tree.settings.cluster;
        cluster.addressing = Addressing::Kcm;
        cluster.pods.push("fd00:244::/56".parse().unwrap());
        cluster.services.push("fd00:96::/112".parse().unwrap());
        cluster.block_prefix_v6 = Some(64);
    };
    assert_eq!(
        controller_manager(dual),
        format!(
            "{SIGNING} {on} --cluster-cidr=10.244.0.0/16,fd00:244::/56 \
            --service-cluster-ip-range=10.96.0.0/16,fd00:96::/112 --node-cidr-mask-size-ipv4=24 \
            --node-cidr-mask-size-ipv6=64\""
        )
    );
}

#[test]
fn addresses_of_ipv6_stand_in_brackets_where_a_port_follows() {
    let mut tree = Tree::empty();
    tree.identity.addresses = vec!["fd00:99::1".parse().unwrap()];
    tree.settings.cluster.services = vec!["fd00:96::/112".parse().unwrap()];
    tree.settings.api.endpoint = "https://[fd00:99::1]:443".to_owned();
    tree.settle().unwrap();
    let etcd = tree.read("/etc/kubernetes/etcd.env");
    assert!(etcd.contains("\nETCD_INITIAL_CLUSTER=control-1=https://[fd00:99::1]:2380\n"), "{etcd}");
    assert_eq!(
        tree.read("/etc/kubernetes/kube-apiserver.env").lines().nth(1).unwrap(),
        "KUBE_APISERVER_ARGS=\"--advertise-address=fd00:99::1 --secure-port=443 \
        --service-cluster-ip-range=fd00:96::/112 \
        --service-account-issuer=https://kubernetes.default.svc.cluster.local\""
    );
    assert!(tree.read("/etc/kubernetes/scheduler.conf").contains("    server: https://[fd00:99::1]:443\n"));
}

#[test]
fn without_an_endpoint_the_machine_itself_is_the_endpoint() {
    let mut tree = Tree::empty();
    tree.settings.api.endpoint.clear();
    tree.settle().unwrap();
    for name in ["admin.conf", "super-admin.conf", "kubelet.conf"] {
        let text = tree.read(&format!("/etc/kubernetes/{name}"));
        assert!(text.contains("    server: https://10.99.0.1:6443\n"), "{text}");
    }
}

#[test]
fn texts_follow_the_settings_and_files_with_keys_do_not() {
    let mut tree = Tree::whole();
    let before = tree.snapshot();
    tree.settings.cluster.services = vec!["10.96.0.0/20".parse().unwrap()];
    tree.write("/etc/kubernetes/etcd.env", "ETCD_NAME=somebody\n");
    assert_eq!(tree.settle().unwrap(), 2);
    let after = tree.snapshot();
    let changed: Vec<_> = after.iter().filter(|(name, text)| before.get(*name) != Some(text)).collect();
    let names: Vec<_> = changed.iter().map(|(name, _)| name.to_str().unwrap()).collect();
    assert_eq!(names, ["etc/kubernetes/kube-apiserver.env"]);
}
