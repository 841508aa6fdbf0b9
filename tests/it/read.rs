// SPDX-License-Identifier: Apache-2.0
//! Reading of images that other people's tools made: mke2fs, mkfs.fat and mtools, mksquashfs, mkfs.btrfs and the kernel.

mod hostile;
mod made;
mod trees;
mod view;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use kiln::host::disk::RawFile;
use kiln::read::{Image, Partition, Place};
use uuid::Uuid;

/// Returns an image whose partitions are these files, by label.
pub fn image(parts: &[(&str, &Path)]) -> Image {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    let disk = File::create_new(&path).unwrap();
    let mut partitions = Vec::new();
    let mut start = 1 << 20;
    for (number, (label, file)) in (1..).zip(parts) {
        let bytes = std::fs::read(file).unwrap();
        disk.write_all_at(&bytes, start).unwrap();
        let (label, size) = ((*label).to_owned(), bytes.len() as u64);
        let type_guid = Uuid::parse_str("3884dd41-8582-4404-b9a8-e9b84f2df50e").unwrap();
        partitions.push(Partition { number, label, type_guid, start, size });
        start += size.next_multiple_of(1 << 20);
    }
    disk.set_len(start).unwrap();
    Image::new(Arc::new(RawFile::new(File::open(path).unwrap()).unwrap()), partitions)
}

fn place(text: &str) -> Place {
    Place::parse(text).unwrap()
}

/// Runs a program; both words and failure are the test's.
pub fn run(program: &[&str]) -> String {
    let output = Command::new(program[0])
        .args(&program[1..])
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .env("MTOOLS_SKIP_CHECK", "1")
        .env("TZ", "UTC")
        .output()
        .unwrap_or_else(|error| panic!("this test needs the Debian package of {}: {error}", program[0]));
    let words = [&output.stdout[..], &output.stderr[..]].concat();
    let words = String::from_utf8_lossy(&words).into_owned();
    assert!(output.status.success(), "{program:?}\n{words}");
    words
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Returns an error and its causes.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Describes a tree by find(1): kind, mode, owner, size, time and link target of everything.
fn described(folder: &Path, with_owners: bool) -> String {
    let format = if with_owners { "%P %y %m %U %G %Ts %l" } else { "%P %y" };
    let script = format!(
        "cd '{}' && find . -mindepth 1 '(' -type f -printf '{format} %s\\n' ')' -o -printf '{format}\\n' | sort",
        text(folder)
    );
    run(&["sh", "-c", &script])
}

fn same(one: &Path, other: &Path) {
    run(&["diff", "-r", "--no-dereference", text(one), text(other)]);
}

fn scratch() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    (folder, path)
}
