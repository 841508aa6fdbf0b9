// SPDX-License-Identifier: Apache-2.0

use std::collections::HashSet;

use kiln::blocks::{BLOCK, BlockList};
use kiln::disk::{Disk, Extent, ReadAt};
use kiln::host::disk::{DiskReader, Hashed, digests, digests_within, image_digests, open_image};
use kiln::progress::{Progress, Silent};

use super::bases::{self, Layout, noise};
use super::sample::{Store, in_place, raw, reader, write_both};

/// Returns the list by the plainest means: every block, one after another.
fn naive(image: &dyn ReadAt) -> BlockList {
    let mut blocks = Vec::new();
    for index in 0..image.size().div_ceil(BLOCK) {
        let mut block = vec![0; BLOCK as usize];
        let len = (image.size() - index * BLOCK).min(BLOCK) as usize;
        image.read_at(&mut block[..len], index * BLOCK).unwrap();
        if block.iter().any(|byte| *byte != 0) {
            blocks.push((index, kiln::digest::Digest::of(&block)));
        }
    }
    BlockList { size: image.size(), blocks }
}

/// Counts the blocks that were read.
#[derive(Default)]
struct Count(std::sync::Mutex<u64>);

impl Progress for Count {
    fn begin(&self, _: &str, _: &str, total: Option<u64>) {
        *self.0.lock().unwrap() += total.unwrap() / BLOCK;
    }
    fn advance(&self, _: &str, _: u64) {}
    fn end(&self, _: &str, _: &str) {}
    fn say(&self, _: &str) {}
}

fn baked(image: &std::path::Path, size: u64) -> DiskReader {
    let extents = vec![
        in_place(0, 3_000_000_000),
        Extent::of_bytes(3_000_000_000, noise(1, 2_000_000)),
        in_place(3_002_000_000, size - 3_002_000_000),
    ];
    reader(Disk { size, extents }, Some(raw(image)), Store::default())
}

#[test]
fn a_bake_hashes_only_what_it_touches_and_gets_the_list_of_the_whole() {
    let image = bases::flatcar(Layout::Former);
    let base = image_digests(&*raw(&image), 2, &Silent).unwrap();
    assert_eq!(base, naive(&*raw(&image)));

    let disk = baked(&image, Layout::Former.size());
    let count = Count::default();
    let list = digests(&disk, &base, Hashed::default(), 2, &count).unwrap();
    assert_eq!(*count.0.lock().unwrap(), 4, "2 MB touch 4 blocks of 512 KiB");
    assert_eq!(list, naive(&disk));
    assert_eq!(list, digests(&disk, &base, Hashed::default(), 1, &Silent).unwrap());
    // What was hashed before the base was there is not read again.
    let alone = reader(disk.disk().clone(), None, Store::default());
    let before = digests_within(&alone, &(3_000_000_000..3_002_000_000), 1).unwrap();
    let count = Count::default();
    assert_eq!(list, digests(&disk, &base, before, 1, &count).unwrap());
    assert_eq!(*count.0.lock().unwrap(), 2, "the first and the last are the base's, too");
    assert_ne!(list.digest(), base.digest());
}

#[test]
fn every_file_of_one_disk_has_its_digest() {
    let image = bases::flatcar(Layout::Former);
    let disk = baked(&image, Layout::Former.size());
    let folder = tempfile::tempdir().unwrap();
    let (raw, qcow2) = write_both(&disk, folder.path(), 2);
    let digests: HashSet<_> = [&raw, &qcow2]
        .iter()
        .map(|path| image_digests(&*open_image(path).unwrap(), 2, &Silent).unwrap().digest())
        .chain([image_digests(&disk, 1, &Silent).unwrap().digest()])
        .collect();
    assert_eq!(digests.len(), 1);
}
