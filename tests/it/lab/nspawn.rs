// SPDX-License-Identifier: Apache-2.0
//! Nodes as containers of systemd-nspawn, from the baked image. They need root.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use kiln::lab::Node;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::bench::{ANSWER_LIMIT, BOOT_LIMIT, Bench, Given, ask, left, named, sysctls};
use super::person::{eventually, turn};
use super::{KILN, baked};

const TOKEN: &str = "abcdef.0123456789abcdef";

/// A unit that copies what it is handed to a place where the test looks.
const READER: &str = "[Service]\nType=oneshot\nLoadCredential=kiln.settings\nLoadCredential=kiln.token\n\
    ExecStart=sh -c 'cat %d/kiln.settings %d/kiln.token > /run/seen'\n";

#[test]
fn a_node_boots_from_the_baked_image_and_leaves_the_machine_as_it_was() {
    let before = sysctls();
    let bench = Bench::new("boots", &baked());
    let credentials = [
        ("systemd.extra-unit.reader.service", READER),
        ("systemd.unit-dropin.multi-user.target~reader", "[Unit]\nWants=reader.service\n"),
    ];
    let given = Given { settings: "role: worker\n", token: Some(TOKEN), credentials: &credentials };
    let node = bench.start("node-1", "10.0.2.15/24", &given);
    let system = node.wait_settled(BOOT_LIMIT).unwrap_or_else(|error| panic!("{error}"));

    // It was told no API server, and both runs of first boot say so (78): nothing else failed, and kubelet does not start.
    let failed = ask(&node, "systemctl --failed --no-legend --plain | cut -d' ' -f1");
    assert_eq!(
        (&system[..], &failed[..]),
        ("degraded", "kiln-firstboot.service\nkiln-volume.service"),
        "{:?}",
        node.journal(None)
    );
    let show = |unit, name| node.property(Some(unit), name).unwrap();
    assert_eq!(show("kiln-firstboot.service", "ExecMainStatus"), "78");
    assert_eq!(show("kubelet.service", "ActiveState"), "inactive");
    assert!(node.journal(Some("kiln-firstboot.service")).unwrap().contains("api.endpoint: is missing"));
    assert!(node.console().unwrap().contains("api.endpoint: is missing"), "one line on the console says why");
    assert!(ask(&node, "/opt/bin/kubelet --version").starts_with("Kubernetes v1."));

    // What the initrd would have made of the disk.
    assert_eq!(ask(&node, "findmnt -no FSTYPE,OPTIONS /usr | cut -c1-11"), "squashfs ro");
    assert_eq!(ask(&node, "findmnt -no FSTYPE /etc"), "overlay");
    assert_eq!(
        ask(&node, "readlink /bin /sbin /lib /lib64 | paste -sd' '"),
        "usr/bin usr/sbin usr/lib usr/lib64"
    );
    let root_kib: u64 = ask(&node, "df --output=size / | tail -1").trim().parse().unwrap();
    assert!(root_kib > 14 << 20, "ROOT has grown: {root_kib} KiB");

    // What it was given, and only where it belongs.
    assert_eq!(ask(&node, "cat /run/seen"), format!("role: worker\n{TOKEN}"));
    assert_eq!(ask(&node, "hostname"), "node-1");
    assert!(ask(&node, "ip -o -4 address show host0").contains("10.0.2.15/24"));
    let lines = Command::new("sh").args(["-c", "cat /proc/[0-9]*/cmdline 2>/dev/null"]).output().unwrap();
    assert!(!String::from_utf8_lossy(&lines.stdout).contains(TOKEN), "a token in an argument list");

    // kubelet sees the values that it wants; nothing in the node can set the machine's.
    assert_eq!(
        ask(&node, "cat /proc/sys/kernel/panic /proc/sys/vm/overcommit_memory | paste -sd' '"),
        "10 1"
    );
    assert!(node.exec(["sh", "-c", "echo 1 > /proc/sys/kernel/sysrq"], ANSWER_LIMIT).is_err());
    assert!(node.exec(["sh", "-c", "echo 5 > /proc/sys/kernel/panic"], ANSWER_LIMIT).is_err());
    assert_eq!(ask(&node, "echo 1 > /proc/sys/net/ipv4/ip_forward; cat /proc/sys/net/ipv4/ip_forward"), "1");
    ask(&node, "for folder in /sys/fs/cgroup/*/; do mkdir $folder/pods || exit 1; done");

    // A reboot, a power cut and a new start are those of the same disk.
    ask(&node, "echo kept > /var/kept; sync");
    node.reboot(BOOT_LIMIT).unwrap();
    assert_eq!(ask(&node, "cat /var/kept"), "kept");
    node.kill().unwrap();
    assert!(node.exec(["true"], ANSWER_LIMIT).is_err());
    node.power_on(Path::new(KILN)).unwrap();
    node.wait_started(BOOT_LIMIT).unwrap();
    assert_eq!(ask(&node, "cat /var/kept"), "kept");
    node.stop(BOOT_LIMIT).unwrap();

    let lab = bench.lab.clone();
    bench.down();
    assert_eq!(left(&lab), Vec::<String>::new());
    assert_eq!(sysctls(), before, "the machine's settings have changed");
}

