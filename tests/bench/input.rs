// SPDX-License-Identifier: Apache-2.0
//! The input: a base of 8.5 GB with some 620 MB in it and a payload of 27 files, 366 MB, kept in the target folder.
//!
//! Stand-ins: the base's 58 MB of kernel and 466 MiB of btrfs are noise, because Flatcar's are compressed; the payload is
//! cut from the Go toolchain's programs, because kubelet and its kin are Go programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bases::{self, Layout, noise, run};

const FILES: usize = 27;
const PAYLOAD_BYTES: usize = 366_000_000;

/// Where everything lies.
pub struct Input {
    pub folder: PathBuf,
    pub base: PathBuf,
    pub payload: PathBuf,
}

/// Programs that the benchmark runs, and the Debian packages that bring them.
const NEEDED: [(&str, &str); 16] = [
    ("btrfs", "btrfs-progs"),
    ("debugfs", "e2fsprogs"),
    ("e2fsck", "e2fsprogs"),
    ("go", "golang-go, or Go's own archive"),
    ("lbzip2", "lbzip2"),
    ("mcopy", "mtools"),
    ("mke2fs", "e2fsprogs"),
    ("mkfs.btrfs", "btrfs-progs"),
    ("mkfs.fat", "dosfstools"),
    ("mount", "mount"),
    ("qemu-img", "qemu-utils"),
    ("sfdisk", "fdisk"),
    ("sgdisk", "gdisk"),
    ("systemd-repart", "systemd (Debian 12), systemd-repart (Debian 13)"),
    ("tune2fs", "e2fsprogs"),
    ("zstd", "zstd"),
];

/// Ends the benchmark before it begins, if something is missing.
fn check_machine() {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |program: &str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let mut missing: Vec<String> = NEEDED
        .iter()
        .filter(|(program, _)| !is_there(program))
        .map(|(program, package)| format!("{program}: package {package}"))
        .collect();
    if !nix::unistd::geteuid().is_root() {
        missing.push("root: two of the rivals mount".to_owned());
    }
    if !Path::new("/dev/loop-control").exists() {
        missing.push("/dev/loop-control: two of the rivals mount by loop devices".to_owned());
    }
    assert!(missing.is_empty(), "this machine lacks:\n  {}", missing.join("\n  "));
}

/// Returns the input, made where missing.
pub fn prepare() -> Input {
    check_machine();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
    fs::create_dir_all(&folder).unwrap();
    let input = Input { base: folder.join("base.raw"), payload: folder.join("payload"), folder };
    if !input.base.exists() {
        let half = input.folder.join("base.half");
        bases::make(Layout::Current, &half, fill);
        fs::rename(half, &input.base).unwrap();
    }
    if !input.payload.exists() {
        make_payload(&input);
    }
    fs::create_dir_all(input.folder.join("out")).unwrap();
    let packed = input.folder.join("base.raw.zst");
    if !packed.exists() {
        run(Command::new("zstd").args(["-q", "-f", "-3"]).arg(&input.base).arg("-o").arg(&packed));
    }
    let packed = input.folder.join("base.raw.bz2");
    if !packed.exists() {
        let half = packed.with_extension("half");
        let file = fs::File::create(&half).unwrap();
        let status = Command::new("lbzip2").arg("-c").arg(&input.base).stdout(file).status();
        assert!(status.unwrap().success());
        fs::rename(half, packed).unwrap();
    }
    crate::rivals::prepare(&input);
    crate::program::prepare(&input);
    input
}

fn fill(label: &str, tree: &Path) {
    match label {
        "EFI-SYSTEM" => fs::write(tree.join("flatcar/vmlinuz-a"), noise(11, 58_000_000)).unwrap(),
        "USR-A" => fs::write(tree.join("lib/content"), noise(12, 466 << 20)).unwrap(),
        _ => {}
    }
}

fn make_payload(input: &Input) {
    let root = run(Command::new("go").args(["env", "GOROOT"]));
    let tools = Path::new(root.trim()).join("pkg/tool/linux_amd64");
    let mut programs: Vec<PathBuf> =
        fs::read_dir(tools).unwrap().map(|entry| entry.unwrap().path()).collect();
    programs.push(Path::new(root.trim()).join("bin/go"));
    programs.sort();
    let bytes: Vec<u8> = programs.iter().flat_map(|path| fs::read(path).unwrap()).collect();
    let half = input.payload.with_extension("half");
    fs::create_dir_all(&half).unwrap();
    let mut stream = bytes.iter().cycle().copied();
    for number in 0..FILES {
        let mut part: Vec<u8> = stream.by_ref().take(PAYLOAD_BYTES / FILES).collect();
        // A piece of a program is no program: kiln would say so and stop.
        part[..8].copy_from_slice(format!("piece {number:02}").as_bytes());
        fs::write(half.join(format!("program-{number:02}")), part).unwrap();
    }
    fs::rename(half, &input.payload).unwrap();
}
