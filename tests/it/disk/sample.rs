// SPDX-License-Identifier: Apache-2.0
//! Disks for tests and the ways to write them.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kiln::digest::Digest;
use kiln::disk::{Disk, Extent, Source};
use kiln::host::disk::{Blobs, DiskReader, Image, RawFile, Sources, WriteError, write_qcow2, write_raw};
use kiln::host::files::{Existing, Pending};
use kiln::progress::Silent;

/// A store: files by digest.
#[derive(Default)]
pub struct Store(pub HashMap<Digest, PathBuf>);

impl Blobs for Store {
    fn open(&self, digest: &Digest) -> io::Result<File> {
        File::open(self.0.get(digest).ok_or(io::ErrorKind::NotFound)?)
    }
}

impl Store {
    /// Puts a blob into the store, as a file of a folder.
    pub fn put(&mut self, folder: &Path, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let path = folder.join(digest.to_string());
        std::fs::write(&path, bytes).unwrap();
        self.0.insert(digest, path);
        digest
    }
}

/// Opens a raw image.
pub fn raw(path: &Path) -> Arc<dyn Image> {
    Arc::new(RawFile::new(File::open(path).unwrap()).unwrap())
}

/// Returns a reader of a disk.
pub fn reader(disk: Disk, base: Option<Arc<dyn Image>>, store: Store) -> DiskReader {
    DiskReader::new(Arc::new(disk), Arc::new(Sources::new(base, Box::new(store))))
}

/// Returns an extent of the base at its own place.
pub fn in_place(offset: u64, len: u64) -> Extent {
    Extent { offset, len, source: Source::Base { offset } }
}

/// Writes a disk as raw and as qcow2 into a folder.
pub fn write_both(disk: &DiskReader, folder: &Path, jobs: usize) -> (PathBuf, PathBuf) {
    let (raw, qcow2) = (folder.join("disk.raw"), folder.join("disk.qcow2"));
    write_one(&raw, |pending| write_raw(disk, pending, &Silent)).unwrap();
    write_one(&qcow2, |pending| write_qcow2(disk, pending, jobs, &Silent)).unwrap();
    (raw, qcow2)
}

/// Writes one file and puts it in place.
pub fn write_one(path: &Path, write: impl Fn(&Pending) -> Result<(), WriteError>) -> Result<(), WriteError> {
    let pending = Pending::new(path, 0o644)?;
    write(&pending)?;
    Ok(pending.commit(Existing::Replace)?)
}
