// SPDX-License-Identifier: Apache-2.0
//! The lab base: made by its recipe out of Debian packages, and booted with firmware.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use kiln::host::recipe::{Order, Recipe};
use kiln::progress::Progress;

pub mod vm;

/// An emulated boot takes about 130 seconds of a core; several times that where others use it too.
const BOOT_LIMIT: Duration = Duration::from_secs(10 * 60);
/// 2025-11-21: any fixed time will do.
const SOURCE_DATE_EPOCH_S: u64 = 1_763_683_200;
/// Where ROOT starts on the lab's disk (image/lab/build, `table`).
const ROOT_OFFSET_BYTES: u64 = 656 << 20;

/// Prints to the test's output, which is shown when it fails.
struct Print;

impl Progress for Print {
    fn begin(&self, _id: &str, what: &str, _total: Option<u64>) {
        println!("{what}");
    }
    fn advance(&self, _id: &str, _amount: u64) {}
    fn end(&self, id: &str, note: &str) {
        println!("{id}: {note}");
    }
    fn say(&self, text: &str) {
        println!("{text}");
    }
}

/// Returns the lab base, made by its recipe unless an earlier run has left it in the cache folder.
pub fn base() -> &'static Path {
    static BASE: OnceLock<PathBuf> = OnceLock::new();
    BASE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("image/lab");
        let recipe = Recipe::look(&folder).unwrap();
        let kept = cache().join(recipe.key("amd64", SOURCE_DATE_EPOCH_S).to_string());
        if !kept.join("disk.raw").exists() {
            make(&recipe, &kept);
        }
        kept.join("disk.raw")
    })
}

fn cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or("/root".into())).join(".cache");
    std::env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from).join("kiln-tests/lab")
}

fn make(recipe: &Recipe, kept: &Path) {
    fs::create_dir_all(cache()).unwrap();
    let out = tempfile::tempdir_in(cache()).unwrap();
    let environment: Vec<(OsString, OsString)> = std::env::vars_os().collect();
    let order = Order {
        out: out.path(),
        arch: "amd64",
        source_date_epoch_s: SOURCE_DATE_EPOCH_S,
        environment: &environment,
    };
    let built = recipe.run(&order, &Print).unwrap_or_else(|error| panic!("{error}"));
    assert!(built.from.contains_key("systemd"), "{:?}", built.from);
    // Another run may have been faster; its result is the same.
    if fs::rename(out.path(), kept).is_ok() {
        let _ = out.keep();
    }
}

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
mkdir /run/esp
mount -o ro /dev/disk/by-label/EFI-SYSTEM /run/esp
echo "esp=$(cd /run/esp && find . -type f | sort | paste -sd' ')"
umount /run/esp
systemd-analyze | sed 's/^/time: /'
"#;

#[test]
fn the_lab_base_boots_grows_and_runs_a_unit_from_root() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("disk.raw");
    let copied = Command::new("cp").arg("--sparse=always").args([base(), &image]).status().unwrap();
    assert!(copied.success());
    write_unit(&image, "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo it ran > /run/from-root'\n");
    let extra = vm::Extra { disk_gib: 200, probe: PROBE.into(), ..vm::Extra::default() };
    let mut machine = vm::boot(&image, &extra);
    machine.wait_for("Reached target multi-user.target", BOOT_LIMIT);
    let answer = machine.answer(BOOT_LIMIT);
    println!("{answer}");
    let facts = facts(&answer);
    assert_eq!((facts["state"], facts["failed"]), ("running", ""), "{answer}");
    assert_eq!(facts["from_root"], "it ran");
    assert_eq!(facts["first_boot"], "flatcar.first_boot=detected");
    assert_eq!(
        facts["esp"], "./EFI/BOOT/BOOTX64.EFI ./kiln-lab/initrd ./kiln-lab/vmlinuz",
        "the flag is gone"
    );
    assert_eq!((facts["usr"], facts["etc"]), ("squashfs ro", "overlay"));
    assert_eq!(facts["machine_id"].len(), 32);
    assert_ne!(facts["disk_guid"].to_lowercase(), "00000000-0000-0000-0000-000000000001");
    let partition_bytes: u64 = facts["partition_bytes"].parse().unwrap();
    let filesystem_bytes = facts["blocks"].parse::<u64>().unwrap() * 4096;
    assert!(partition_bytes > 199 << 30, "ROOT's partition has not grown: {partition_bytes}");
    // resize2fs leaves out a last group of 128 MiB that is too short for its inode table.
    assert!(partition_bytes - filesystem_bytes < 128 << 20, "ROOT has not grown: {filesystem_bytes}");
}
