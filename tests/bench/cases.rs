// SPDX-License-Identifier: Apache-2.0
//! What is measured, and that both sides do the same work.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use kiln::decode::{Limits, Sink, SinkError};
use kiln::progress::Silent;

use crate::bases::run;
use crate::input::Input;
use crate::program;
use crate::rivals;
use crate::rounds::{Case, Ratio, Taken};

pub const CASES: [Case; 15] = [
    ("calibration", "SHA-256 of 256 MiB"),
    ("raw", "kiln bake: raw base to raw"),
    ("copy", "cp of the finished raw image, holes kept"),
    ("debugfs", "cp of the base, debugfs writes the payload"),
    ("mount", "cp of the base, ROOT mounted by a loop device, cp of the payload"),
    ("repart", "systemd-repart: the base's partitions copied, ROOT made with the payload"),
    ("qcow2", "kiln bake: raw base to qcow2 (zstd)"),
    ("debugfs+qemu-img", "the same by debugfs and qemu-img convert -c zstd -m 16 -W"),
    ("decode", "decoding of the .zst base alone, into nothing"),
    ("decode-file", "decoding of the .zst base alone, into a file with holes"),
    ("zst-raw", "kiln bake: .zst base, not decoded before, to raw"),
    ("zst-qcow2", "kiln bake: .zst base, not decoded before, to qcow2 (zstd)"),
    ("zstd+debugfs+qemu-img", "the same by zstd, debugfs and qemu-img"),
    ("bz2", "decoding of the .bz2 base alone, into nothing"),
    ("lbzip2", "the same by lbzip2 -d"),
];

/// Cases that leave no file.
const WITHOUT_OUTPUT: [&str; 4] = ["calibration", "decode", "bz2", "lbzip2"];

/// The targets.
pub const RATIOS: [Ratio; 9] = [
    ("raw", "copy", 1.3),
    ("raw", "debugfs", 1.0),
    ("raw", "mount", 1.0),
    ("raw", "repart", 1.0),
    ("qcow2", "debugfs+qemu-img", 0.6),
    ("zst-raw", "decode", 1.2),
    ("zst-raw", "decode-file", 1.2),
    ("zst-qcow2", "zstd+debugfs+qemu-img", 0.8),
    ("bz2", "lbzip2", 1.05),
];

/// Times one case.
pub fn time(input: &Input, case: &str) -> Taken {
    if case.starts_with("zst-") {
        program::forget_base(input);
    }
    // What the last case left must not be written out on this one's time.
    run(Command::new("sync").arg("-f").arg(&input.folder));
    let (start, cpu) = (Instant::now(), children_cpu_s());
    let peak_kb = work(input, case);
    let taken = Taken { seconds: start.elapsed().as_secs_f64(), cpu_s: children_cpu_s() - cpu, peak_kb };
    if let Some(out) = output(input, case) {
        let keep = out.with_extension(format!("{}.kept", out.extension().unwrap().display()));
        fs::rename(&out, keep).unwrap();
    }
    taken
}

/// Returns the CPU time of all processes that ended so far, user and system (proc(5), cutime and cstime, in 1/100 s).
fn children_cpu_s() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[13].parse::<f64>().unwrap() + fields[14].parse::<f64>().unwrap()) / 100.0
}

fn work(input: &Input, case: &str) -> u64 {
    let out = output(input, case).unwrap_or_default();
    match case {
        "calibration" => drop(run(&mut myself(&["calibrate"]))),
        "decode" => drop(run(myself(&["decode"]).arg(input.folder.join("base.raw.zst")))),
        "decode-file" => drop(run(myself(&["decode"]).arg(input.folder.join("base.raw.zst")).arg(&out))),
        "bz2" => drop(run(myself(&["decode"]).arg(input.folder.join("base.raw.bz2")))),
        "lbzip2" => rivals::lbzip2(&input.folder.join("base.raw.bz2")),
        "copy" => copy(&kept(input, "raw"), &out),
        "debugfs" => {
            copy(&input.base, &out);
            rivals::debugfs(input, &out);
        }
        "mount" => {
            copy(&input.base, &out);
            rivals::mount(input, &out);
        }
        "repart" => rivals::repart(input, &out),
        "debugfs+qemu-img" => through_raw(input, &out, |raw| copy(&input.base, raw)),
        "zstd+debugfs+qemu-img" => through_raw(input, &out, |raw| {
            let packed = input.folder.join("base.raw.zst");
            run(Command::new("zstd").args(["-d", "-q", "-f", "--sparse"]).arg(packed).arg("-o").arg(raw));
        }),
        _ => return program::bake(input, case),
    }
    if !WITHOUT_OUTPUT.contains(&case) {
        sync(&out);
    }
    0
}

