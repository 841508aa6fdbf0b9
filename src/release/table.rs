// SPDX-License-Identifier: Apache-2.0
//! The layouts of the projects that kiln knows.
//!
//! Sources: kubernetes.io "Download Kubernetes"; the release pages of each project on GitHub as of 2026.

use super::{Pointer, ReleaseError};
use crate::manifest::input::Release;
use crate::sigstore::Signer;

/// Larger than any program or archive here (the largest, kubelet and etcd, have well below 200 MB).
pub(super) const SIZE_MAX_BYTES: u64 = 2 << 30;

/// How one project lays out its releases. `{version}` has the `v`, `{number}` has not.
#[derive(Debug)]
pub(super) struct Layout {
    /// The name in manifests.
    pub(super) project: &'static str,
    /// What a mirror takes the place of.
    pub(super) prefix: &'static str,
    /// Below the prefix, without slashes at its ends.
    pub(super) folder: &'static str,
    /// In the folder.
    pub(super) file: &'static str,
    /// The file of digests in the same folder.
    pub(super) sums: Option<&'static str>,
    /// Who signs each file without a key of their own (`.sig` and `.cert` beside it).
    pub(super) signer: Option<Signer>,
    /// Components that it has files for.
    pub(super) components: &'static [&'static str],
    /// Whether the file is the program itself, which then keeps the component's name.
    pub(super) is_program: bool,
}

/// Source: kubernetes.io "Verify Signed Kubernetes Artifacts"; binaries are signed from 1.26 on.
const KUBERNETES: Signer = Signer {
    identity: "krel-staging@k8s-releng-prod.iam.gserviceaccount.com",
    issuer: "https://accounts.google.com",
};

const LAYOUTS: &[Layout] = &[
    Layout {
        project: "kubernetes",
        prefix: "https://dl.k8s.io/release",
        folder: "{version}/bin/linux/{arch}",
        file: "{component}",
        // Bare hex, without a name.
        sums: Some("{component}.sha256"),
        signer: Some(KUBERNETES),
        components: &[
            "kubelet",
            "kube-proxy",
            "kubectl",
            "kubeadm",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
        ],
        is_program: true,
    },
    Layout {
        project: "etcd",
        prefix: "https://github.com/etcd-io/etcd/releases/download",
        folder: "{version}",
        file: "etcd-{version}-linux-{arch}.tar.gz",
        sums: Some("SHA256SUMS"),
        signer: None,
        components: &["etcd"],
        is_program: false,
    },
    Layout {
        project: "containerd",
        prefix: "https://github.com/containerd/containerd/releases/download",
        folder: "{version}",
        file: "containerd-{number}-linux-{arch}.tar.gz",
        sums: Some("containerd-{number}-linux-{arch}.tar.gz.sha256sum"),
        signer: None,
        components: &["containerd"],
        is_program: false,
    },
    Layout {
        project: "runc",
        prefix: "https://github.com/opencontainers/runc/releases/download",
        folder: "{version}",
        file: "runc.{arch}",
        // Lists all files of the release, within a clear-signed text.
        sums: Some("runc.sha256sum"),
        signer: None,
        components: &["runc"],
        is_program: true,
    },
    Layout {
        project: "cni-plugins",
        prefix: "https://github.com/containernetworking/plugins/releases/download",
        folder: "{version}",
        file: "cni-plugins-linux-{arch}-{version}.tgz",
        sums: Some("cni-plugins-linux-{arch}-{version}.tgz.sha256"),
        signer: None,
        components: &["cni-plugins"],
        is_program: false,
    },
    Layout {
        project: "flannel",
        prefix: "https://github.com/flannel-io/flannel/releases/download",
        folder: "{version}",
        file: "flannel-{version}-linux-{arch}.tar.gz",
        // Publishes none; its attestation covers the container image only.
        sums: None,
        signer: None,
        components: &["flannel"],
        is_program: false,
    },
    Layout {
        project: "cri-dockerd",
        prefix: "https://github.com/Mirantis/cri-dockerd/releases/download",
        folder: "{version}",
        file: "cri-dockerd-{number}.{arch}.tgz",
        sums: None,
        signer: None,
        components: &["cri-dockerd"],
        is_program: false,
    },
    Layout {
        project: "coredns",
        prefix: "https://github.com/coredns/coredns/releases/download",
        folder: "{version}",
        file: "coredns_{number}_linux_{arch}.tgz",
        sums: Some("coredns_{number}_linux_{arch}.tgz.sha256"),
        signer: None,
        components: &["coredns"],
        is_program: false,
    },
];

pub(super) fn find(project: &str) -> Result<&'static Layout, ReleaseError> {
    LAYOUTS.iter().find(|layout| layout.project == project).ok_or_else(|| {
        let known: Vec<&str> = LAYOUTS.iter().map(|layout| layout.project).collect();
        ReleaseError::Project { project: project.to_owned(), known: known.join(", ") }
    })
}

/// `stable-1.N.txt` for the minor version that is used, and `stable.txt`.
pub(super) fn kubernetes_pointers(release: &Release) -> Vec<Pointer> {
    let prefix = find("kubernetes").map_or("", |layout| layout.prefix);
    let prefix = release.mirror.as_deref().unwrap_or(prefix).trim_end_matches('/');
    let mut parts = release.version.trim_start_matches('v').split('.');
    let minor = match (parts.next(), parts.next()) {
        (Some(major), Some(minor)) => Some(format!("stable-{major}.{minor}")),
        _ => None,
    };
    let labels = minor.into_iter().chain(["stable".to_owned()]);
    labels.map(|label| Pointer { url: format!("{prefix}/{label}.txt"), label }).collect()
}
