// SPDX-License-Identifier: Apache-2.0
//! What is added to a node because it is a container, or because of the machine it runs on. Each is a credential or a
//! file that the node sees; none is in the image, and `kiln lab status` lists them.

mod kubernetes;

use std::fmt;

use serde::{Deserialize, Serialize};

use super::lacks::Facts;

/// Something added to a node that the image does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workaround {
    /// What would go wrong without it.
    pub because: String,
    /// What is added.
    pub means: Vec<Means>,
}

/// One thing that is added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// A system credential: systemd makes a unit or a drop-in below /run from it (systemd.system-credentials(7)).
    Credential {
        /// Its name.
        name: String,
        /// Its content.
        content: String,
    },
    /// A file that is seen at a path, read-only: below /run, or where a program looks for drop-ins.
    File {
        /// Where it is seen.
        path: String,
        /// Its content.
        content: String,
    },
    /// A program that is seen at a path below /run.
    Program {
        /// Where it is seen.
        path: String,
        /// Its content.
        content: String,
    },
    /// A path of the machine that the node sees as well, read-only.
    Path {
        /// The path.
        path: String,
    },
}

impl fmt::Display for Means {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential { name, .. } => write!(f, "credential {name}"),
            Self::File { path, .. } => write!(f, "file {path}"),
            Self::Program { path, .. } => write!(f, "program {path}"),
            Self::Path { path } => write!(f, "{path} of the machine"),
        }
    }
}

/// Machine-wide settings that kubelet wants, with the values it is content with (kubernetes v1.36
/// pkg/kubelet/cm/container_manager_linux.go, setupKernelTunables; pkg/util/sysctl).
const KUBELET_WANTS: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];

/// Returns what every node of a lab on this machine gets.
pub fn workarounds(facts: &Facts) -> Vec<Workaround> {
    let mut all = vec![disk_units(), watchers(), tunables(), kernel_log(), kubernetes::conntrack()];
    if facts.cgroup_v1 {
        all.extend([writable_cgroups(), kubernetes::cgroup_v1()]);
    }
    if !facts.may_lower_oom_score {
        all.extend([kubernetes::oom_score(), kubernetes::docker_oom_score()]);
    }
    all
}

/// A container has no disk of its own that it could enlarge, and no boot partition; its disk is enlarged before.
fn disk_units() -> Workaround {
    Workaround {
        because: "a container has no partitions: its disk has been grown before the start".into(),
        means: ["extend-filesystems.service", "boot.mount"].map(not_here).into(),
    }
}

/// The kernel counts inotify instances by user, and root is the same one in all nodes: 128 of them are soon used up, and
/// kubelet ends where there is none left.
fn watchers() -> Workaround {
    let units =
        ["console-getty.service", "systemd-ask-password-console.path", "systemd-ask-password-wall.path"];
    Workaround {
        because: "inotify instances are few, and one number for all nodes together: nothing watches a console that \
                  nobody types on"
            .into(),
        means: units.map(not_here).into(),
    }
}

/// /proc/sys is read-only but for the node's own network, so nothing can change the machine. kubelet ends when it finds
/// another value than it wants, and reads only, when it finds that one.
fn tunables() -> Workaround {
    let file = |(name, value): (&str, &str)| Means::File {
        path: format!("/run/kiln-lab/{}", name.replace('/', ".")),
        content: format!("{value}\n"),
    };
    let bind = |(name, _): (&str, &str)| {
        format!("ExecStart=mount --bind /run/kiln-lab/{} /proc/sys/{name}\n", name.replace('/', "."))
    };
    let binds = KUBELET_WANTS.map(bind).concat();
    let mut means: Vec<Means> = KUBELET_WANTS.map(file).into();
    means.extend(unit(
        "kiln-lab-tunables.service",
        &format!("Before=systemd-sysctl.service sysinit.target\n\n[Service]\n{binds}"),
    ));
    Workaround {
        because: "kubelet wants settings of the whole machine: the node sees files with the wanted values in their \
                  place, and the machine keeps its own"
            .into(),
        means,
    }
}

fn kernel_log() -> Workaround {
    Workaround {
        because: "kubelet watches the kernel's log for processes that ran out of memory".into(),
        means: vec![Means::Path { path: "/dev/kmsg".into() }],
    }
}

/// nspawn mounts the controllers of cgroup v1 read-only; runc makes the groups of pods there.
fn writable_cgroups() -> Workaround {
    let controllers = ["blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"];
    // "-": a machine may lack one of them, or have some together.
    let remount = controllers
        .map(|name| format!("ExecStart=-mount -o remount,bind,rw /sys/fs/cgroup/{name}\n"))
        .concat();
    let text = format!("Before=sysinit.target\n\n[Service]\n{remount}");
    Workaround {
        because: "this machine has cgroup v1, whose controllers a container may only read".into(),
        means: unit("kiln-lab-cgroups.service", &text).into(),
    }
}

/// Returns a oneshot unit that runs before everything else; `text` goes on in its [Unit] section.
fn unit(name: &str, text: &str) -> [Means; 2] {
    let text = text.replace("[Service]\n", "[Service]\nType=oneshot\nRemainAfterExit=yes\n");
    let text = format!("[Unit]\nDescription=kiln lab: {name}\nDefaultDependencies=no\n{text}");
    let unit = Means::Credential { name: format!("systemd.extra-unit.{name}"), content: text };
    let stem = name.trim_end_matches(".service");
    let wants = Means::Credential {
        name: format!("systemd.unit-dropin.sysinit.target~{stem}"),
        content: format!("[Unit]\nWants={name}\n"),
    };
    [unit, wants]
}

fn not_here(unit: &str) -> Means {
    drop_in(unit, "[Unit]\nConditionVirtualization=!container\n")
}

fn drop_in(unit: &str, content: &str) -> Means {
    Means::Credential { name: format!("systemd.unit-dropin.{unit}~kiln-lab"), content: content.to_owned() }
}
