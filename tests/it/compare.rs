// SPDX-License-Identifier: Apache-2.0
//! Images against each other, and against what they were baked from.

mod diff;
mod levels;
mod transfer;
mod verify;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use crate::bake::proof::root;
use crate::bake::shop::Shop;
use crate::disk::bases::run;

/// Runs kiln in a shop and returns its exit code, standard output and messages.
fn told(shop: &Shop, words: &[&str]) -> (i32, String, String) {
    let output = shop.kiln(words).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    let messages: Vec<&str> = err.lines().filter_map(|line| line.strip_prefix("kiln: ")).collect();
    (output.status.code().unwrap(), out, messages.join("\n"))
}

/// As [`told`], for what is printed as JSON.
fn json(shop: &Shop, words: &[&str]) -> (i32, serde_json::Value) {
    let (code, out, err) = told(shop, &[words, &["--format", "json"]].concat());
    (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}\n{err}")))
}

/// Returns where on the disk the first block of a file on ROOT lies, as debugfs sees it.
pub fn first_block(image: &Path, path: &str) -> u64 {
    let start = root(image).0;
    let disk = format!("{}?offset={start}", image.display());
    let blocks = run(Command::new("debugfs").args(["-R", &format!("blocks {path}")]).arg(disk));
    let first = blocks.lines().last().unwrap().split_whitespace().next().unwrap();
    start + first.parse::<u64>().unwrap() * 4096
}

/// Turns one byte of an image over; once more makes it what it was.
fn flip(image: &Path, offset: u64) {
    let disk = fs::OpenOptions::new().read(true).write(true).open(image).unwrap();
    let mut byte = [0];
    disk.read_exact_at(&mut byte, offset).unwrap();
    disk.write_all_at(&[!byte[0]], offset).unwrap();
}