/// Makes a raw image by `base` and debugfs and converts it.
fn through_raw(input: &Input, out: &Path, base: impl Fn(&Path)) {
    let raw = input.folder.join("out/work.raw");
    base(&raw);
    rivals::debugfs(input, &raw);
    let options = ["-c", "-o", "compression_type=zstd", "-m", "16", "-W"];
    run(Command::new("qemu-img")
        .args(["convert", "-f", "raw", "-O", "qcow2"])
        .args(options)
        .args([&raw, out]));
    fs::remove_file(raw).unwrap();
}

fn output(input: &Input, case: &str) -> Option<PathBuf> {
    let is_qcow2 = case.ends_with("qcow2") || case.ends_with("qemu-img");
    let extension = if is_qcow2 { "qcow2" } else { "raw" };
    (!WITHOUT_OUTPUT.contains(&case)).then(|| input.folder.join(format!("out/{case}.{extension}")))
}

/// The output of a case as its last run left it.
fn kept(input: &Input, case: &str) -> PathBuf {
    let out = output(input, case).unwrap();
    out.with_extension(format!("{}.kept", out.extension().unwrap().display()))
}

/// This program as a process of its own, so that its CPU time is counted.
fn myself(words: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(words);
    command
}

fn copy(from: &Path, to: &Path) {
    run(Command::new("cp").arg("--sparse=auto").args([from, to]));
}

fn sync(path: &Path) {
    File::open(path).unwrap().sync_all().unwrap();
    File::open(path.parent().unwrap()).unwrap().sync_all().unwrap();
}

/// Where decoded bytes go: into a file, or nowhere.
struct Out(Option<File>);

impl Sink for Out {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> Result<(), SinkError> {
        self.0.iter().for_each(|file| file.write_all_at(bytes, offset).unwrap());
        Ok(())
    }

    fn finish(&mut self, size: u64) -> Result<(), SinkError> {
        self.0.iter().for_each(|file| file.set_len(size).unwrap());
        Ok(())
    }
}

/// Decodes a file.
pub fn decode(path: &Path, to: Option<&Path>) {
    let mut out = Out(to.map(|to| File::create(to).unwrap()));
    kiln::host::decode::decode(path, Limits::default(), &mut out, 2, &Silent).unwrap();
}

pub fn calibrate() {
    let digest = kiln::digest::Digest::of(&vec![1; 256 << 20]);
    assert!(!digest.to_string().is_empty());
}

/// Runs each case once and has other tools look at what it made; speed of wrong output counts for nothing.
pub fn check(input: &Input) {
    for (case, _) in CASES {
        time(input, case);
    }
    for case in ["raw", "zst-raw", "debugfs", "mount", "repart"] {
        let image = kept(input, case);
        let image = format!("{}?offset={}", image.display(), rivals::root_offset(&image));
        run(Command::new("e2fsck").args(["-fn"]).arg(image));
    }
    for case in ["qcow2", "zst-qcow2", "debugfs+qemu-img", "zstd+debugfs+qemu-img"] {
        run(Command::new("qemu-img").args(["check", "-q", "-f", "qcow2"]).arg(kept(input, case)));
    }
}

/// Prints the sizes: outputs that differ by more than a percent are not the same work. Removes the outputs.
pub fn print_outputs(input: &Input) {
    use std::os::unix::fs::MetadataExt;
    for (case, _) in CASES.iter().filter(|(case, _)| output(input, case).is_some()) {
        let allocated = kept(input, case).metadata().unwrap().blocks() * 512;
        println!("{case}: {:.1} MB allocated", allocated as f64 / 1e6);
    }
    fs::remove_dir_all(input.folder.join("out")).unwrap();
}
