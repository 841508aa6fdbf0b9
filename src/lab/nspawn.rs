// SPDX-License-Identifier: Apache-2.0
//! How systemd-nspawn is called for a node: its words, and the files it reads. The keeper of the node puts the files in
//! place, in a /run that only it and its node see.

use std::path::{Path, PathBuf};

use super::body::Container;
use super::plan::{Network, NodeRecord};
use super::workaround::Means;

/// The keeper's own /run.
pub const RUN: &str = "/run";
/// Where the node's root is mounted in it.
pub const ROOT: &str = "/run/root";
/// The node's network configuration; a name before the image's own, and before systemd's 80-container-host0.network.
const NETWORK_FILE: &str = "/run/systemd/network/10-kiln-lab.network";

/// The boot loader's configuration in the lab's image.
const GRUB: &str = include_str!("../../image/lab/grub.cfg");

/// System calls beyond nspawn's own list: runc and the CNI plugins mount and use BPF, containerd the keyring.
const SYSTEM_CALLS: &str = "bpf keyctl add_key perf_event_open @mount @module";

/// A file that nspawn shows or hands to the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where it lies in the keeper's /run.
    pub path: PathBuf,
    /// Its content.
    pub content: String,
    /// Its permissions.
    pub mode: u32,
}

/// Secrets, and units that may hold some.
const SECRET: u32 = 0o600;
/// What everybody in the node may read.
const SHOWN: u32 = 0o644;
const PROGRAM: u32 = 0o755;

/// The call of systemd-nspawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its environment.
    pub environment: [(&'static str, &'static str); 2],
    /// Files to be made before. Those of the record's own credentials come on top.
    pub files: Vec<File>,
}

/// Returns what nspawn calls the bridge's end of a node's link (systemd-nspawn(1), --network-bridge); where that is too long
/// for an interface, it is another name of the same.
pub fn link(body: &Container) -> String {
    format!("vb-{}", body.machine)
}

/// Returns the call for a node.
pub fn call(node: &NodeRecord, body: &Container) -> Call {
    let mut call = Call { arguments: fixed(node, body), environment: ENVIRONMENT, files: Vec::new() };
    call.show(NETWORK_FILE, &network_file(&node.network), SHOWN);
    for means in body.workarounds.iter().flat_map(|workaround| &workaround.means) {
        call.add(means);
    }
    for name in node.credentials.keys() {
        call.arguments.push(format!("--load-credential={name}:{}", credential(name).display()));
    }
    call.arguments.push("--boot".into());
    call.arguments.extend(kernel_words().map(str::to_owned));
    call
}

/// Returns what the boot loader would tell systemd by way of the kernel; in a container systemd takes it as arguments.
fn kernel_words() -> impl Iterator<Item = &'static str> {
    let linux = GRUB.lines().find_map(|line| line.strip_prefix("linux ")).unwrap_or_default();
    linux.split(' ').filter(|word| word.starts_with("systemd."))
}

/// network: of /proc/sys only the part of the node's own network namespace can be written (systemd's
/// docs/ENVIRONMENT.md). Nothing that a node sets reaches the machine.
const ENVIRONMENT: [(&str, &str); 2] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "network"),
];

/// Returns where the keeper puts a credential. The node's secrets must not stand among nspawn's arguments, which
/// everybody may read.
pub fn credential(name: &str) -> PathBuf {
    Path::new(RUN).join("credentials").join(name)
}

fn fixed(node: &NodeRecord, body: &Container) -> Vec<String> {
    let words = [
        "--quiet",
        // Neither a scope nor an entry in machinectl: the machine may have no systemd of its own.
        "--register=no",
        "--keep-unit",
        "--directory=/run/root",
        "--capability=all",
        // What units print to /dev/console is what a person wants to see, and pipe has no such device.
        "--console=read-only",
        // The node is as the image makes it: nothing of the machine's own configuration.
        "--timezone=off",
        "--resolv-conf=off",
        "--link-journal=no",
    ];
    let mut all: Vec<String> = words.map(str::to_owned).into();
    all.push(format!("--system-call-filter={SYSTEM_CALLS}"));
    all.push(format!("--machine={}", body.machine));
    all.push(format!("--hostname={}", node.name));
    all.push(format!("--network-bridge={}", body.link.bridge));
    all
}