#[test]
fn two_labs_side_by_side_do_not_meet() {
    let image = baked();
    let labs = ["left", "right"].map(|name| Bench::new(name, &image));
    let nodes = labs.each_ref().map(|lab| lab.start("node-1", "10.0.2.15/24", &Given::default()));
    for node in &nodes {
        node.wait_settled(BOOT_LIMIT).unwrap_or_else(|error| panic!("{error}"));
        ask(node, "systemctl stop systemd-resolved.service");
    }
    let [first, second] = labs;
    first.down();
    assert_eq!(ask(&nodes[1], "systemctl is-active dbus.service"), "active");
    second.down();
}

#[test]
fn whenever_up_is_killed_down_leaves_nothing() {
    let image = baked();
    let lab = named("killed");
    let name = lab.name.to_string();
    // From before its first effect to when nodes boot. Which moment each one hits depends on the machine.
    let moments_ms = [1, 10, 20, 30, 40, 60, 80, 120, 200, 300, 500, 800, 1200, 2000, 4000];
    let crash_or_ctrl_c = [Signal::SIGKILL, Signal::SIGINT].into_iter().cycle();
    for (moment_ms, signal) in moments_ms.into_iter().zip(crash_or_ctrl_c) {
        let mut up = Command::new(KILN);
        up.args(["lab", "up", "--name", &name, "--workers", "1"]).arg(&image);
        let mut up = up.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(moment_ms));
        kill(Pid::from_raw(up.id().try_into().unwrap()), signal).unwrap();
        up.wait().unwrap();
        let down = Command::new(KILN).args(["lab", "down", "--name", &name]).output().unwrap();
        let said = String::from_utf8_lossy(&down.stderr).into_owned();
        assert!(down.status.success() || said.contains("there is no lab"), "after {moment_ms} ms: {said}");
        assert_eq!(left(&lab), Vec::<String>::new(), "after {moment_ms} ms");
    }
}

#[test]
fn an_up_that_fails_takes_everything_away_again() {
    let image = baked();
    let before = sysctls();
    let lab = named("failing");
    let _turn = turn();
    let mut up = Command::new(KILN);
    up.args(["lab", "up", "--workers", "1", "--name", &lab.name.to_string()]).arg(&image);
    let up = up.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let worker = eventually("a worker boots", 2 * BOOT_LIMIT, || {
        let worker = Node::of(&lab, &"worker-1".parse().unwrap()).ok()?;
        worker.boot().unwrap().map(|_| worker)
    });
    worker.kill().unwrap();
    let ended = up.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("node worker-1 does not run"), "{said}");
    assert_eq!(left(&lab), Vec::<String>::new());
    assert_eq!(sysctls(), before, "the machine's settings have changed");
}
