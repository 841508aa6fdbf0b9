// SPDX-License-Identifier: Apache-2.0
//! A filesystem in a sparse file, and the other people's tools that judge it.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kiln::digest::Digest;
use kiln::disk::{Extent, Source};
use kiln::ext4::{self, Spec};
use kiln::tree::Tree;
use tempfile::TempDir;
use uuid::Uuid;

/// Some time in June 2025.
pub const TIME_S: u64 = 1_750_000_000;

pub fn spec(size: u64) -> Spec {
    Spec {
        size,
        uuid: Uuid::from_u128(0x1111_2222_3333_4444_5555_6666_7777_8888),
        hash_seed: Uuid::from_u128(0x9999_aaaa_bbbb_cccc_dddd_eeee_ffff_0000),
        label: "ROOT".into(),
        time_s: TIME_S,
        first: Vec::new(),
    }
}

/// The bytes of the blob `digest` from `offset`: different for each blob and place, never a zero.
pub fn blob_bytes(digest: &Digest, offset: u64, buffer: &mut [u8]) {
    let key = digest.as_bytes();
    for (at, byte) in (offset..).zip(buffer) {
        *byte = (key[(at / 4096 % 32) as usize] ^ (at as u8)) | 1;
    }
}

pub struct Volume {
    pub path: PathBuf,
    folder: TempDir,
}

impl Volume {
    /// Lays out `tree` and writes it to a file as every consumer would, except that it makes up the blobs.
    pub fn write(tree: &Tree, spec: &Spec) -> Self {
        let extents = ext4::layout(tree, spec).unwrap();
        assert_in_order(&extents, spec.size);
        let folder = tempfile::Builder::new().prefix("ext4-").tempdir().unwrap();
        let path = folder.path().join("root.img");
        let file = File::create(&path).unwrap();
        file.set_len(spec.size).unwrap();
        extents.iter().for_each(|extent| write_extent(&file, extent));
        Self { path, folder }
    }

    /// Runs `e2fsck -fn`, which must find nothing at all to say.
    pub fn check(&self) {
        let output =
            Command::new("e2fsck").arg("-fn").arg(&self.path).output().expect("e2fsck (e2fsprogs) runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let quiet = said.lines().all(|line| line.starts_with("Pass ") || line.contains("% non-contiguous"));
        assert!(quiet && output.status.code() == Some(0), "e2fsck: {said}");
    }

    /// Returns what `program` with `options` prints of the filesystem.
    pub fn printed_by(&self, program: &str, options: &[&str]) -> String {
        String::from_utf8(run(Command::new(program).args(options).arg(&self.path))).unwrap()
    }

    /// Grows the file and, as root's first boot would but offline, the filesystem in it.
    pub fn grow(&self, size: u64) {
        File::options().write(true).open(&self.path).unwrap().set_len(size).unwrap();
        run(Command::new("resize2fs").arg("-f").arg(&self.path));
    }

    pub fn mount(&self) -> Mount {
        let point = self.folder.path().join("mnt");
        std::fs::create_dir_all(&point).unwrap();
        run(Command::new("mount").args(["-o", "loop,noatime"]).arg(&self.path).arg(&point));
        Mount { point }
    }
}

/// A mounted volume; dropped, it is unmounted.
pub struct Mount {
    pub point: PathBuf,
}

impl Mount {
    pub fn path(&self, inside: impl AsRef<Path>) -> PathBuf {
        self.point.join(inside)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // A process that another test is just starting holds our closed files until it has exec'ed: busy, but not for long.
        for _ in 0..100 {
            if Command::new("umount").arg("-q").arg(&self.point).status().unwrap().success() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(std::thread::panicking(), "{} can't be unmounted", self.point.display());
    }
}

/// Runs a program that must succeed, and returns what it printed.
pub fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stdout));
    output.stdout
}

fn assert_in_order(extents: &[Extent], size: u64) {
    assert!(extents.iter().all(|extent| extent.len > 0 && extent.end() <= size));
    assert!(extents.windows(2).all(|pair| pair[0].end() <= pair[1].offset));
}

fn write_extent(file: &File, extent: &Extent) {
    match &extent.source {
        Source::Bytes { bytes, start } => {
            file.write_all_at(&bytes[*start..*start + extent.len as usize], extent.offset).unwrap();
        }
        Source::Blob { digest, offset } => {
            let mut buffer = vec![0; 1 << 20];
            for done in (0..extent.len).step_by(buffer.len()) {
                let part = buffer.len().min((extent.len - done) as usize);
                blob_bytes(digest, offset + done, &mut buffer[..part]);
                file.write_all_at(&buffer[..part], extent.offset + done).unwrap();
            }
        }
        Source::Base { .. } => panic!("nothing of a filesystem comes from the base"),
    }
}

/// Tells whether the mounted file `path` has exactly the bytes of the blob in `data`.
pub fn has_blob(path: &Path, digest: &Digest, data: &[std::ops::Range<u64>]) -> bool {
    const PART: usize = 1 << 20;
    let file = File::open(path).unwrap();
    let (mut found, mut wanted) = (vec![0; PART], vec![0; PART]);
    let mut is_same = |start: u64, len: usize| {
        file.read_exact_at(&mut found[..len], start).unwrap();
        blob_bytes(digest, start, &mut wanted[..len]);
        found[..len] == wanted[..len]
    };
    data.iter().all(|range| {
        let mut parts = range.clone().step_by(PART);
        parts.all(|start| is_same(start, PART.min((range.end - start) as usize)))
    })
}

pub fn has_bytes(path: &Path, bytes: &[u8]) -> bool {
    let mut found = Vec::new();
    File::open(path).unwrap().read_to_end(&mut found).unwrap();
    found == bytes
}
