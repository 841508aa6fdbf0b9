// SPDX-License-Identifier: Apache-2.0
//! A disk that fills up at each write in turn, and sources that are not what they should be.

use std::path::Path;
use std::process::Command;

use kiln::disk::{Disk, Extent, Source};
use kiln::host::disk::{DiskReader, WriteError, write_qcow2, write_raw};
use kiln::host::fault;
use kiln::host::files::Pending;
use kiln::progress::Silent;

use super::bases::noise;
use super::sample::{Store, in_place, raw, reader, write_one};

/// Set in the process of its own that the shortage needs: it hits every write of a process.
const CHILD: &str = "KILN_TEST_SHORTAGE";

fn small(folder: &Path) -> DiskReader {
    let base = folder.join("base");
    std::fs::write(&base, noise(1, 1 << 20)).unwrap();
    let mut store = Store::default();
    let digest = store.put(folder, &noise(2, 300_000));
    let extents = vec![
        in_place(0, 1 << 20),
        Extent::of_bytes(1 << 20, b"text ".repeat(50_000)),
        Extent { offset: 2 << 20, len: 300_000, source: Source::Blob { digest, offset: 0 } },
    ];
    reader(Disk { size: 4 << 20, extents }, Some(raw(&base)), store)
}

/// Fails write 0, 1, 2 ... until all succeed; no failure leaves a file under the final name or beside it.
fn exhaust(write: impl Fn(&Pending) -> Result<(), WriteError>) -> u32 {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.img");
    for writes in 0..1000 {
        fault::arm(writes);
        let result = write_one(&path, &write);
        if !fault::disarm() {
            result.unwrap();
            assert!(path.exists());
            return writes;
        }
        let error = result.unwrap_err().to_string();
        assert!(error.ends_with(&path.display().to_string()), "write {writes}: {error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "write {writes}");
    }
    panic!("never enough writes");
}

#[test]
fn a_disk_that_fills_up_at_any_write_leaves_no_file() {
    if std::env::var_os(CHILD).is_none() {
        let name = "disk::faults::a_disk_that_fills_up_at_any_write_leaves_no_file";
        let mut child = Command::new(std::env::current_exe().unwrap());
        let output = child.args(["--exact", name]).env(CHILD, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = small(folder.path());
    let raw_writes = exhaust(|pending| write_raw(&disk, pending, &Silent));
    let qcow2_writes = exhaust(|pending| write_qcow2(&disk, pending, 2, &Silent));
    assert!(raw_writes >= 5 && qcow2_writes >= 7, "{raw_writes} and {qcow2_writes} writes");
}

#[test]
fn a_blob_that_is_missing_or_cut_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::default();
    let digest = store.put(folder.path(), &noise(2, 1000));
    let of_blob = |len, store| {
        let extents = vec![Extent { offset: 0, len, source: Source::Blob { digest, offset: 0 } }];
        reader(Disk { size: 1 << 20, extents }, None, store)
    };
    let (raw_path, qcow2_path) = (folder.path().join("a.raw"), folder.path().join("a.qcow2"));
    for disk in [of_blob(1000, Store::default()), of_blob(70_000, store)] {
        write_one(&raw_path, |pending| write_raw(&disk, pending, &Silent)).unwrap_err();
        write_one(&qcow2_path, |pending| write_qcow2(&disk, pending, 2, &Silent)).unwrap_err();
        assert!(!raw_path.exists() && !qcow2_path.exists());
    }
    let missing = of_blob(1000, Store::default());
    let error = write_one(&qcow2_path, |pending| write_qcow2(&missing, pending, 2, &Silent)).unwrap_err();
    assert_eq!(error.to_string(), format!("can't read what goes into {}", qcow2_path.display()));
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, format!("blob {digest}: entity not found"));
}

#[test]
fn a_base_extent_without_a_base_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let disk = reader(Disk { size: 1 << 20, extents: vec![in_place(0, 512)] }, None, Store::default());
    let path = folder.path().join("a.raw");
    let error = write_one(&path, |pending| write_raw(&disk, pending, &Silent)).unwrap_err();
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the disk has no base image");
}
