// SPDX-License-Identifier: Apache-2.0
//! Where the control plane's files lie: kubeadm's paths, and kiln's own beside them. The units name them as well.

/// Keys and certificates.
pub const PKI: &str = "/etc/kubernetes/pki";
/// The cluster's trusted authorities; the first is the one that signs, unless there is a signing pair.
pub const CLUSTER_CA: &str = "/etc/kubernetes/pki/ca";
/// A pair that signs instead of the cluster CA, whose key is then kept elsewhere.
pub const SIGNING: &str = "/etc/kubernetes/pki/signing";
/// The key that signs the tokens of service accounts.
pub const ACCOUNTS: &str = "/etc/kubernetes/pki/sa";
/// The key that secrets are encrypted with in etcd.
pub const ENCRYPTION: &str = "/etc/kubernetes/encryption.yaml";
/// Who may ask the API server without a name, and what.
pub const AUTHENTICATION: &str = "/etc/kubernetes/authentication.yaml";
/// etcd's settings.
pub const ETCD: &str = "/etc/kubernetes/etcd.env";
/// Options of the API server that depend on the machine.
pub const API_SERVER: &str = "/etc/kubernetes/kube-apiserver.env";
/// Options of the controller manager that depend on the cluster.
pub const CONTROLLER_MANAGER: &str = "/etc/kubernetes/kube-controller-manager.env";
/// For people: everything that RBAC gives the group kubeadm:cluster-admins.
pub const ADMIN: &str = "/etc/kubernetes/admin.conf";
/// For emergencies and for the first grants: in the group that no RBAC can stop.
pub const SUPER_ADMIN: &str = "/etc/kubernetes/super-admin.conf";
/// The credential of the controller manager.
pub const CONTROLLER_MANAGER_CONF: &str = "/etc/kubernetes/controller-manager.conf";
/// The credential of the scheduler.
pub const SCHEDULER_CONF: &str = "/etc/kubernetes/scheduler.conf";
/// The credential of this machine's kubelet, by path.
pub const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";
/// Where kubelet keeps its certificates.
pub const KUBELET_PKI: &str = "/var/lib/kubelet/pki";
/// The link to kubelet's present certificate and key.
pub const KUBELET_CURRENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
/// How the names of kubelet's dated certificates begin.
pub const KUBELET_DATED: &str = "/var/lib/kubelet/pki/kubelet-client-";
/// What etcd makes in its data folder; the cluster lives in it.
pub const ETCD_MEMBER: &str = "/var/lib/etcd/member";

/// Returns the path of the certificate with this base.
pub fn certificate(base: &str) -> String {
    format!("{base}.crt")
}

/// Returns the path of the private key with this base.
pub fn key(base: &str) -> String {
    format!("{base}.key")
}
