// SPDX-License-Identifier: Apache-2.0
//! A control plane on a data volume, destroyed, and another machine that goes on with the volume alone: real etcd,
//! kube-apiserver and controllers, the image's own program.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::volume::Disk;
use crate::bench::{Bench, Options};

/// A name of the device that lasts, in this machine's own folder of devices, which every room has.
struct Link(PathBuf);

impl Link {
    fn to(device: &Path) -> Self {
        let link = PathBuf::from(format!("/dev/disk/by-id/kiln-test-{}", std::process::id()));
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(device, &link).unwrap();
        Self(link)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
        // Where nobody else has made them, they go as well.
        let _ = fs::remove_dir("/dev/disk/by-id");
        let _ = fs::remove_dir("/dev/disk");
    }
}

fn plane(link: &Link, name: &str, address: &str) -> Bench {
    let mut options = Options { is_durable: true, by_first_boot: true, ..Options::default() };
    options.settings.control_plane.data_volume = Some(link.0.display().to_string());
    options.settings.api.endpoint = format!("https://{address}:6443");
    options.identity.name = name.to_owned();
    options.identity.instance_id = format!("i-{name}");
    options.identity.addresses = vec![address.parse().unwrap()];
    Bench::start(options)
}

#[test]
fn another_machine_goes_on_with_the_volume_alone() {
    let disk = Disk::new(8 << 30);
    let link = Link::to(&disk.device);
    let secrets = "/api/v1/namespaces/default/secrets";
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "lake"},
        "stringData": {"depth": "very deep water"}});

    let first = plane(&link, "control-1", "10.99.0.1");
    let made = first.ask(Some(&first.super_admin()), "POST", secrets, Some(&secret.to_string()));
    assert_eq!(made.status, 201, "{}", made.body);
    let (ca, block) = (first.ca_pem(), block(&first, "control-1"));
    let account = token(&first);
    drop(first);

    let second = plane(&link, "control-2", "10.99.0.7");
    assert_eq!(second.ca_pem(), ca);
    let read = second.ask(Some(&second.super_admin()), "GET", &format!("{secrets}/lake"), None);
    assert_eq!(read.json()["data"]["depth"], "dmVyeSBkZWVwIHdhdGVy", "{}", read.body);
    // The old machine's Node and claim stand, and the new one has its own.
    assert_eq!(self::block(&second, "control-1"), block);
    assert_ne!(self::block(&second, "control-2"), block);
    // What the old server signed is good at the new one, which has its own certificate for its own address.
    let review =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": account}});
    let path = "/apis/authentication.k8s.io/v1/tokenreviews";
    let known = second.ask(Some(&second.super_admin()), "POST", path, Some(&review.to_string()));
    assert_eq!(known.json()["status"]["authenticated"], true, "{}", known.body);
    // A warm boot finds all met.
    second.first_boot(&["run", "--phase", "volume"]);
    second.first_boot(&["run"]);
}

fn block(bench: &Bench, node: &str) -> String {
    let node = bench.ask(Some(&bench.super_admin()), "GET", &format!("/api/v1/nodes/{node}"), None);
    node.json()["spec"]["podCIDR"].as_str().unwrap_or_else(|| panic!("{}", node.body)).to_owned()
}

fn token(bench: &Bench) -> String {
    let ask =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}).to_string();
    let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let start = std::time::Instant::now();
    loop {
        let made = bench.ask(Some(&bench.super_admin()), "POST", path, Some(&ask));
        if made.status == 201 {
            return made.json()["status"]["token"].as_str().unwrap().to_owned();
        }
        assert!(start.elapsed().as_secs() < 60, "{}", made.body);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}
