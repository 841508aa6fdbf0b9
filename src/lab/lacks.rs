// SPDX-License-Identifier: Apache-2.0
//! What a machine lacks for a lab, all of it at once, each with what to do about it.

use std::fmt;

use crate::lacks::{program, too_little};

/// What was found out about the machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Whether this is root, with the capability to mount.
    pub is_root: bool,
    /// Programs that were looked for and not found.
    pub missing_programs: Vec<&'static str>,
    /// Whether loop devices can be had.
    pub has_loop: bool,
    /// Filesystems that are needed and that this kernel neither has nor can load.
    pub missing_filesystems: Vec<&'static str>,
    /// Whether processes may be made less likely to be ended when memory is short (CAP_SYS_RESOURCE).
    pub may_lower_oom_score: bool,
    /// Whether the controllers are those of cgroup v1.
    pub cgroup_v1: bool,
    /// Controllers that pods need and that are mounted nowhere.
    pub missing_controllers: Vec<&'static str>,
    /// How many inotify instances root may still have.
    pub watchers: u64,
    /// Memory that can be had, in bytes.
    pub memory_bytes: u64,
    /// Room where disks go, in bytes.
    pub disk_bytes: u64,
}

/// What a lab will take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// How many nodes.
    pub nodes: u64,
    /// Whether one of them is a control plane.
    pub has_control: bool,
    /// What the image takes on a disk, in bytes; each node copies that.
    pub image_bytes: u64,
}

/// Why a lab can't be: one line for each thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacks(pub Vec<String>);

/// Programs that a lab runs, with the Debian packages that have them.
pub const PROGRAMS: [(&str, &str); 7] = [
    ("systemd-nspawn", "systemd-container"),
    ("mount", "mount"),
    ("e2fsck", "e2fsprogs"),
    ("resize2fs", "e2fsprogs"),
    ("ip", "iproute2"),
    ("nsenter", "util-linux"),
    ("losetup", "mount"),
];
/// Filesystems that a node mounts.
pub const FILESYSTEMS: [&str; 4] = ["ext4", "squashfs", "overlay", "tmpfs"];
/// Controllers that runc and kubelet can't do without.
pub const CONTROLLERS: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];

/// A node with kubelet, containerd, kube-proxy and flannel takes about 250 MiB (testbench: 86 + 51 + 59 and systemd).
const NODE_MEMORY: u64 = 300 << 20;
/// inotify instances of root in a node: 4 of systemd, 5 of kubelet, 2 of containerd, 1 of kube-proxy (counted in
/// /proc/PID/fd).
const NODE_WATCHERS: u64 = 12;
/// 7 of kube-apiserver and 6 of kube-controller-manager.
const CONTROL_WATCHERS: u64 = 13;
/// Etcd and API server of a small cluster.
const CONTROL_MEMORY: u64 = 700 << 20;
/// What a node writes in its first minutes: journal, images, containers' layers.
const NODE_DISK: u64 = 256 << 20;

/// Returns what the machine lacks, if it lacks anything.
pub fn lacks(facts: &Facts, need: &Need) -> Result<(), Lacks> {
    let mut lines = Vec::new();
    if !facts.is_root {
        lines.push(
            "not root: nspawn mounts and makes namespaces; use sudo, or --backend qemu, which needs no root"
                .to_owned(),
        );
    }
    lines.extend(facts.missing_programs.iter().map(|name| program(name, &PROGRAMS)));
    if !facts.has_loop {
        lines.push("no loop devices: /dev/loop-control is missing; modprobe loop".to_owned());
    }
    for name in &facts.missing_filesystems {
        lines.push(format!("the kernel has no {name} filesystem: modprobe {name}"));
    }
    for name in &facts.missing_controllers {
        lines.push(format!("no {name} controller is mounted below /sys/fs/cgroup: no pod would start"));
    }
    let of_control = |what: u64| if need.has_control { what } else { 0 };
    let watchers = need.nodes * NODE_WATCHERS + of_control(CONTROL_WATCHERS);
    if facts.watchers < watchers {
        lines.push(format!(
            "too few inotify instances: root may have {} more, {watchers} are needed; \
            sysctl fs.inotify.max_user_instances=1024",
            facts.watchers
        ));
    }
    let memory_bytes = need.nodes * NODE_MEMORY + of_control(CONTROL_MEMORY);
    lines.extend(too_little("memory", facts.memory_bytes, memory_bytes));
    lines.extend(too_little("disk", facts.disk_bytes, need.nodes * (need.image_bytes + NODE_DISK)));
    if lines.is_empty() { Ok(()) } else { Err(Lacks(lines)) }
}

impl fmt::Display for Lacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this machine can't hold the lab:\n{}", self.0.join("\n"))
    }
}

impl std::error::Error for Lacks {}

#[cfg(test)]
mod tests {
    use super::*;

    const NEED: Need = Need { nodes: 3, has_control: true, image_bytes: 800 << 20 };

    #[test]
    fn a_machine_that_has_everything_lacks_nothing() {
        let facts = Facts {
            is_root: true,
            has_loop: true,
            watchers: 49,
            memory_bytes: 4 << 30,
            disk_bytes: 10 << 30,
            ..Facts::default()
        };
        assert_eq!(lacks(&facts, &NEED), Ok(()));
    }

    #[test]
    fn one_more_worker_takes_no_more_than_a_worker() {
        let facts = Facts {
            is_root: true,
            has_loop: true,
            watchers: 12,
            memory_bytes: 300 << 20,
            disk_bytes: 2 << 30,
            ..Facts::default()
        };
        let worker = Need { nodes: 1, has_control: false, ..NEED };
        assert_eq!(lacks(&facts, &worker), Ok(()));
        let text = lacks(&Facts { watchers: 11, ..facts }, &worker).unwrap_err().to_string();
        assert!(text.contains("root may have 11 more, 12 are needed"), "{text}");
    }

    #[test]
    fn everything_that_lacks_is_told_at_once() {
        let facts = Facts {
            missing_programs: vec!["systemd-nspawn"],
            missing_filesystems: vec!["squashfs"],
            missing_controllers: vec!["pids"],
            memory_bytes: 1 << 30,
            ..Facts::default()
        };
        let text = lacks(&facts, &NEED).unwrap_err().to_string();
        assert_eq!(text.lines().count(), 9, "{text}");
        assert!(text.contains("systemd-nspawn is missing: apt-get install systemd-container"), "{text}");
        assert!(text.contains("root may have 0 more, 49 are needed"), "{text}");
        assert!(text.contains("too little memory: 1024 MiB are free, 1600 MiB are needed"), "{text}");
    }
}
