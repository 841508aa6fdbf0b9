// SPDX-License-Identifier: Apache-2.0
//! A worker without kiln-firstboot: the same root, kubelet's own TLS bootstrap, and every file placed before, from those of
//! a worker that kiln has made.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kiln::lab::{Node, Worker};
use kiln::token::Token;

use crate::it::bench::ask;

/// What is the same on every worker, but for its name, address and block.
const FILES: [&str; 4] = [
    "/etc/kubernetes/kubelet.yaml",
    "/etc/kubernetes/kubelet.d/10-node.conf",
    "/etc/containerd/config.toml",
    "/etc/cni/net.d/10-kiln.conflist",
];
/// Units of the image that have nothing to do here. What they carry between nodes would come as pods, later.
const IDLE: [&str; 6] = [
    "kiln-firstboot.service",
    "kiln-images.service",
    "kiln-masquerade.service",
    "kiln-verify.service",
    "flanneld.service",
    "kube-proxy.service",
];
const NOTHING: &str =
    "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true\n";

/// The files of a worker.
pub struct Model(Vec<(&'static str, String)>);

impl Model {
    /// Reads them.
    pub fn of(node: &Node) -> Self {
        Self(FILES.map(|path| (path, ask(node, &format!("cat {path}")) + "\n")).into())
    }

    /// Returns what a machine is handed instead of kiln's settings and token. The credential `tmpfiles.extra` makes files,
    /// `systemd.extra-unit.` units that come before the image's own (systemd.system-credentials(7)).
    pub fn credentials(&self, worker: Worker, token: &Token, ca: &str) -> BTreeMap<String, Vec<u8>> {
        let mut files = self.0.clone();
        files.push(("/etc/kubernetes/pki/ca.crt", ca.to_owned()));
        files.push(("/etc/kubernetes/bootstrap.conf", kubeconfig(token)));
        let lines = files
            .iter()
            .map(|(path, text)| format!("f+~ {path} 0600 root root - {}\n", STANDARD.encode(text)));
        let mut all = BTreeMap::from([("tmpfiles.extra".to_owned(), lines.collect::<String>().into_bytes())]);
        let unit = |name: &str, text: &str| (format!("systemd.extra-unit.{name}"), text.as_bytes().to_vec());
        all.extend(IDLE.map(|name| unit(name, NOTHING)));
        all.extend([unit("kubelet.service", &kubelet(worker))]);
        all.extend([(
            "systemd.unit-dropin.multi-user.target~kubelet".to_owned(),
            b"[Unit]\nWants=kubelet.service\n".to_vec(),
        )]);
        all
    }
}

fn kubeconfig(token: &Token) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: b\n\
        clusters: [{{ name: b, cluster: {{ server: \"https://10.0.2.10:6443\", certificate-authority: /etc/kubernetes/pki/ca.crt }} }}]\n\
        users: [{{ name: b, user: {{ token: \"{}\" }} }}]\n\
        contexts: [{{ name: b, context: {{ cluster: b, user: b }} }}]\n",
        token.reveal()
    )
}

fn kubelet(worker: Worker) -> String {
    format!(
        "[Unit]\nWants=containerd.service network-online.target\nAfter=containerd.service network-online.target\n\
        [Service]\nEnvironment=PATH=/opt/bin:/usr/sbin:/usr/bin:/sbin:/bin\n\
        ExecStart=/opt/bin/kubelet --config=/etc/kubernetes/kubelet.yaml --config-dir=/etc/kubernetes/kubelet.d \
        --bootstrap-kubeconfig=/etc/kubernetes/bootstrap.conf --kubeconfig=/etc/kubernetes/kubelet.conf \
        --cert-dir=/var/lib/kubelet/pki --hostname-override={} --node-ip={}\n\
        Restart=always\nKillMode=process\n",
        worker.name().unwrap(),
        worker.address().addr()
    )
}
