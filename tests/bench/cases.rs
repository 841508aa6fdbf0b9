// SPDX-License-Identifier: Apache-2.0
//! What is measured, and that both sides do the same work.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::bases::run;
use crate::input::Input;
use crate::rounds::{Case, Ratio, Taken};

/// ROOT of the current layout, in bytes from the start of the disk.
const ROOT_OFFSET: u64 = 12_722_176 * 512;

pub const CASES: [Case; 6] = [
    ("calibration", "SHA-256 of 256 MiB"),
    ("copy", "cp of the finished raw image, holes kept"),
    ("raw", "kiln: base and payload to raw, with digest"),
    ("debugfs", "cp of the base, debugfs writes the payload"),
    ("qcow2", "kiln: base and payload to qcow2 (zstd), with digest"),
    ("debugfs+qemu-img", "the same by debugfs and qemu-img convert -c zstd -m 16 -W"),
];

/// The targets.
pub const RATIOS: [Ratio; 3] =
    [("raw", "copy", 1.3), ("raw", "debugfs", 1.0), ("qcow2", "debugfs+qemu-img", 0.6)];

/// Times one case.
pub fn time(input: &Input, case: &str) -> Taken {
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
        "calibration" => {
            run(kiln(&["calibrate"]));
            return 0;
        }
        "copy" => copy(&kept(input, "raw"), &out),
        "raw" | "qcow2" => {
            let said = run(kiln(&["bake", case]).arg(&input.folder).arg(&out));
            return said.trim().parse().unwrap();
        }
        "debugfs" => debugfs(input, &out),
        _ => {
            let raw = input.folder.join("out/work.raw");
            debugfs(input, &raw);
            let options = [
                "convert",
                "-f",
                "raw",
                "-O",
                "qcow2",
                "-c",
                "-o",
                "compression_type=zstd",
                "-m",
                "16",
                "-W",
            ];
            run(Command::new("qemu-img").args(options).args([&raw, &out]));
            fs::remove_file(raw).unwrap();
        }
    }
    sync(&out);
    0
}

fn output(input: &Input, case: &str) -> Option<PathBuf> {
    let extension = if case.starts_with("qcow2") || case.ends_with("qemu-img") { "qcow2" } else { "raw" };
    (case != "calibration").then(|| input.folder.join(format!("out/{case}.{extension}")))
}

/// The output of a case as its last run left it.
fn kept(input: &Input, case: &str) -> PathBuf {
    let out = output(input, case).unwrap();
    out.with_extension(format!("{}.kept", out.extension().unwrap().display()))
}

fn kiln(words: &[&str]) -> &'static mut Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(words);
    Box::leak(Box::new(command))
}

fn copy(from: &Path, to: &Path) {
    run(Command::new("cp").arg("--sparse=auto").args([from, to]));
}

fn debugfs(input: &Input, out: &Path) {
    copy(&input.base, out);
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

fn sync(path: &Path) {
    File::open(path).unwrap().sync_all().unwrap();
    File::open(path.parent().unwrap()).unwrap().sync_all().unwrap();
}

pub fn calibrate() {
    let digest = kiln::digest::Digest::of(&vec![1; 256 << 20]);
    assert!(!digest.to_string().is_empty());
}

/// Runs each case once and has other tools look at what it made; speed of wrong output counts for nothing.
pub fn check(input: &Input) {
    for case in ["raw", "qcow2", "debugfs", "debugfs+qemu-img"] {
        time(input, case);
    }
    for case in ["raw", "debugfs"] {
        let image = format!("{}?offset={ROOT_OFFSET}", kept(input, case).display());
        run(Command::new("e2fsck").args(["-fn"]).arg(image));
    }
    for case in ["qcow2", "debugfs+qemu-img"] {
        run(Command::new("qemu-img").args(["check", "-q", "-f", "qcow2"]).arg(kept(input, case)));
    }
    run(Command::new("qemu-img")
        .args(["compare", "-q", "-f", "raw", "-F", "qcow2"])
        .args([kept(input, "raw"), kept(input, "qcow2")]));
}

/// Prints the sizes: outputs that differ by more than a percent are not the same work. Removes the outputs.
pub fn print_outputs(input: &Input) {
    use std::os::unix::fs::MetadataExt;
    for (case, _) in &CASES[1..] {
        let allocated = kept(input, case).metadata().unwrap().blocks() * 512;
        println!("{case}: {:.1} MB allocated", allocated as f64 / 1e6);
    }
    fs::remove_dir_all(input.folder.join("out")).unwrap();
}
