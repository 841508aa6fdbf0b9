// SPDX-License-Identifier: Apache-2.0
//! The control plane's units, as systemd reads them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const UNITS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

fn unit(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("units/{name}.service"))
}

/// A root with the units and empty programs: verify asks whether what a unit starts is there.
fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let (bin, system) = (root.path().join("opt/bin"), root.path().join("etc/systemd/system"));
    fs::create_dir_all(&bin).unwrap();
    fs::create_dir_all(&system).unwrap();
    for target in ["basic", "sysinit", "shutdown", "network", "network-online", "multi-user"] {
        fs::write(system.join(format!("{target}.target")), "[Unit]\n").unwrap();
    }
    // What is required is only asked for by name here; its own test reads it.
    let firstboot = "[Service]\nType=oneshot\nExecStart=/opt/bin/kiln-firstboot\n";
    fs::write(system.join("kiln-firstboot.service"), firstboot).unwrap();
    for name in UNITS.iter().chain(&["kiln-firstboot"]) {
        fs::write(bin.join(name), "#!/bin/sh\n").unwrap();
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    for name in UNITS {
        fs::copy(unit(name), system.join(format!("{name}.service"))).unwrap();
    }
    root
}

#[test]
fn systemd_finds_nothing_to_say() {
    let root = root();
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no", "--root"]).arg(root.path());
    verify.args(UNITS.map(|name| format!("{name}.service")));
    let output = verify.output().expect("systemd-analyze");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

/// 0 is no exposure, 10 is all. Of what is left, most is the user root, who owns the keys.
#[test]
fn the_units_are_sandboxed() {
    for name in UNITS {
        let mut security = Command::new("systemd-analyze");
        security.args(["security", "--offline=true", "--threshold=30", "--no-pager"]).arg(unit(name));
        let output = security.output().expect("systemd-analyze");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
    }
}

/// First boot and what asks for the claim; repair removes pods and talks to systemd, so it is not among them.
#[test]
fn first_boots_units_are_sandboxed() {
    for name in ["kiln-firstboot", "kiln-control-plane", "kiln-verify"] {
        let mut security = Command::new("systemd-analyze");
        security.args(["security", "--offline=true", "--threshold=30", "--no-pager"]).arg(unit(name));
        let output = security.output().expect("systemd-analyze");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// Without RestartMode=direct a first try that ends with 75 fails kubelet's queued start for good.
#[test]
fn what_kubelet_requires_is_tried_again_without_failing_it() {
    let kubelet = fs::read_to_string(unit("kubelet")).unwrap();
    for name in ["kiln-firstboot", "kiln-control-plane"] {
        let text = fs::read_to_string(unit(name)).unwrap();
        for line in ["Restart=on-failure", "RestartMode=direct", "RestartPreventExitStatus=2 78"] {
            assert!(text.lines().any(|found| found == line), "{name}: {line}");
        }
        for key in ["Requires", "After"] {
            assert!(kubelet.contains(&format!("{key}={name}.service")), "kubelet: {key}={name}");
        }
    }
}

/// A worker carries the units as well.
#[test]
fn no_unit_starts_without_the_file_that_only_a_control_plane_has() {
    for name in UNITS {
        let text = fs::read_to_string(unit(name)).unwrap();
        let condition = text.lines().find_map(|line| line.strip_prefix("ConditionPathExists=")).unwrap();
        assert!(condition.starts_with("/etc/kubernetes/"), "{name}: {condition}");
        for line in text.lines().filter_map(|line| line.strip_prefix("EnvironmentFile=")) {
            assert_eq!(line, condition, "{name} would fail without a word of its condition");
        }
    }
}
