// SPDX-License-Identifier: Apache-2.0
//! What kubelet, kube-proxy and containerd are told in a container, beside what the image tells them.

use super::{Means, Workaround, drop_in};

const RUNC: &str = include_str!("runc.sh");

/// A container can't set limits of the machine's connection tracking, and kube-proxy ends when it can't. Its
/// configuration has no folder of drop-ins, so its start reads a copy with two lines more.
pub(super) fn conntrack() -> Workaround {
    let text = "conntrack:\n  maxPerCore: 0\n  min: 0\n";
    let copy = "/run/kiln-lab-kube-proxy.yaml";
    let start = format!(
        "[Service]\n\
        ExecStartPre=cp /etc/kubernetes/kube-proxy.yaml {copy}\n\
        ExecStartPre=sed --in-place \"$$r /run/kiln-lab/conntrack.yaml\" {copy}\n\
        ExecStart=\n\
        ExecStart=/opt/bin/kube-proxy --config={copy}\n"
    );
    Workaround {
        because: "the limits of connection tracking are the machine's, and a container can't set them".into(),
        means: vec![file("/run/kiln-lab/conntrack.yaml", text), drop_in("kube-proxy.service", &start)],
    }
}

/// kubelet refuses cgroup v1 since 1.35 if nobody says that it is meant (kubelet.config.k8s.io/v1beta1, failCgroupV1).
pub(super) fn cgroup_v1() -> Workaround {
    let text = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nfailCgroupV1: false\n";
    Workaround {
        because: "this machine has cgroup v1, which kubelet takes only when told".into(),
        means: vec![file("/etc/kubernetes/kubelet.d/90-kiln-lab.conf", text)],
    }
}

/// runc writes a pause container's score, which is below its own, and fails where the kernel says no.
pub(super) fn oom_score() -> Workaround {
    let configuration = "/run/kiln-lab/containerd.toml";
    let text = "version = 3\nimports = ['/etc/containerd/config.toml']\n\n\
        [plugins.'io.containerd.cri.v1.runtime']\n  restrict_oom_score_adj = true\n";
    let start = format!("[Service]\nExecStart=\nExecStart=/opt/bin/containerd --config {configuration}\n");
    Workaround {
        because: "on this machine root may not lower the score by which the kernel chooses whom to end when memory is \
                  short (CAP_SYS_RESOURCE)"
            .into(),
        means: vec![file(configuration, text), drop_in("containerd.service", &start)],
    }
}

/// The same for docker's containers.
pub(super) fn docker_oom_score() -> Workaround {
    let runtime = "/run/kiln-lab/runc";
    let start = format!(
        "[Service]\nEnvironment=\"DOCKER_OPTS=--add-runtime=kiln-lab={runtime} --default-runtime=kiln-lab\"\n"
    );
    let program = Means::Program { path: runtime.to_owned(), content: RUNC.to_owned() };
    Workaround {
        because:
            "the same for docker, which has no setting for it: a program before runc changes what it reads"
                .into(),
        means: vec![program, drop_in("docker.service", &start)],
    }
}

fn file(path: &str, content: &str) -> Means {
    Means::File { path: path.to_owned(), content: content.to_owned() }
}
