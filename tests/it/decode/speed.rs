// SPDX-License-Identifier: Apache-2.0
//! Prints how decoding compares with other tools, round-robin, medians of five. Run by hand on a quiet machine: a
//! number from a busy one is none.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use kiln::decode::Limits;
use kiln::host::decode::{Kept, decode};
use kiln::host::files::Pending;
use kiln::progress::Silent;

use super::{disk, filter};

fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn by_kiln(input: &Path, folder: &Path) {
    let pending = Pending::new(&folder.join("out"), 0o644).unwrap();
    let mut look = |_: &Pending| 0;
    let mut output = Kept::new(pending, None, &mut look);
    decode(input, Limits::default(), &mut output, 2, &Silent).unwrap();
}

fn by_tool(program: &[&str], input: &Path, folder: &Path) {
    let output = std::fs::File::create(folder.join("tool")).unwrap();
    let mut command = Command::new(program[0]);
    command.args(&program[1..]).arg(input).stdout(output).stderr(Stdio::null());
    assert!(command.status().unwrap().success());
}

/// Unpacks zstd and throws the bytes away: decoding alone.
fn zstd_alone(input: &Path) {
    let mut frames = zstd::stream::read::Decoder::new(std::fs::File::open(input).unwrap()).unwrap();
    let mut buffer = vec![0; 256 << 10];
    while std::io::Read::read(&mut frames, &mut buffer).unwrap() > 0 {}
}

#[test]
#[ignore = "a measurement, for a quiet machine"]
fn decoding_beside_other_tools() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = disk(200 << 20);
    bytes.resize(1 << 30, 0);
    let (bz2, zst) = (folder.path().join("a.bz2"), folder.path().join("a.zst"));
    std::fs::write(&bz2, filter(&["lbzip2", "-c"], &bytes)).unwrap();
    std::fs::write(&zst, filter(&["zstd", "-qc", "-3", "-T2"], &bytes)).unwrap();
    drop(bytes);
    let mut times = [const { Vec::new() }; 5];
    for _ in 0..5 {
        times[0].push(seconds(|| by_kiln(&bz2, folder.path())));
        times[1].push(seconds(|| by_tool(&["lbzip2", "-dc", "-n2"], &bz2, folder.path())));
        times[2].push(seconds(|| by_kiln(&zst, folder.path())));
        times[3].push(seconds(|| zstd_alone(&zst)));
        times[4].push(seconds(|| by_tool(&["zstd", "-qdc"], &zst, folder.path())));
    }
    let [kiln_bz2, lbzip2, kiln_zst, alone, zstd] = times.map(median);
    println!("bz2: kiln {kiln_bz2:.2} s, lbzip2 {lbzip2:.2} s: {:.2}x", kiln_bz2 / lbzip2);
    println!(
        "zst: kiln {kiln_zst:.2} s, decoding alone {alone:.2} s: {:.2}x; zstd {zstd:.2} s",
        kiln_zst / alone
    );
}
