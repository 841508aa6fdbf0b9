// SPDX-License-Identifier: Apache-2.0
//! What is wrong with the machine: files, disks, its network.

use std::fs;

use super::super::cluster::TOKEN;
use super::super::worker::{Worker, told};
use super::{NEW, Place, forget, put, says};
use crate::bench::layer;
use crate::network::node::Node;

pub fn own_files_that_are_not_what_was_written(place: &Place) {
    for (path, text, why) in [
        ("var/lib/kiln/identity.json", "{}", "missing field `name`"),
        ("var/lib/kiln/identity.json", "\0", "expected value at line 1 column 1"),
        ("var/lib/kiln/claim.json", "half a li", "expected value at line 1 column 1"),
    ] {
        let worker = place.worker(|_| ());
        put(&worker, path, text);
        says(&worker, 78, &format!("kiln-firstboot: /{path} is not what kiln writes: {why}"));
        assert_eq!(worker.text(path), text, "it is left as it is");
    }
    let worker = place.worker(|_| ());
    put(&worker, "var/lib/kiln/kubelet-client.key", "something else");
    says(
        &worker,
        78,
        "/var/lib/kiln/kubelet-client.key is not what kiln writes: holds no private key that can be read (PEM of a \
        P-256, P-384 or RSA key); look at it, and remove it if it is nobody's",
    );
    // A folder where a file belongs, and a file where a folder belongs.
    let worker = place.worker(|_| ());
    fs::create_dir_all(worker.path("etc/kubernetes/kubelet.conf/x")).unwrap();
    says(&worker, 1, "etc/kubernetes/kubelet.conf: Is a directory (os error 21)");
    let worker = place.worker(|_| ());
    put(&worker, "etc/cni", "");
    says(&worker, 1, "etc/cni/net.d: Not a directory (os error 20)");
    fs::remove_file(worker.path("etc/cni")).unwrap();
    worker.run(&["run"]).is(0);
    forget(place, NEW);
    let worker = place.born("clone");
    let layer = worker.text("etc/kiln/settings.d/10-image.yaml").replace("i-clone", "i-other");
    put(&worker, "etc/kiln/settings.d/10-image.yaml", &layer);
    says(
        &worker,
        78,
        "this disk was made a node as instance i-clone, but the machine is i-other: a cloned disk",
    );
    forget(place, "clone");
}

/// In a mount namespace of the program's own: a tree that can't be written, and one that fills up and gets room again.
pub fn disks(place: &Place) {
    let by = |worker: &Worker, script: &str| {
        let script = script.replace("TREE", worker.path("").to_str().unwrap());
        worker.run_by(&["unshare", "--mount", "/bin/sh", "-c", &script, "sh"], &["run"])
    };
    let worker = place.worker(|_| ());
    let ended = by(&worker, "mount --bind TREE TREE && mount -o remount,bind,ro TREE && exec \"$@\"");
    assert!(ended.said.contains(": Read-only file system (os error 30)"), "{}", ended.said);
    ended.is(1);
    for kib in [4, 8, 12, 16] {
        let worker = place.worker(|_| ());
        let script = format!(
            "mkdir -p TREE/var && mount -t tmpfs -o size={kib}k tmpfs TREE/var && \"$@\"; code=$?
            mount -o remount,size=8m TREE/var && \"$@\" && find TREE/var -name '.*' && exit $code"
        );
        let ended = by(&worker, &script);
        assert!(ended.said.contains("No space left on device (os error 28)"), "{kib}: {}", ended.said);
        assert!(!ended.said.contains("TREE/var/"), "{kib}: something half-written is left: {}", ended.said);
        ended.is(1);
        forget(place, NEW);
    }
}

/// The links of a machine are looked at only where the tree is its own.
pub fn a_network_that_overlaps(place: &Place) {
    let node = Node::beside(&place.bench, "10.99.0.12");
    node.write("/etc/kiln/settings.d/10-image.yaml", &layer(&told(&place.bench, NEW, "i-w1")));
    node.write("/run/provision/token", TOKEN);
    for words in
        ["link add lan0 type veth peer name lan1", "address add 10.244.9.9/16 dev lan0", "link set lan0 up"]
    {
        node.done(&format!("ip {words}"));
    }
    let output = node.command("/opt/bin/kiln-firstboot run").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let line = " and its own network contradict each other: interface lan0 has 10.244.9.9/16, which overlaps the pod \
                range 10.244.0.0/16; give pods or hosts another range";
    assert!(said.contains(line), "{said}");
    assert_eq!(output.status.code(), Some(78));
    assert!(!node.path("/etc/cni/net.d/10-kiln.conflist").exists(), "the node does not turn ready");
    forget(place, NEW);
}
