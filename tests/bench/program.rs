// SPDX-License-Identifier: Apache-2.0
//! kiln's cases: the program itself, `kiln bake --offline --locked`, with a warm cache.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::bases::run;
use crate::input::Input;

/// Manifest and format of each of kiln's cases; a compressed base is decoded anew in each round.
pub const BAKES: [(&str, &str, &str); 4] = [
    ("raw", "base.raw", "raw"),
    ("qcow2", "base.raw", "qcow2"),
    ("zst-raw", "base.raw.zst", "raw"),
    ("zst-qcow2", "base.raw.zst", "qcow2"),
];

/// Writes the manifests and bakes each once, which makes the locks and fills the cache.
pub fn prepare(input: &Input) {
    for (case, base, format) in BAKES {
        fs::write(input.folder.join(format!("{case}.yaml")), manifest(input, case, base, format)).unwrap();
        let _ = fs::remove_file(input.folder.join(format!("{case}.lock")));
        run(kiln(input, case).arg("--offline"));
    }
}

fn manifest(input: &Input, case: &str, base: &str, format: &str) -> String {
    let mut text = format!(
        "kiln: 1\nname: {case}\narch: amd64\nbase: {{file: {base}, flavour: generic}}\n\
         cluster: {{pods: [10.244.0.0/16], services: [10.96.0.0/16], hosts: [10.0.2.0/24], block: 24, nodes: 100}}\n\
         outputs: {{formats: [{format}]}}\ncomponents:\n"
    );
    for entry in fs::read_dir(&input.payload).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        text += &format!("  {name}: {{file: payload/{name}, install: {{{name}: /opt/bin/}}}}\n");
    }
    text
}

fn kiln(input: &Input, case: &str) -> Command {
    let mut kiln = Command::new(env!("CARGO_BIN_EXE_kiln"));
    kiln.arg("bake").arg(format!("{case}.yaml")).args(["--force", "-o", "out"]).current_dir(&input.folder);
    kiln.env("XDG_CACHE_HOME", input.folder.join("cache"));
    kiln
}

/// Makes kiln forget the decoded base and all that it found out about it.
pub fn forget_base(input: &Input) {
    for folder in ["derived/base", "unproven/base", "records/base-2"] {
        let folder = input.folder.join("cache/kiln").join(folder);
        if folder.exists() {
            fs::remove_dir_all(folder).unwrap();
        }
    }
}

/// Bakes `case` and returns the most memory that the process had, in kB.
pub fn bake(input: &Input, case: &str) -> u64 {
    let mut kiln = kiln(input, case);
    kiln.args(["--offline", "--locked"]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut kiln = kiln.spawn().unwrap();
    let mut peak_kb = 0;
    while kiln.try_wait().unwrap().is_none() {
        peak_kb = peak_kb.max(high_water_kb(kiln.id()));
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = kiln.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    peak_kb
}

/// proc(5): VmHWM is the peak of the resident set.
pub fn high_water_kb(pid: u32) -> u64 {
    let status =
        fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0)
}
