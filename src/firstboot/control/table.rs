// SPDX-License-Identifier: Apache-2.0
//! kubeadm's table of authorities, leaves and kubeconfigs (kubeadm 1.29 and later, phases/certs and phases/kubeconfig).

use super::place;
use super::plane::Plane;
use crate::firstboot::pki::{Leaf, San, Usage};

/// An authority: who it is, and what follows from its key being elsewhere.
#[derive(Debug)]
pub(super) struct Authority {
    /// Path without ending.
    pub base: &'static str,
    /// The common name.
    pub name: &'static str,
}

pub(super) const CLUSTER: Authority = Authority { base: place::CLUSTER_CA, name: "kubernetes" };
pub(super) const FRONT_PROXY: Authority =
    Authority { base: "/etc/kubernetes/pki/front-proxy-ca", name: "front-proxy-ca" };
pub(super) const ETCD: Authority = Authority { base: "/etc/kubernetes/pki/etcd/ca", name: "etcd-ca" };

/// Kept apart: whoever may talk to etcd is no user of the API, and the front proxy may speak for anyone.
pub(super) const AUTHORITIES: [Authority; 3] = [CLUSTER, FRONT_PROXY, ETCD];

/// A key and a certificate in files of their own.
#[derive(Debug)]
pub(super) struct Pair {
    /// Path without ending.
    pub base: &'static str,
    pub leaf: Leaf,
    pub signer: &'static Authority,
}

/// A kubeconfig that holds key and certificate.
#[derive(Debug)]
pub(super) struct User {
    pub path: &'static str,
    pub leaf: Leaf,
    /// The API server that it talks to.
    pub server: String,
}

/// The group that is bound to cluster-admin by RBAC, so that it can be taken away.
const ADMINS: &str = "kubeadm:cluster-admins";

pub(super) fn pairs(plane: &Plane<'_>) -> Vec<Pair> {
    let named =
        |name: &str, usage, names: &[San]| Leaf { usage, names: names.to_vec(), ..Leaf::client(name, None) };
    let member = named(plane.node, Usage::Both, &plane.member_names);
    let client = Leaf::client;
    vec![
        Pair {
            base: "/etc/kubernetes/pki/apiserver",
            leaf: named("kube-apiserver", Usage::Server, &plane.server_names),
            signer: &CLUSTER,
        },
        Pair {
            base: "/etc/kubernetes/pki/apiserver-kubelet-client",
            leaf: client("kube-apiserver-kubelet-client", Some(ADMINS)),
            signer: &CLUSTER,
        },
        Pair {
            base: "/etc/kubernetes/pki/front-proxy-client",
            leaf: client("front-proxy-client", None),
            signer: &FRONT_PROXY,
        },
        Pair { base: "/etc/kubernetes/pki/etcd/server", leaf: member.clone(), signer: &ETCD },
        Pair { base: "/etc/kubernetes/pki/etcd/peer", leaf: member, signer: &ETCD },
        Pair {
            base: "/etc/kubernetes/pki/etcd/healthcheck-client",
            leaf: client("kube-etcd-healthcheck-client", None),
            signer: &ETCD,
        },
        Pair {
            base: "/etc/kubernetes/pki/apiserver-etcd-client",
            leaf: client("kube-apiserver-etcd-client", None),
            signer: &ETCD,
        },
    ]
}

/// What runs beside the API server talks to it directly, so that it works before a balancer knows this machine.
pub(super) fn users(plane: &Plane<'_>) -> Vec<User> {
    let user = |path, name, group, server: &String| User {
        path,
        leaf: Leaf::client(name, group),
        server: server.clone(),
    };
    vec![
        user(place::ADMIN, "kubernetes-admin", Some(ADMINS), &plane.endpoint),
        user(place::SUPER_ADMIN, "kubernetes-super-admin", Some("system:masters"), &plane.local),
        user(place::CONTROLLER_MANAGER_CONF, "system:kube-controller-manager", None, &plane.local),
        user(place::SCHEDULER_CONF, "system:kube-scheduler", None, &plane.local),
    ]
}
