// SPDX-License-Identifier: Apache-2.0
//! Base images of both Flatcar layouts, made by other people's tools from the recorded facts: numbers, labels, type
//! GUIDs, fixed partition GUIDs, sizes, filesystems. Contents are small; the sizes are the real ones, sparse.
//!
//! Needs gdisk, dosfstools, mtools, btrfs-progs and e2fsprogs.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use kiln::digest::Digest;

use super::kept::kept;

/// One of Flatcar's layouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// From 4593 on.
    Current,
    /// Up to 4459.
    Former,
}

/// Number, first sector, size in MiB, type GUID, GUID of its own (if fixed) and label of a partition.
type Row = (u32, u64, u64, &'static str, Option<&'static str>, &'static str);

const EFI: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
const BIOS: &str = "21686148-6449-6E6F-744E-656564454649";
const USR: &str = "5DFBF5F4-2848-4BAC-AA5E-0D9A20B745A6";
const DATA: &str = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
const RESERVED: &str = "C95DC21A-DF0E-4340-8D7B-26CBFA9A03E0";
const RESIZE: &str = "3884DD41-8582-4404-B9A8-E9B84F2DF50E";
const USR_A: &str = "7130c94a-213a-4e5a-8e26-6cce9662f132";
const USR_B: &str = "e03dd35c-7c2d-4a47-b3fe-27f15780a57c";

const CURRENT: [Row; 7] = [
    (1, 4096, 1024, EFI, None, "EFI-SYSTEM"),
    (2, 2_101_248, 2, BIOS, None, "BIOS-BOOT"),
    (3, 2_105_344, 2048, USR, Some(USR_A), "USR-A"),
    (4, 6_299_648, 2048, USR, Some(USR_B), "USR-B"),
    (6, 10_493_952, 1024, DATA, None, "OEM"),
    (7, 12_591_104, 64, RESERVED, None, "OEM-CONFIG"),
    (9, 12_722_176, 1784, RESIZE, None, "ROOT"),
];

const FORMER: [Row; 7] = [
    (1, 4096, 128, EFI, None, "EFI-SYSTEM"),
    (2, 266_240, 2, BIOS, None, "BIOS-BOOT"),
    (3, 270_336, 1024, USR, Some(USR_A), "USR-A"),
    (4, 2_367_488, 1024, USR, Some(USR_B), "USR-B"),
    (6, 4_464_640, 128, DATA, None, "OEM"),
    (7, 4_726_784, 64, RESERVED, None, "OEM-CONFIG"),
    (9, 4_857_856, 2162, RESIZE, None, "ROOT"),
];

impl Layout {
    /// The size of the whole image in bytes: a multiple of 126 MiB.
    pub fn size(self) -> u64 {
        match self {
            Self::Current => 8_455_716_864,
            Self::Former => 4_756_340_736,
        }
    }

    fn rows(self) -> &'static [Row] {
        match self {
            Self::Current => &CURRENT,
            Self::Former => &FORMER,
        }
    }

    fn row(self, label: &str) -> &'static Row {
        self.rows().iter().find(|row| row.5 == label).unwrap()
    }

    fn version(self) -> &'static str {
        match self {
            Self::Current => "4593.2.5",
            Self::Former => "4459.2.4",
        }
    }
}

/// Returns a base image that is only read: made once, kept in the target folder for later runs.
pub fn flatcar(layout: Layout) -> PathBuf {
    // The recipe is part of the name, so that a changed one makes a new image.
    let recipe = Digest::of(include_bytes!("bases.rs")).to_string();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bases");
    let image = folder.join(format!("{layout:?}-{}.raw", &recipe[..12]).to_lowercase());
    kept(&image, |half| make(layout, half, |_, _| ()));
    image
}

/// Makes a base image. `fill` may add to the folder that becomes the filesystem of EFI-SYSTEM, USR-A, OEM or ROOT; it is
/// given the label and the folder.
pub fn make(layout: Layout, image: &Path, fill: impl Fn(&str, &Path)) {
    let parts = tempfile::tempdir_in(image.parent().unwrap()).unwrap();
    let disk = File::create(image).unwrap();
    disk.set_len(layout.size()).unwrap();
    partition(layout, image);
    // Boot code, as GRUB for BIOS leaves it in sector 0.
    disk.write_all_at(&noise(1, 440), 0).unwrap();
    disk.write_all_at(&noise(2, 30_000), layout.row("BIOS-BOOT").1 * 512).unwrap();
    let trees =
        [("EFI-SYSTEM", esp_tree()), ("USR-A", usr_tree(layout)), ("OEM", oem_tree()), ("ROOT", Vec::new())];
    for (label, files) in trees {
        let tree = parts.path().join(label);
        fs::create_dir_all(&tree).unwrap();
        files.iter().for_each(|(name, bytes)| write(&tree.join(name), bytes));
        fill(label, &tree);
        place(layout, image, label, |part| format(layout, label, part, &tree));
    }
    disk.sync_all().unwrap();
}

