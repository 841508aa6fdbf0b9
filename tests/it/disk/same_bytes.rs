// SPDX-License-Identifier: Apache-2.0
//! Random disks: raw, qcow2 and a naive copy hold the same bytes, and the files don't depend on the threads.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use kiln::disk::{Disk, Extent, ReadAt, Source};
use kiln::host::disk::{DiskReader, open_image, write_raw_ahead, write_raw_rest};
use kiln::host::files::{Existing, Pending};
use kiln::progress::Silent;
use proptest::prelude::*;

use super::bases::{noise, run};
use super::sample::{Store, raw, reader, write_both};

/// An extent's kind and length, and the gap before it, in bytes.
#[derive(Debug, Clone, Copy)]
struct Piece {
    gap: u64,
    len: u64,
    kind: Kind,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Noise,
    Text,
    Zeros,
    Blob,
    Base,
    Moved,
}

const BASE: u64 = 3 << 20;

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::Noise, Kind::Text, Kind::Zeros, Kind::Blob, Kind::Base, Kind::Moved])
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let length = prop_oneof![1..600_u64, 4000..200_000_u64];
    let gap = prop_oneof![Just(0_u64), 1..9000_u64, 60_000..300_000_u64];
    prop::collection::vec((gap, length, kinds()).prop_map(|(gap, len, kind)| Piece { gap, len, kind }), 0..25)
}

/// A base with data, a hole, and data of which some is zero.
fn base_bytes() -> Vec<u8> {
    let mut bytes = noise(3, BASE as usize);
    bytes[600_000..1_700_000].fill(0);
    bytes[2_000_000..2_300_000].fill(b'k');
    bytes
}

struct World {
    folder: tempfile::TempDir,
    store: Store,
    disk: Disk,
    naive: Vec<u8>,
}

fn world(pieces: &[Piece], tail: u64) -> World {
    let folder = tempfile::tempdir().unwrap();
    let base = base_bytes();
    let mut world = World {
        folder,
        store: Store::default(),
        disk: Disk { size: 0, extents: Vec::new() },
        naive: Vec::new(),
    };
    let blob = noise(5, 300_000);
    let digest = world.store.put(world.folder.path(), &blob);
    for piece in pieces {
        let offset = world.naive.len() as u64 + piece.gap;
        let len = piece.len as usize;
        let made = |bytes: Vec<u8>| (Source::Bytes { bytes: Arc::from(bytes.as_slice()), start: 0 }, bytes);
        let (source, bytes) = match piece.kind {
            Kind::Noise => made(noise(piece.len, len)),
            Kind::Text => made(b"text ".repeat(len).split_off(len * 4)),
            Kind::Zeros => made(vec![0; len]),
            Kind::Blob => (Source::Blob { digest, offset: 7 }, blob[7..7 + len].to_vec()),
            Kind::Base if offset + piece.len <= BASE => {
                (Source::Base { offset }, base[offset as usize..offset as usize + len].to_vec())
            }
            Kind::Base | Kind::Moved => {
                (Source::Base { offset: 550_000 }, base[550_000..550_000 + len].to_vec())
            }
        };
        world.disk.extents.push(Extent { offset, len: piece.len, source });
        world.naive.resize(offset as usize, 0);
        world.naive.extend(bytes);
    }
    world.naive.resize((world.naive.len() as u64 + tail).next_multiple_of(512) as usize, 0);
    world.disk.size = world.naive.len() as u64;
    world
}

/// Writes the disk to a file in two goes, as a bake does that works ahead of the decoding, and returns its bytes.
fn ahead_of_the_base(disk: &DiskReader, base: &[u8], folder: &Path) -> Vec<u8> {
    let path = folder.join("ahead.raw");
    let extents = &disk.disk().extents;
    let made = extents.get(extents.len() / 2).map_or(0, |extent| extent.offset)..disk.size();
    let file = Pending::nameless(&path, 0o644).unwrap();
    for extent in extents.iter().filter(|extent| extent.is_in_place() && extent.end() <= made.start) {
        file.write_at(&base[extent.offset as usize..extent.end() as usize], extent.offset).unwrap();
    }
    write_raw_ahead(disk, &file, &made, &Silent).unwrap();
    write_raw_rest(disk, &file, &made, &Silent).unwrap();
    file.commit(Existing::Replace).unwrap();
    std::fs::read(path).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn raw_and_qcow2_hold_what_the_extents_say(pieces in pieces(), tail in 512..2_000_000_u64) {
        let World { folder, store, disk, naive } = world(&pieces, tail);
        let base_file = folder.path().join("base.raw");
        std::fs::write(&base_file, base_bytes()).unwrap();
        run(Command::new("fallocate").arg("-d").arg(&base_file));
        let disk = reader(disk, Some(raw(&base_file)), store);

        let mut read = vec![1; naive.len()];
        disk.read_at(&mut read, 0).unwrap();
        prop_assert!(read == naive, "reader");
        let (raw, qcow2) = write_both(&disk, folder.path(), 1);
        prop_assert!(std::fs::read(&raw).unwrap() == naive, "raw");
        prop_assert!(ahead_of_the_base(&disk, &base_bytes(), folder.path()) == naive, "raw in two goes");
        run(Command::new("qemu-img").args(["check", "-q", "-f", "qcow2"]).arg(&qcow2));
        run(Command::new("qemu-img").args(["compare", "-q", "-f", "raw", "-F", "qcow2"]).args([&raw, &qcow2]));
        let back = open_image(&qcow2).unwrap();
        back.read_at(&mut read, 0).unwrap();
        prop_assert!(read == naive, "qcow2");

        let one_thread = std::fs::read(&qcow2).unwrap();
        write_both(&disk, folder.path(), 3);
        prop_assert!(std::fs::read(&qcow2).unwrap() == one_thread, "threads");
    }
}

#[test]
fn a_qcow2_base_gives_the_same_disk() {
    let folder = tempfile::tempdir().unwrap();
    let (base_raw, base_qcow2) = (folder.path().join("base.raw"), folder.path().join("base.qcow2"));
    std::fs::write(&base_raw, base_bytes()).unwrap();
    run(Command::new("qemu-img").args(["convert", "-O", "qcow2", "-c"]).args([&base_raw, &base_qcow2]));
    let disk = Disk { size: 4 << 20, extents: vec![super::sample::in_place(0, BASE)] };
    let disk = reader(disk, Some(open_image(&base_qcow2).unwrap()), Store::default());
    let (raw, _) = write_both(&disk, folder.path(), 2);
    let mut expected = base_bytes();
    expected.resize(4 << 20, 0);
    assert!(std::fs::read(raw).unwrap() == expected);
}

#[test]
fn an_empty_and_a_large_disk_are_sound() {
    for size in [512, 200 << 30, 5 << 40] {
        let folder = tempfile::tempdir().unwrap();
        let last = Extent::of_bytes(size - 512, noise(1, 512));
        let extents = if size == 512 { Vec::new() } else { vec![last] };
        let disk = reader(Disk { size, extents }, None, Store::default());
        let (raw, qcow2) = write_both(&disk, folder.path(), 2);
        run(Command::new("qemu-img").args(["check", "-q"]).arg(&qcow2));
        let map = run(Command::new("qemu-img").args(["map", "--output=json"]).arg(&qcow2));
        assert_eq!(map.matches("\"data\": true").count(), usize::from(size > 512), "{map}");
        assert_eq!(std::fs::metadata(raw).unwrap().len(), size);
    }
}
