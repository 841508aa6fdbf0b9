// SPDX-License-Identifier: Apache-2.0
use super::*;
use std::time::Duration;
use tar::Header;

fn cache() -> (tempfile::TempDir, Cache) {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path(), Duration::ZERO).unwrap();
    (folder, cache)
}

/// One entry; the path is written as it is, also where the tar library would refuse it.
fn entry(path: &str, kind: EntryType, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o755);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = entries.concat();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::read::GzEncoder::new(bytes, flate2::Compression::fast());
    let mut packed = Vec::new();
    encoder.read_to_end(&mut packed).unwrap();
    packed
}

fn run(cache: &Cache, bytes: &[u8]) -> Result<Members, UnpackError> {
    unpack(cache, &cache.put_bytes(bytes).unwrap(), "a.tgz")
}

fn words(bytes: &[u8]) -> String {
    let (_folder, cache) = cache();
    run(&cache, bytes).unwrap_err().to_string()
}

#[test]
fn members_are_blobs_whatever_the_compression() {
    let (_folder, cache) = cache();
    let tar = archive(&[
        entry("./bin/", EntryType::Directory, b""),
        entry("./bin/ctr", EntryType::Regular, b"program"),
        entry("./bin/link", EntryType::Symlink, b""),
        entry("LICENSE", EntryType::Regular, b""),
    ]);
    for bytes in [tar.clone(), gzip(&tar), zstd::encode_all(tar.as_slice(), 1).unwrap()] {
        for _ in 0..2 {
            let members = run(&cache, &bytes).unwrap();
            assert_eq!(members.keys().collect::<Vec<_>>(), ["LICENSE", "bin/ctr"]);
            let ctr = &members["bin/ctr"];
            assert_eq!((ctr.mode, ctr.size, ctr.sha256), (0o755, 7, Digest::of(b"program")));
            assert_eq!(files::read(&cache.get(&ctr.sha256).unwrap().path, 7).unwrap(), b"program");
        }
    }
    let plain = run(&cache, b"\x7fELF").unwrap();
    assert_eq!(plain["a.tgz"].sha256, Digest::of(b"\x7fELF"));
}

#[test]
fn a_member_that_was_swept_away_is_unpacked_again() {
    let (_folder, cache) = cache();
    let bytes = gzip(&archive(&[entry("x", EntryType::Regular, b"x")]));
    let members = run(&cache, &bytes).unwrap();
    let blob = cache.get(&members["x"].sha256).unwrap();
    files::remove(&blob.path).unwrap();
    assert_eq!(run(&cache, &bytes).unwrap(), members);
    assert!(cache.get(&blob.digest).is_some());
}

#[test]
fn suspect_archives_are_refused() {
    let one = |path, kind| words(&archive(&[entry(path, kind, b"")]));
    for path in ["../x", "/etc/passwd", "a/../../x"] {
        assert_eq!(
            one(path, EntryType::Regular),
            format!("a.tgz is refused: its member '{path}' has a path that leads outside")
        );
    }
    assert_eq!(
        one("null", EntryType::Char),
        "a.tgz is refused: its member 'null' is no file, folder or link"
    );
    assert_eq!(
        one("pipe", EntryType::Fifo),
        "a.tgz is refused: its member 'pipe' is no file, folder or link"
    );
    let twice = archive(&[entry("x", EntryType::Regular, b""), entry("./x", EntryType::Regular, b"")]);
    assert_eq!(words(&twice), "a.tgz is refused: it has the member 'x' twice");
}

#[test]
fn cut_and_bloated_archives_are_refused() {
    let tar = archive(&[entry("x", EntryType::Regular, &[7; 5000])]);
    let packed = gzip(&tar);
    assert_eq!(words(&packed[..packed.len() / 2]), "a.tgz is no sound archive");
    assert_eq!(words(&tar[..2000]), "a.tgz is no sound archive");
    assert_eq!(words(&gzip(b"no tar at all, but long enough to be looked at")), "a.tgz is no sound archive");
    let long = archive(&[entry("././@LongLink", EntryType::GNULongName, &[b'a'; 20_000])]);
    assert_eq!(words(&long), "a.tgz is refused: it has more than 16384 bytes in a path");
    let many: Vec<_> = (0..10_001).map(|n| entry(&n.to_string(), EntryType::Regular, b"")).collect();
    assert_eq!(words(&gzip(&archive(&many))), "a.tgz is refused: it has more than 10000 members");
}