fn partition(layout: Layout, image: &Path) {
    let mut sgdisk = Command::new("sgdisk");
    sgdisk.args(["-a", "4096", "-U", "00000000-0000-0000-0000-000000000001"]);
    for (number, first, mib, kind, id, label) in layout.rows() {
        let last = first + mib * 2048 - 1;
        sgdisk.args(["-n", &format!("{number}:{first}:{last}"), "-t", &format!("{number}:{kind}")]);
        sgdisk.args(["-c", &format!("{number}:{label}")]);
        let made = format!("{number:08}-aaaa-4bbb-8ccc-{:012}", layout.size() / 1_000_000);
        sgdisk.args(["-u", &format!("{number}:{}", id.unwrap_or(&made))]);
    }
    // Flatcar's own bits of USR-A: priority 1 (48 to 51) and successful (56).
    run(sgdisk.args(["-A", "3:set:48", "-A", "3:set:56"]).arg(image));
}

/// Has a filesystem made in a file of the partition's size, and copies it into the image.
fn place(layout: Layout, image: &Path, label: &str, make: impl Fn(&Path)) {
    let (_, first, mib, ..) = layout.row(label);
    let part = image.with_extension(label);
    File::create(&part).unwrap().set_len(mib << 20).unwrap();
    make(&part);
    assert!(part.metadata().unwrap().len() <= mib << 20, "{label} became larger than its partition");
    let (input, output) = (format!("if={}", part.display()), format!("of={}", image.display()));
    let seek = format!("seek={}", first * 512);
    run(Command::new("dd").args([&input, &output, &seek]).args([
        "bs=1M",
        "oflag=seek_bytes",
        "conv=notrunc,sparse",
        "status=none",
    ]));
    fs::remove_file(part).unwrap();
}

fn format(layout: Layout, label: &str, part: &Path, tree: &Path) {
    match label {
        "EFI-SYSTEM" => esp(part, tree),
        "USR-A" => usr(layout, part, tree),
        "OEM" => mkfs_btrfs(part, tree, &["--mixed", "-m", "single", "-d", "single", "-L", "OEM"]),
        _ => root(part, tree),
    }
}

fn esp_tree() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("flatcar/first_boot", Vec::new()),
        ("flatcar/vmlinuz-a", noise(3, 300_000)),
        ("EFI/boot/bootx64.efi", noise(4, 100_000)),
    ]
}

fn esp(part: &Path, tree: &Path) {
    run(Command::new("mkfs.fat")
        .args(["-F", "32", "-n", "EFI-SYSTEM", "-i", "C0FFEE01", "--invariant"])
        .arg(part));
    for entry in fs::read_dir(tree).unwrap() {
        run(Command::new("mcopy").arg("-s").arg("-i").arg(part).arg(entry.unwrap().path()).arg("::/"));
    }
}

fn usr_tree(layout: Layout) -> Vec<(&'static str, Vec<u8>)> {
    let version = layout.version();
    let os_release = format!(
        "NAME=\"Flatcar Container Linux by Kinvolk\"\nID=flatcar\nVERSION_ID={version}\nFLATCAR_BOARD=amd64-usr\n"
    );
    let release = format!("FLATCAR_RELEASE_VERSION={version}\n");
    vec![
        ("lib/os-release", os_release.into_bytes()),
        ("lib64/ld-linux-x86-64.so.2", noise(5, 50_000)),
        ("bin/bash", noise(6, 200_000)),
        ("share/flatcar/release", release.into_bytes()),
    ]
}

/// USR-A: btrfs smaller than its partition, and behind it a stand-in for the verity tree.
fn usr(layout: Layout, part: &Path, tree: &Path) {
    let (_, _, mib, ..) = layout.row("USR-A");
    // disk_layout.json: the filesystem has 260094 blocks of 4 KiB where the partition has 2 GiB.
    let bytes = if *mib == 2048 { 260_094 * 4096 } else { 1016 << 20 };
    mkfs_btrfs(part, tree, &["-b", &bytes.to_string()]);
    let file = File::options().write(true).open(part).unwrap();
    file.set_len(mib << 20).unwrap();
    file.write_all_at(&noise(7, 1 << 20), bytes).unwrap();
}

fn oem_tree() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        // As the generic image, which names no platform.
        ("grub.cfg", b"set linux_append=\"\"\n".to_vec()),
        ("oem-release", b"ID=generic\nVERSION_ID=0.0.1\n".to_vec()),
    ]
}

fn mkfs_btrfs(part: &Path, tree: &Path, options: &[&str]) {
    run(Command::new("mkfs.btrfs").args(["-q", "-f"]).args(options).arg("--rootdir").arg(tree).arg(part));
}

/// ROOT as Flatcar makes it: mke2fs with an inode per 4096 bytes, then `tune2fs -e remount-ro -L ROOT`.
fn root(part: &Path, tree: &Path) {
    for name in ["boot", "usr", "oem"] {
        fs::create_dir_all(tree.join(name)).unwrap();
    }
    let features = "metadata_csum,64bit,orphan_file,metadata_csum_seed";
    run(Command::new("mke2fs")
        .args(["-q", "-t", "ext4", "-b", "4096", "-I", "256", "-i", "4096", "-O", features])
        .args(["-U", "11111111-2222-4333-8444-555555555555", "-d"])
        .args([tree, part]));
    run(Command::new("tune2fs").args(["-e", "remount-ro", "-L", "ROOT"]).arg(part));
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Returns bytes that don't compress, the same each time.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let words = std::iter::repeat_with(|| {
        // xorshift64 (Marsaglia 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(len).collect()
}

/// Runs a tool and returns what it said; one that is missing or fails fails the test.
pub fn run(command: &mut Command) -> String {
    let output = command.output();
    let output =
        output.unwrap_or_else(|error| panic!("can't run {command:?}: {error}; is its package installed?"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{said}{complaint}", output.status);
    said
}
