// SPDX-License-Identifier: Apache-2.0
//! The lab image: baked as README says, from Debian packages and Go modules, and booted with firmware.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use bench::{BOOT_LIMIT, Bench, Given};
use kiln::lab::{Body, Means, Node};

pub mod bench;
mod cloud;
mod cluster;
mod crowd;
mod docker;
mod faults;
mod hand;
mod image;
mod judged;
mod nspawn;
mod outages;
mod person;
mod qemu;
mod rotation;
mod vm;
mod volume;
mod worker;

pub use image::{archive_of, baked, baked_into, kiln};

const KILN: &str = env!("CARGO_BIN_EXE_kiln");

/// Returns kiln, to be run in the checkout.
fn program() -> Command {
    let mut kiln = Command::new(KILN);
    kiln.current_dir(env!("CARGO_MANIFEST_DIR"));
    kiln
}

/// Reads `name=value` lines.
fn facts(answer: &str) -> BTreeMap<&str, &str> {
    answer.lines().filter_map(|line| line.split_once('=')).collect()
}

const PROBE: &str = r#"
echo "first_boot=$(grep -o 'flatcar.first_boot=[a-z]*' /proc/cmdline)"
root=$(findmnt --noheadings --output SOURCE /)
echo "partition_bytes=$(blockdev --getsize64 "$root")"
echo "blocks=$(dumpe2fs -h "$root" 2>/dev/null | sed -n 's/^Block count: *//p')"
echo "disk_guid=$(sfdisk --disk-id /dev/vda)"
echo "usr=$(findmnt --noheadings --output FSTYPE,OPTIONS /usr | cut -c1-11)"
echo "etc=$(findmnt --noheadings --output FSTYPE /etc)"
echo "machine_id=$(cat /etc/machine-id)"
echo "kubelet_version=$(/opt/bin/kubelet --version)"
echo "containerd_version=$(/opt/bin/containerd --version)"
"#;

#[test]
fn the_baked_lab_image_boots_grows_and_runs_first_boot() {
    let image = baked();
    let before = fs::metadata(&image).unwrap().modified().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ended = vm::boot(program(), &image, &["--disk-size=200GiB", "--memory=1GiB"], PROBE, folder.path());
    // It was told no API server, and both runs of first boot say so (78): nothing else failed.
    assert_eq!((ended.code, &ended.result["verdict"]), (Some(78), &"failed".into()), "{}", ended.said);
    assert_eq!(ended.result["unit"], "kiln-firstboot.service");
    assert_eq!(ended.result["look"]["system"], "degraded");
    assert_eq!(
        ended.result["look"]["failed"],
        serde_json::json!(["kiln-firstboot.service", "kiln-volume.service"])
    );
    assert!(
        ended.said.contains("api.endpoint: is missing"),
        "one line on the console says why: {}",
        ended.said
    );

    let answer = ended.answer();
    println!("{answer}");
    let facts = facts(&answer);
    assert_eq!(facts["kubelet_version"], "Kubernetes v1.36.3");
    assert!(facts["containerd_version"].contains(" v2.4.2 "), "{answer}");
    assert_eq!((facts["usr"], facts["etc"]), ("squashfs ro", "overlay"));
    assert_eq!(facts["machine_id"].len(), 32);
    assert_ne!(facts["disk_guid"].to_lowercase(), "00000000-0000-0000-0000-000000000001");
    has_grown(&facts, 199 << 30);
    assert_eq!(facts["first_boot"], "flatcar.first_boot=detected");
    assert_eq!(ended.names("EFI-SYSTEM:/flatcar"), Vec::<String>::new(), "the flag is used up");
    assert_eq!(fs::metadata(&image).unwrap().modified().unwrap(), before, "the image is only read");

    // What a container's keeper does in the place of the initrd comes to the same.
    let bench = Bench::new("tree", &image);
    let node = bench.start("node-1", "10.0.2.15/24", &Given::default());
    node.wait_settled(BOOT_LIMIT).unwrap_or_else(|error| panic!("{error}"));
    node.stop(BOOT_LIMIT).unwrap();
    let [machine, mut container] = [&ended.disk, &node.record.disk].map(|disk| vm::tree(disk));
    for place in shown(&node) {
        let new = place.ancestors().filter(|path| !machine.contains_key(*path));
        new.for_each(|path| drop(container.remove(path)));
    }
    assert_eq!(machine, container);
}

/// Places that nspawn makes to show the node files that are not the image's.
fn shown(node: &Node) -> Vec<PathBuf> {
    let Body::Container(body) = &node.record.body else { panic!("{:?}", node.record.body) };
    let means = body.workarounds.iter().flat_map(|workaround| &workaround.means);
    let place = |means: &Means| match means {
        Means::File { path, .. } | Means::Program { path, .. } => Some(path.trim_start_matches('/').into()),
        Means::Credential { .. } | Means::Path { .. } => None,
    };
    means.filter_map(place).collect()
}

/// The ROOT that kiln's own writer made has grown online, under the machine's kernel.
fn has_grown(facts: &BTreeMap<&str, &str>, at_least_bytes: u64) {
    let partition_bytes: u64 = facts["partition_bytes"].parse().unwrap();
    let filesystem_bytes = facts["blocks"].parse::<u64>().unwrap() * 4096;
    assert!(partition_bytes > at_least_bytes, "ROOT's partition has not grown: {partition_bytes}");
    // resize2fs leaves out a last group of 128 MiB that is too short for its inode table.
    assert!(partition_bytes - filesystem_bytes < 128 << 20, "ROOT has not grown: {filesystem_bytes}");
}
