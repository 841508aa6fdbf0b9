// SPDX-License-Identifier: Apache-2.0
//! Other people's tools at the same work. What they need beside the base (its partitions as files) is made beforehand.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::bases::run;
use crate::input::Input;

/// ROOT of the current layout, in bytes from the start of the disk.
const ROOT_OFFSET: u64 = 12_722_176 * 512;

/// Its size in bytes.
const ROOT_BYTES: u64 = 1784 << 20;

/// Lets debugfs write the payload into the ROOT of `out`.
pub fn debugfs(input: &Input, out: &Path) {
    let mut script = String::from("mkdir /opt\nmkdir /opt/bin\n");
    for entry in fs::read_dir(&input.payload).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        script += &format!("write {} /opt/bin/{name}\nsif /opt/bin/{name} mode 0100755\n", path.display());
    }
    let commands = input.folder.join("debugfs.commands");
    fs::write(&commands, script).unwrap();
    let image = format!("{}?offset={ROOT_OFFSET}", out.display());
    run(Command::new("debugfs").arg("-w").arg("-f").arg(commands).arg(image));
}

/// Mounts the ROOT of `out` and copies the payload into it. Needs root and a loop device.
pub fn mount(input: &Input, out: &Path) {
    let place = input.folder.join("mounted");
    fs::create_dir_all(&place).unwrap();
    let options = format!("loop,offset={ROOT_OFFSET},sizelimit={ROOT_BYTES}");
    run(Command::new("mount").args(["-t", "ext4", "-o", &options]).arg(out).arg(&place));
    fs::create_dir_all(place.join("opt")).unwrap();
    let copied = Command::new("cp").args(["-r"]).arg(&input.payload).arg(place.join("opt/bin")).status();
    run(Command::new("umount").arg(&place));
    assert!(copied.unwrap().success());
}

/// Has systemd-repart put a disk together. Needs root and a loop device, since 252 makes filesystems on one.
pub fn repart(input: &Input, out: &Path) {
    let _ = fs::remove_file(out);
    let mut repart = Command::new("systemd-repart");
    repart.args(["--empty=create", "--size=8455716864", "--dry-run=no", "--no-pager"]);
    repart.arg("--seed=6b696c6e-6c61-4200-8000-000000000004");
    repart.arg(format!("--definitions={}", definitions(input).display()));
    run(repart.arg(out));
}

fn definitions(input: &Input) -> PathBuf {
    input.folder.join("repart.d")
}

/// Writes the definitions of [`repart`], and the base's partitions as files of their own.
pub fn prepare(input: &Input) {
    let folder = definitions(input);
    if folder.exists() {
        return;
    }
    let half = folder.with_extension("half");
    fs::create_dir_all(&half).unwrap();
    for (number, partition) in partitions(&input.base).iter().enumerate() {
        let number_of = |key: &str| partition[key].as_u64().unwrap();
        let (start, sectors) = (number_of("start"), number_of("size"));
        let label = partition["name"].as_str().unwrap();
        let kind = partition["type"].as_str().unwrap();
        let bytes = sectors * 512;
        let mut text =
            format!("[Partition]\nType={kind}\nLabel={label}\nSizeMinBytes={bytes}\nSizeMaxBytes={bytes}\n");
        if start * 512 == ROOT_OFFSET {
            text += &format!("Format=ext4\nCopyFiles={}:/opt/bin\n", input.payload.display());
        } else {
            let file = input.folder.join(format!("{label}.part"));
            let mut dd = Command::new("dd");
            dd.arg(format!("if={}", input.base.display())).arg(format!("of={}", file.display()));
            dd.args(["bs=1M", "conv=sparse", "iflag=skip_bytes,count_bytes", "status=none"]);
            run(dd.arg(format!("skip={}", start * 512)).arg(format!("count={bytes}")));
            fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(bytes).unwrap();
            text += &format!("CopyBlocks={}\n", file.display());
        }
        fs::write(half.join(format!("{number:02}.conf")), text).unwrap();
    }
    fs::rename(half, folder).unwrap();
}

fn partitions(image: &Path) -> Vec<serde_json::Value> {
    let told = run(Command::new("sfdisk").arg("--json").arg(image));
    let table: serde_json::Value = serde_json::from_str(&told).unwrap();
    table["partitiontable"]["partitions"].as_array().unwrap().clone()
}

/// Returns where the ROOT of an image begins, in bytes: systemd-repart has its own idea of that.
pub fn root_offset(image: &Path) -> u64 {
    let partitions = partitions(image);
    let root = partitions.iter().find(|partition| partition["name"] == "ROOT").unwrap();
    root["start"].as_u64().unwrap() * 512
}

/// Decodes into nothing, on all processors.
pub fn lbzip2(packed: &Path) {
    let status = Command::new("lbzip2").arg("-dc").arg(packed).stdout(Stdio::null()).status().unwrap();
    assert!(status.success());
}
