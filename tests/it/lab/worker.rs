// SPDX-License-Identifier: Apache-2.0
//! The same image file on a virtual machine, with firmware and a kernel of its own, as a worker of a real control plane
//! that it reaches by a tap. Needs root, as the bench does; minutes, where QEMU emulates.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{baked, facts, has_grown, vm};
use crate::bench::{Bench, Options};
use crate::birth::cluster::{self, TOKEN};

/// From power-on to Ready; a few minutes of a core, and several times that where others use it too.
const LIMIT: Duration = Duration::from_secs(25 * 60);
/// An address that comes up on the bench's bridge when the machine has been seen Ready.
const SEEN: &str = "10.99.0.99";

/// The boot is held until this address answers: kiln's check would end the machine as soon as first boot has.
fn probe() -> String {
    format!(
        "until ping -c1 -W5 {SEEN}; do sleep 1; done >/dev/null 2>&1\n{}{}",
        super::PROBE,
        "echo \"podcidr_file=$(ls /etc/cni/net.d)\"\necho \"kubelet=$(systemctl is-active kubelet.service)\"\n"
    )
}

fn ip(bench: &Bench, words: &[&str]) {
    let output = bench.in_network("ip").args(words).output().unwrap();
    assert!(output.status.success(), "ip {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn is_ready(bench: &Bench, name: &str) -> bool {
    let answer = bench.ask(Some(&bench.super_admin()), "GET", &format!("/api/v1/nodes/{name}"), None);
    let is_so = |condition: &serde_json::Value| condition["type"] == "Ready" && condition["status"] == "True";
    answer.status == 200
        && answer.json()["status"]["conditions"].as_array().is_some_and(|all| all.iter().any(is_so))
}

fn kiln(bench: &Bench, folder: &std::path::Path) -> Command {
    let mut kiln = bench.in_network(env!("CARGO_BIN_EXE_kiln"));
    // Processes of another numbering must not take one another's scratch folders for their own.
    kiln.env("XDG_CACHE_HOME", folder.join("cache")).env("XDG_RUNTIME_DIR", folder);
    kiln
}

#[test]
fn a_virtual_machine_from_the_image_becomes_a_ready_worker() {
    let image = baked();
    let bench = Bench::start(Options::default());
    cluster::prepare(&bench);
    ip(&bench, &["tuntap", "add", "tap0", "mode", "tap"]);
    ip(&bench, &["link", "set", "tap0", "master", "uplink0", "up"]);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let settings = json!({
        "version": 1,
        "cluster": { "hosts": ["10.99.0.0/24"] },
        "api": { "endpoint": bench.endpoint(), "ca": bench.ca_pem() },
        "node": { "name": "vm-1" },
        // The bench's cluster gives flannel no rights, and kubelet waits for it.
        "network": { "fabric": "none" },
    });
    fs::write(path("settings.yaml"), settings.to_string()).unwrap();
    fs::write(path("token"), TOKEN).unwrap();
    let [settings, token] = ["settings.yaml", "token"].map(|name| path(name).to_str().unwrap().to_owned());
    let words = [
        "--disk-size=200GiB",
        "--tap=tap0",
        "--address=10.99.0.40/24",
        "--timeout=25m",
        "--settings",
        &settings,
        "--token-file",
        &token,
    ];
    let program = kiln(&bench, folder.path());
    let began = Instant::now();
    let ended = std::thread::scope(|scope| {
        let boot = scope.spawn(|| vm::boot(program, &image, &words, &probe(), folder.path()));
        while !is_ready(&bench, "vm-1") && !boot.is_finished() {
            assert!(began.elapsed() < LIMIT, "vm-1 was not Ready within {LIMIT:?}");
            std::thread::sleep(Duration::from_millis(500));
        }
        println!("Ready, or ended, after {:.0} s", began.elapsed().as_secs_f64());
        ip(&bench, &["address", "add", &format!("{SEEN}/24"), "dev", "uplink0"]);
        boot.join().unwrap()
    });
    assert_eq!((ended.code, &ended.result["verdict"]), (Some(0), &"succeeded".into()), "{}", ended.said);
    assert_eq!(ended.result["look"]["failed"], json!([]), "{}", ended.said);

    // It is the node that its claim says, on the one disk that the image became.
    let node = cluster::node(&bench, "vm-1");
    let claims = cluster::claims(&bench);
    assert_eq!(claims.len(), 1);
    assert_eq!(claims[0]["data"]["v4"], node["spec"]["podCIDR"]);
    assert_eq!(node["status"]["nodeInfo"]["kubeletVersion"], "v1.36.3");
    let answer = ended.answer();
    println!("{answer}");
    let facts = facts(&answer);
    assert_eq!((facts["kubelet"], facts["podcidr_file"]), ("active", "10-kiln.conflist"));
    assert_eq!((facts["usr"], facts["etc"]), ("squashfs ro", "overlay"));
    has_grown(&facts, 199 << 30);
    assert!(ended.disk.metadata().unwrap().blocks() * 512 < 4 << 30, "it is sparse");
    assert_eq!(facts["first_boot"], "flatcar.first_boot=detected");
    assert_eq!(ended.names("EFI-SYSTEM:/flatcar"), Vec::<String>::new(), "the flag is used up");

    // The token came by a file and went with the credential.
    assert!(!ended.said.contains(TOKEN), "a token on the console");
}
