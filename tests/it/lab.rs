// SPDX-License-Identifier: Apache-2.0
//! The lab image: baked as README says, from Debian packages and Go modules, and booted with firmware.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub mod bench;
mod cluster;
mod faults;
mod image;
mod judged;
mod nspawn;
mod person;
mod vm;

pub use image::{baked, baked_into, kiln};

const KILN: &str = env!("CARGO_BIN_EXE_kiln");

/// An emulated boot takes about 130 seconds of a core; several times that where others use it too.
const BOOT_LIMIT: Duration = Duration::from_secs(10 * 60);
/// Where ROOT starts on the lab's disk (image/lab/build, `table`).
const ROOT_OFFSET_BYTES: u64 = 656 << 20;

/// Writes a unit that multi-user.target wants into the /etc of an image's ROOT, by debugfs.
fn write_unit(image: &Path, unit: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (local, script) = (folder.path().join("unit"), folder.path().join("script"));
    fs::write(&local, unit).unwrap();
    let system = "/etc/systemd/system";
    let commands = format!(
        "mkdir /etc\nmkdir /etc/systemd\nmkdir {system}\nmkdir {system}/multi-user.target.wants\n\
        write {} {system}/from-root.service\n\
        symlink {system}/multi-user.target.wants/from-root.service ../from-root.service\n",
        local.display()
    );
    fs::write(&script, commands).unwrap();
    let device = format!("{}?offset={ROOT_OFFSET_BYTES}", image.display());
    let output = Command::new("debugfs").arg("-wf").arg(&script).arg(device).output();
    let output = output.expect("debugfs (apt-get install e2fsprogs)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Reads `name=value` lines.
fn facts(answer: &str) -> BTreeMap<&str, &str> {
    answer.lines().filter_map(|line| line.split_once('=')).collect()
}

const PROBE: &str = r#"
echo "state=$(systemctl is-system-running --wait)"
echo "failed=$(systemctl --failed --no-legend --plain | cut -d' ' -f1 | paste -sd' ')"
echo "from_root=$(cat /run/from-root)"
echo "first_boot=$(grep -o 'flatcar.first_boot=[a-z]*' /proc/cmdline)"
root=$(findmnt --noheadings --output SOURCE /)
echo "partition_bytes=$(blockdev --getsize64 "$root")"
echo "blocks=$(dumpe2fs -h "$root" 2>/dev/null | sed -n 's/^Block count: *//p')"
echo "disk_guid=$(sfdisk --disk-id /dev/vda)"
echo "usr=$(findmnt --noheadings --output FSTYPE,OPTIONS /usr | cut -c1-11)"
echo "etc=$(findmnt --noheadings --output FSTYPE /etc)"
echo "machine_id=$(cat /etc/machine-id)"
show() { systemctl show --property="$1" --value "$2"; }
echo "firstboot=$(show ExecMainStatus kiln-firstboot.service) $(show ActiveState kiln-firstboot.service)"
echo "kubelet=$(show ActiveState kubelet.service)"
echo "kubelet_version=$(/opt/bin/kubelet --version)"
echo "containerd_version=$(/opt/bin/containerd --version)"
mkdir /run/esp
mount -o ro /dev/disk/by-label/EFI-SYSTEM /run/esp
echo "esp=$(cd /run/esp && find . -type f | sort | paste -sd' ')"
umount /run/esp
systemd-analyze | sed 's/^/time: /'
"#;

#[test]
fn the_baked_lab_image_boots_grows_and_runs_first_boot() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.raw");
    let copied = Command::new("cp").arg("--sparse=always").args([baked(), image.clone()]).status().unwrap();
    assert!(copied.success());
    write_unit(&image, "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo it ran > /run/from-root'\n");
    // An address by DHCP from QEMU's own network, which reaches nothing outside: units that wait for one are content.
    let network = ["-netdev", "user,id=net,restrict=on", "-device", "virtio-net-pci,netdev=net"];
    let arguments = network.map(str::to_owned).to_vec();
    let extra = vm::Extra { disk_gib: 210, probe: PROBE.into(), arguments, ..vm::Extra::default() };
    let answer = vm::boot(&image, &extra).answer(BOOT_LIMIT);
    println!("{answer}");
    let facts = facts(&answer);
    assert!(answer.contains("multi-user.target reached after"), "{answer}");
    // It was told no API server, and says so (78): it is the one unit that failed, and kubelet does not start.
    assert_eq!((facts["state"], facts["failed"]), ("degraded", "kiln-firstboot.service"), "{answer}");
    assert_eq!((facts["firstboot"], facts["kubelet"]), ("78 failed", "inactive"), "{answer}");
    assert_eq!(facts["kubelet_version"], "Kubernetes v1.36.3");
    assert!(facts["containerd_version"].contains(" v2.4.2 "), "{answer}");
    assert_eq!(facts["from_root"], "it ran");
    assert_eq!(facts["first_boot"], "flatcar.first_boot=detected");
    assert_eq!(
        facts["esp"], "./EFI/BOOT/BOOTX64.EFI ./kiln-lab/initrd ./kiln-lab/vmlinuz",
        "the flag is gone"
    );
    assert_eq!((facts["usr"], facts["etc"]), ("squashfs ro", "overlay"));
    assert_eq!(facts["machine_id"].len(), 32);
    assert_ne!(facts["disk_guid"].to_lowercase(), "00000000-0000-0000-0000-000000000001");
    // The ROOT that kiln's own writer made has grown online, under the guest's kernel.
    let partition_bytes: u64 = facts["partition_bytes"].parse().unwrap();
    let filesystem_bytes = facts["blocks"].parse::<u64>().unwrap() * 4096;
    assert!(partition_bytes > 200 << 30, "ROOT's partition has not grown: {partition_bytes}");
    // resize2fs leaves out a last group of 128 MiB that is too short for its inode table.
    assert!(partition_bytes - filesystem_bytes < 128 << 20, "ROOT has not grown: {filesystem_bytes}");
}
