// SPDX-License-Identifier: Apache-2.0
//! A control plane with a data volume, by its units under systemd: from the first boot of one machine to that of another one
//! with nothing but the volume. It needs root.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use kiln::cluster::{Access, ApiError, Client, Object, ObjectRef};
use kiln::lab::Node;
use serde_json::json;

use super::baked;
use super::bench::{BOOT_LIMIT, Bench, Given, ask, left};
use super::person::{eventually, turn};
use crate::bench::within_network;
use crate::control::volume::Disk;

const NAME: &str = "/dev/disk/by-id/kiln-test";
/// etcd has answered and kubelet waits for the rest.
const UNITS: [&str; 3] = ["kiln-volume.service", "kiln-firstboot.service", "etcd.service"];

fn settings(address: &str) -> String {
    json!({
        "role": "control-plane",
        "api": { "endpoint": format!("https://{address}:6443") },
        "control_plane": { "data_volume": NAME },
    })
    .to_string()
}

/// The disk in the node's own /dev, as udev would have it on a machine.
fn devices(disk: &Disk) -> String {
    let number = fs::metadata(&disk.device).unwrap().rdev();
    let (major, minor) = (nix::sys::stat::major(number), nix::sys::stat::minor(number));
    format!("b /dev/kiln-test 0600 root root - {major}:{minor}\nL {NAME} - - - - /dev/kiln-test\n")
}

fn begin(bench: &Bench, disk: Option<&Disk>, name: &str, address: &str) -> Node {
    let devices = disk.map(devices).unwrap_or_default();
    let credentials = [("tmpfiles.extra", devices.as_str())];
    let credentials = if disk.is_some() { &credentials[..] } else { &[] };
    let given = Given { settings: &settings(address), token: None, credentials };
    bench.start(name, &format!("{address}/24"), &given)
}

/// Asks the API server as its administrator; nothing, as long as it does not answer so.
fn asked<T: Send>(
    bench: &Bench,
    node: &Node,
    work: impl AsyncFnOnce(&Client) -> Result<T, ApiError> + Send,
) -> Option<T> {
    let config = node.exec(["cat", "/etc/kubernetes/super-admin.conf"], Duration::from_secs(10)).ok()?;
    within_network(&bench.lab.network(), || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let access = Access::from_kubeconfig(&config, &|path| panic!("{path:?} is beside it")).ok()?;
        runtime.block_on(async { work(&Client::new(&access).ok()?).await.ok() })
    })
}

fn is_ready(bench: &Bench, node: &Node, name: &str) {
    eventually(&format!("{name} is Ready"), BOOT_LIMIT, || {
        let found = asked(bench, node, async |client| client.node_get(name).await)?;
        found.is_ready.then_some(())
    });
    node.wait_settled(BOOT_LIMIT).unwrap();
    assert_eq!(ask(node, "systemctl --failed --no-legend --plain"), "", "{name}");
    assert_eq!(ask(node, "findmnt -no FSTYPE /var/lib/etcd"), "ext4");
    assert_eq!(ask(node, "stat -c %a /var/lib/etcd"), "700");
    // Each has begun before the next was started.
    let at = |unit: &str, what: &str| node.property(Some(unit), what).unwrap().parse::<u64>().unwrap();
    for pair in UNITS.windows(2) {
        let until = at(pair[0], "ActiveEnterTimestampMonotonic");
        assert!(until > 0 && until <= at(pair[1], "InactiveExitTimestampMonotonic"), "{pair:?}");
    }
}

fn secret() -> ObjectRef {
    let [api_version, kind, name] = ["v1", "Secret", "lake"].map(str::to_owned);
    ObjectRef { api_version, kind, namespace: Some("default".to_owned()), name }
}

#[test]
fn a_control_plane_with_a_volume_is_replaced() {
    let _turn = turn();
    let bench = Bench::new("volume", &baked());
    let disk = Disk::new(8 << 30);

    // Its volume comes after the machine has started.
    let first = begin(&bench, None, "plane-a", "10.0.2.10");
    eventually("the volume is waited for", BOOT_LIMIT, || {
        let state = first.property(Some("kiln-volume.service"), "ActiveState").ok()?;
        (state == "activating").then_some(())
    });
    assert_eq!(first.property(Some("etcd.service"), "ActiveState").unwrap(), "inactive");
    let number = fs::metadata(&disk.device).unwrap().rdev();
    let (major, minor) = (nix::sys::stat::major(number), nix::sys::stat::minor(number));
    ask(&first, &format!("mkdir -p /dev/disk/by-id; mknod {NAME} b {major} {minor}"));
    is_ready(&bench, &first, "plane-a");
    let value = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "lake", "namespace": "default"},
        "stringData": {"depth": "very deep water"}});
    asked(&bench, &first, async |client| client.create(&Object(value)).await).unwrap();
    let ca = "cat /etc/kubernetes/pki/ca.crt";
    let before = ask(&first, ca);
    first.kill().unwrap();

    let second = begin(&bench, Some(&disk), "plane-b", "10.0.2.11");
    is_ready(&bench, &second, "plane-b");
    assert_eq!(ask(&second, ca), before);
    let found = asked(&bench, &second, async |client| client.get(&secret()).await).unwrap();
    assert_eq!(found.0["data"]["depth"], "dmVyeSBkZWVwIHdhdGVy");
    let nodes = asked(&bench, &second, async |client| client.nodes().await).unwrap();
    assert_eq!(nodes.iter().map(|node| node.meta.name.as_str()).collect::<Vec<_>>(), ["plane-a", "plane-b"]);

    second.reboot(BOOT_LIMIT).unwrap();
    is_ready(&bench, &second, "plane-b");
    let said = second.journal(Some("kiln-volume.service")).unwrap();
    assert!(!said.contains("Failed"), "{said}");

    let lab = bench.lab.clone();
    bench.down();
    assert_eq!(left(&lab), Vec::<String>::new());
}
