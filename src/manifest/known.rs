// SPDX-License-Identifier: Apache-2.0
//! Known: the components that kiln knows by name, whose release has them, and where their files go.
//!
//! Binaries go to /opt/bin and CNI plugins to /opt/cni/bin, kubelet's and containerd's default; /usr belongs to the vendor.

use super::{Arch, Go, Install, Source};

/// Permission bits of programs.
pub const PROGRAM_MODE: u16 = 0o755;

const BIN: &str = "/opt/bin/";
const CNI_BIN: &str = "/opt/cni/bin/";

/// A component that kiln knows.
#[derive(Debug)]
pub struct Known {
    /// Its name in a manifest.
    pub name: &'static str,
    /// The project whose release has it; none if there is none.
    pub project: Option<&'static str>,
    /// The folder in the image, with a '/' at its end.
    folder: &'static str,
    /// Members of the release's archive, with {version} and {arch}; or the one file.
    members: &'static [&'static str],
}

const fn kubernetes(name: &'static str, members: &'static [&'static str]) -> Known {
    Known { name, project: Some("kubernetes"), folder: BIN, members }
}

const fn project(name: &'static str, folder: &'static str, members: &'static [&'static str]) -> Known {
    Known { name, project: Some(name), folder, members }
}

/// The layouts were read from each project's release of 2026 (bake-anchors 2.6 for the first four).
static KNOWN: [Known; 15] = [
    kubernetes("kubelet", &["kubelet"]),
    kubernetes("kube-proxy", &["kube-proxy"]),
    kubernetes("kubectl", &["kubectl"]),
    kubernetes("kubeadm", &["kubeadm"]),
    kubernetes("kube-apiserver", &["kube-apiserver"]),
    kubernetes("kube-controller-manager", &["kube-controller-manager"]),
    kubernetes("kube-scheduler", &["kube-scheduler"]),
    project("etcd", BIN, &["etcd-{version}-linux-{arch}/etcd", "etcd-{version}-linux-{arch}/etcdctl"]),
    project("cni-plugins", CNI_BIN, &["*"]),
    project("flannel", BIN, &["flanneld", "mk-docker-opts.sh"]),
    project("containerd", BIN, &["bin/containerd", "bin/containerd-shim-runc-v2", "bin/ctr"]),
    project("runc", BIN, &["runc"]),
    project("cri-dockerd", BIN, &["cri-dockerd/cri-dockerd"]),
    project("coredns", BIN, &["coredns"]),
    Known { name: "kiln-firstboot", project: None, folder: BIN, members: &["kiln-firstboot"] },
];

/// Programs that `go build` names otherwise than everybody else does.
const GO_NAMES: [(&str, &str, &str); 3] = [
    ("flannel", "flannel", "flanneld"),
    ("cni-plugins", "cni-plugin", "flannel"),
    ("etcd", "server", "etcd"),
];

/// What archives are called.
const ARCHIVES: [&str; 6] = [".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst"];

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Tells whether `path` is where a program of a known component goes.
pub fn is_program(path: &str) -> bool {
    let is_of = |known: &Known| {
        let name = path.strip_prefix(known.folder);
        name.is_some_and(|name| known.members.iter().any(|member| file_name(member) == name))
    };
    KNOWN.iter().any(is_of)
}

/// Returns the known component of this name.
pub fn find(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

/// Returns all known names.
pub fn names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|known| known.name)
}

impl Known {
    /// Returns where the files go that come from `source`, unless nobody can tell from its name.
    pub fn install(&self, source: &Source, version: Option<&str>, arch: Arch) -> Option<Vec<Install>> {
        match source {
            Source::Go(go) => Some(programs(go).into_iter().map(|program| self.built(program)).collect()),
            Source::Release(_) => self.installs(version, arch),
            Source::Itself => self.installs(None, arch),
            Source::Url { url, .. } => self.download(file_name(url.split(['?', '#']).next()?), version, arch),
            Source::File { path, .. } => self.download(path.file_name()?.to_str()?, version, arch),
            Source::Recipe { .. } => None,
        }
    }

    /// Returns the members of the project's own archive, or its one file.
    pub fn members(&self, version: Option<&str>, arch: Arch) -> Option<Vec<String>> {
        let fill = |member: &&str| match version {
            Some(version) => Some(member.replace("{version}", version).replace("{arch}", arch.name())),
            None if member.contains("{version}") => None,
            None => Some((*member).to_owned()),
        };
        self.members.iter().map(fill).collect()
    }

    fn installs(&self, version: Option<&str>, arch: Arch) -> Option<Vec<Install>> {
        let install = |member| Install { member, path: self.folder.to_owned(), mode: PROGRAM_MODE };
        Some(self.members(version, arch)?.into_iter().map(install).collect())
    }

    /// An archive is taken for one in the project's layout, another file for the program itself.
    fn download(&self, file: &str, version: Option<&str>, arch: Arch) -> Option<Vec<Install>> {
        if ARCHIVES.iter().any(|suffix| file.ends_with(suffix)) {
            return self.installs(version, arch);
        }
        let [program] = self.members else { return None };
        let path = format!("{}{}", self.folder, file_name(program));
        (*program != "*").then(|| vec![Install { member: file.to_owned(), path, mode: PROGRAM_MODE }])
    }

    fn built(&self, program: &str) -> Install {
        let renamed = GO_NAMES.iter().find(|(name, built, _)| (*name, *built) == (self.name, program));
        let path = renamed.map_or(self.folder.to_owned(), |(_, _, name)| format!("{}{name}", self.folder));
        Install { member: program.to_owned(), path, mode: PROGRAM_MODE }
    }
}

/// Returns the names that `go build` gives: the last element of the import path, or the one before a major version
/// ("/v2"; cmd/go, "go help build").
pub fn programs(go: &Go) -> Vec<&str> {
    go.packages.iter().map(|package| program(package)).collect()
}

fn program(package: &str) -> &str {
    let package = package.trim_end_matches('/');
    let (parent, last) = package.rsplit_once('/').unwrap_or(("", package));
    let is_major =
        last.strip_prefix('v').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    if is_major && !parent.is_empty() { parent.rsplit('/').next().unwrap_or(parent) } else { last }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_programs_are_named_as_go_names_them() {
        for (package, name) in [
            ("k8s.io/kubernetes/cmd/kubelet", "kubelet"),
            ("github.com/containerd/containerd/v2", "containerd"),
            ("github.com/containerd/containerd/v2/cmd/ctr", "ctr"),
            ("v2", "v2"),
        ] {
            assert_eq!(program(package), name);
        }
    }
}
