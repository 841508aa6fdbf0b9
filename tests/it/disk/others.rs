// SPDX-License-Identifier: Apache-2.0
//! Image files that QEMU wrote, and damaged ones.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use kiln::disk::ReadAt;
use kiln::host::disk::{OpenError, RawFile, open_image};
use kiln::output::qcow2;
use proptest::prelude::*;

use super::bases::{noise, run};

/// Writes a disk of 20 MiB and a bit: zeros, text, noise, holes.
fn disk(folder: &Path) -> PathBuf {
    let path = folder.join("plain.raw");
    let file = File::create(&path).unwrap();
    file.set_len((20 << 20) + 512).unwrap();
    file.write_all_at(&b"kiln ".repeat(100_000), 70_000).unwrap();
    file.write_all_at(&noise(1, 3 << 20), 5 << 20).unwrap();
    file.write_all_at(&b"end".repeat(1000), (20 << 20) - 2488).unwrap();
    path
}

fn convert(folder: &Path, options: &[&str]) -> PathBuf {
    let (from, to) = (disk(folder), folder.join("made.qcow2"));
    run(Command::new("qemu-img")
        .args(["convert", "-f", "raw", "-O", "qcow2"])
        .args(options)
        .args([&from, &to]));
    to
}

fn content(image: &dyn ReadAt) -> Vec<u8> {
    let mut bytes = vec![0; image.size() as usize];
    image.read_at(&mut bytes, 0).unwrap();
    bytes
}

/// What lies in the runs of data, on zeros.
fn data_only(image: &dyn ReadAt) -> Vec<u8> {
    let mut bytes = vec![0; image.size() as usize];
    let mut at = 0;
    while let Some(data) = image.next_data(at).unwrap() {
        image.read_at(&mut bytes[data.start as usize..data.end as usize], data.start).unwrap();
        at = data.end;
    }
    bytes
}

#[test]
fn every_variant_of_qcow2_that_qemu_writes_is_read() {
    for options in [
        &["-o", "compat=0.10"][..],
        &["-c", "-o", "compat=0.10"],
        &["-o", "compat=1.1,lazy_refcounts=on"],
        &["-c"],
        &["-c", "-o", "compression_type=zstd"],
        &["-c", "-o", "compression_type=zstd,cluster_size=4k"],
        &["-c", "-o", "cluster_size=512"],
        &["-c", "-o", "compression_type=zstd,cluster_size=2M"],
        &["-S", "0", "-o", "preallocation=metadata"],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let image = open_image(&convert(folder.path(), options)).unwrap();
        let expected = std::fs::read(folder.path().join("plain.raw")).unwrap();
        assert!(content(&*image) == expected, "{options:?}");
        assert!(data_only(&*image) == expected, "{options:?}: next_data");
        assert!(image.read_at(&mut [0; 2], image.size() - 1).is_err(), "{options:?}: beyond the end");
    }
}

fn refused(image: &Path) -> String {
    match open_image(image) {
        Err(OpenError::Qcow2 { source, .. }) => source.to_string(),
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn what_leads_out_of_the_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("made.qcow2");
    let make = |options: &[&str]| {
        run(Command::new("qemu-img")
            .args(["create", "-q", "-f", "qcow2"])
            .args(options)
            .arg(&image)
            .arg("20M"));
        refused(&image)
    };
    let backing = disk(folder.path()).display().to_string();
    assert_eq!(
        make(&["-F", "raw", "-b", &backing]),
        "the qcow2 image has a backing file; flatten it with qemu-img convert"
    );
    assert_eq!(
        make(&[
            "--object",
            "secret,id=s,data=x",
            "-o",
            "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10"
        ]),
        "the qcow2 image is encrypted; decrypt it with qemu-img convert"
    );
    let data_file = format!("data_file={}", folder.path().join("data").display());
    assert_eq!(
        make(&["-o", &data_file]),
        "the qcow2 image keeps its data in another file; flatten it with qemu-img convert"
    );
    assert_eq!(
        make(&["-o", "extended_l2=on"]),
        "the qcow2 image has subclusters (extended_l2), which kiln does not read"
    );
}

#[test]
fn other_kinds_of_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    for (first, words) in [
        (&b"KDMV"[..], "is a VMDK"),
        (b"vhdxfile", "is a VHDX"),
        (b"BZh9", "is compressed by bzip2"),
        (b"\x28\xb5\x2f\xfd", "is compressed by zstd"),
    ] {
        std::fs::write(&image, first).unwrap();
        let said = open_image(&image).err().unwrap().to_string();
        assert!(said.starts_with(&format!("{} {words}", image.display())), "{said}");
    }
    assert!(open_image(folder.path()).is_err());
    assert!(matches!(open_image(&folder.path().join("none")), Err(OpenError::File(_))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_tables_end_in_an_error_or_other_bytes(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = small_qcow2().clone();
        let len = bytes.len();
        for (place, value) in flips {
            // Mostly tables and compressed data: the file is small.
            let at = place.index(len);
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(len));
        }
        if let Ok(reader) = qcow2::Reader::open(Arc::new(bytes)) {
            // A hostile size may be large: look at the first data only.
            let _ = reader.next_data(0);
            let mut buffer = vec![0; reader.size().min(2 << 20) as usize];
            let _ = reader.read_at(&mut buffer, 0);
        }
    }
}

fn small_qcow2() -> &'static Vec<u8> {
    static BYTES: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    BYTES.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let (raw, made) = (folder.path().join("raw"), folder.path().join("made"));
        std::fs::write(&raw, b"kiln ".repeat(100_000)).unwrap();
        run(Command::new("qemu-img")
            .args(["convert", "-f", "raw", "-O", "qcow2", "-c"])
            .args(["-o", "compression_type=zstd,cluster_size=4k"])
            .args([&raw, &made]));
        std::fs::read(made).unwrap()
    })
}

#[test]
fn holes_of_a_raw_file_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = RawFile::new(File::open(disk(folder.path())).unwrap()).unwrap();
    let expected = std::fs::read(folder.path().join("plain.raw")).unwrap();
    assert!(data_only(&file) == expected);
    let first = file.next_data(1 << 20).unwrap().unwrap();
    assert!(first.start >= 5 << 20, "a hole is skipped: {first:?}");
    assert_eq!(file.next_data(file.size()).unwrap(), None);
}