impl Call {
    fn add(&mut self, means: &Means) {
        match means {
            Means::Credential { name, content } => {
                let path = credential(name);
                self.arguments.push(format!("--load-credential={name}:{}", path.display()));
                self.files.push(File { path, content: content.clone(), mode: SECRET });
            }
            Means::File { path, content } => self.show(path, content, SHOWN),
            Means::Program { path, content } => self.show(path, content, PROGRAM),
            Means::Path { path } => self.arguments.push(format!("--bind-ro={path}")),
        }
    }

    /// Has the node see a file at `path`, read-only.
    fn show(&mut self, path: &str, content: &str, mode: u32) {
        let name = path.trim_start_matches('/').replace('/', "-");
        let file = Path::new(RUN).join("shown").join(name);
        self.arguments.push(format!("--bind-ro={}:{path}", file.display()));
        self.files.push(File { path: file, content: content.to_owned(), mode });
    }
}

/// Returns what systemd-networkd reads for the node's one link, which nspawn calls host0. It has no IPv6 address: whether
/// that is somebody else's takes a second to find out, and the node would not be online before.
fn network_file(network: &Network) -> String {
    let gateway = network.gateway.map(|gateway| format!("Gateway={gateway}\n")).unwrap_or_default();
    format!(
        "[Match]\nName=host0\n\n[Network]\nAddress={}\n{gateway}LinkLocalAddressing=no\nIPv6AcceptRA=no\n",
        network.address
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::lab::body::Body;
    use crate::lab::ground::Link;
    use crate::lab::layout::{Span, Spans};

    fn call() -> Call {
        let span = Span { offset: 0, len: 512 };
        let body = Container {
            machine: "lab-worker-1".into(),
            spans: Spans { root: span, usr: span },
            cgroup: "kiln-lab-lab/worker-1".into(),
            link: Link { namespace: "/run/kiln-lab/lab/network".into(), bridge: "kiln0".into() },
            workarounds: crate::lab::workarounds(&crate::lab::Facts::default()),
        };
        let node = NodeRecord {
            name: "worker-1".parse().unwrap(),
            lab: "/run/kiln-lab/lab/lab.json".into(),
            image: "/kiln-lab.raw".into(),
            disk: "/var/lib/kiln-lab/lab/worker-1.raw".into(),
            disk_bytes: 512,
            console: "/var/lib/kiln-lab/lab/worker-1.log".into(),
            network: Network {
                address: "10.0.2.11/24".parse().unwrap(),
                gateway: Some([10, 0, 2, 1].into()),
            },
            credentials: BTreeMap::from([("kiln.token".into(), "/run/kiln-lab/lab/nodes/worker-1/t".into())]),
            body: Body::Container(body.clone()),
        };
        super::call(&node, &body)
    }

    #[test]
    fn credentials_come_from_files_and_the_boot_loaders_words_last() {
        let call = call();
        let words: Vec<&str> = call.arguments.iter().map(String::as_str).collect();
        assert!(words.contains(&"--load-credential=kiln.token:/run/credentials/kiln.token"));
        assert!(!words.iter().any(|word| word.starts_with("--set-credential")), "everybody reads arguments");
        let end = ["--boot", "systemd.firstboot=no", "systemd.condition_needs_update=no"];
        assert!(words.ends_with(&end), "{words:?}");
    }

    #[test]
    fn the_nodes_address_is_a_file_of_networkd() {
        let call = call();
        let shown =
            call.files.iter().find(|file| file.path.ends_with("run-systemd-network-10-kiln-lab.network"));
        let text = "[Match]\nName=host0\n\n[Network]\nAddress=10.0.2.11/24\nGateway=10.0.2.1\n\
            LinkLocalAddressing=no\nIPv6AcceptRA=no\n";
        assert_eq!(shown.map(|file| (&file.content[..], file.mode)), Some((text, 0o644)));
    }
}
