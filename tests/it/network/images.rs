// SPDX-License-Identifier: Apache-2.0
//! The baked image's own container images, given to the real runtimes by the real program: once, and again after whatever
//! was lost.

use kiln::containerd;
use kiln::settings::{Fabric, Mode, Runtime};

use super::cases::{Case, Families};
use super::node::{Node, Service};

const PAUSE: &str = "kiln.local/pause:1";
const SMOKE: &str = "kiln.local/smoke:1";
const LIST: &str = "ctr --namespace k8s.io images list --quiet";

/// A node whose settings name the runtime, with the image's own layer below.
fn node(runtime: Runtime) -> Node {
    let mut case = Case::new(Mode::Cni, Families::V4, Fabric::Vxlan);
    case.settings.runtime = runtime;
    let node = Node::new();
    node.put(&case.files());
    let word = if runtime == Runtime::Docker { "docker" } else { "containerd" };
    let layer = format!(
        "version: 1\nimage: test\nrole: control-plane\nruntime: {word}\nsandbox: {PAUSE}\ncluster: {{pods: [10.244.0.0/16], \
         services: [10.96.0.0/16], nodes_max: 250, surge: 6, pods_max: 110}}\n"
    );
    node.write("/etc/kiln/settings.d/50-test.yaml", &layer);
    node
}

/// Returns what the program says of it.
fn import(node: &Node) -> Vec<String> {
    let said = node.done("kiln-firstboot images");
    said.lines().filter(|line| line.starts_with("imported ")).map(str::to_owned).collect()
}

fn containerd(node: &Node) -> Service {
    // overlay can't lie on this tree's own overlay; /tmp is a file system of its own.
    let command = format!("containerd --config {} --root /tmp/containerd", containerd::CONFIGURATION);
    let mut containerd = node.start(&command);
    containerd.wait_for_any(&["containerd successfully booted"]);
    containerd
}

#[test]
fn containerd_is_given_every_image_once_and_again_what_it_has_lost() {
    let node = node(Runtime::Containerd);
    let running = containerd(&node);
    let all = import(&node);
    assert!(all.contains(&format!("imported {PAUSE}")), "{all:?}");
    let listed = node.done(LIST);
    for line in &all {
        assert!(listed.contains(line.trim_start_matches("imported ")), "{listed}");
    }
    assert_eq!(import(&node), [""; 0], "the second time there is nothing to do");
    // What a crash between import and label leaves, and what somebody removes. (The sandbox's label containerd sets itself.)
    for loss in ["label NAME io.cri-containerd.pinned=", "remove NAME"] {
        node.done(&format!("ctr --namespace k8s.io images {}", loss.replace("NAME", SMOKE)));
        assert_eq!(import(&node), [format!("imported {SMOKE}")]);
    }
    drop(running);
    // The store outlives the runtime.
    let _running = containerd(&node);
    assert_eq!(import(&node), [""; 0]);
}

#[test]
fn containerds_sandboxes_are_of_the_image_that_the_settings_name() {
    let node = node(Runtime::Containerd);
    let dump = node.done(&format!("containerd --config {} config dump", containerd::CONFIGURATION));
    assert!(dump.contains(&format!("sandbox = '{PAUSE}'")), "{dump}");
    assert!(!dump.contains("registry.k8s.io/pause"), "{dump}");
}

#[test]
fn docker_is_given_every_image_once() {
    let node = node(Runtime::Docker);
    let refused = node.said("kiln-firstboot images");
    assert!(!refused.0 && refused.1.contains("docker failed"), "without its daemon: {}", refused.1);
    let mut dockerd = node.start("dockerd --data-root /tmp/docker --storage-driver vfs");
    dockerd.wait_for_any(&["API listen on"]);
    let all = import(&node);
    assert!(all.contains(&format!("imported {PAUSE}")), "{all:?}");
    assert!(node.done("docker image list").contains("kiln.local/pause"));
    let entrypoint = node.done(&format!("docker image inspect --format {{{{.Config.Entrypoint}}}} {PAUSE}"));
    assert_eq!(entrypoint.trim(), "[/pause]");
    assert_eq!(import(&node), [""; 0]);
}
