// SPDX-License-Identifier: Apache-2.0
use super::*;
use crate::host::files;
use std::io::Read;
use std::time::Duration;
use tar::{EntryType, Header};

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

/// A link.
fn link(path: &str, kind: EntryType, target: &str) -> Vec<u8> {
    let mut bytes = entry(path, kind, b"");
    bytes[157..157 + target.len()].copy_from_slice(target.as_bytes());
    let header = Header::from_byte_slice(&bytes);
    let mut header = header.clone();
    header.set_cksum();
    header.as_bytes().to_vec()
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

fn run(cache: &Cache, bytes: &[u8]) -> Result<Unpacked, UnpackError> {
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
        link("./bin/link", EntryType::Symlink, "nowhere"),
        entry("LICENSE", EntryType::Regular, b""),
    ]);
    for bytes in [tar.clone(), gzip(&tar), zstd::encode_all(tar.as_slice(), 1).unwrap()] {
        for _ in 0..2 {
            let members = run(&cache, &bytes).unwrap().files;
            assert_eq!(members.keys().collect::<Vec<_>>(), ["LICENSE", "bin/ctr"]);
            let ctr = &members["bin/ctr"];
            assert_eq!((ctr.mode, ctr.size, ctr.sha256), (0o755, 7, Digest::of(b"program")));
            assert_eq!(files::read(&cache.get(&ctr.sha256).unwrap().path, 7).unwrap(), b"program");
        }
    }
    let plain = run(&cache, b"\x7fELF").unwrap().files;
    assert_eq!(plain["a.tgz"].sha256, Digest::of(b"\x7fELF"));
}

#[test]
fn a_member_that_was_swept_away_is_unpacked_again() {
    let (_folder, cache) = cache();
    let bytes = gzip(&archive(&[entry("x", EntryType::Regular, b"x")]));
    let members = run(&cache, &bytes).unwrap();
    let blob = cache.get(&members.files["x"].sha256).unwrap();
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
    let one = "a.tgz is one file compressed by gzip, and no archive; kiln unpacks .tar, .tar.gz and .tar.zst: unpack it, and \
               name what comes out";
    for bytes in [&b"no tar at all"[..], b"", &[b'x'; 5000]] {
        assert_eq!(words(&gzip(bytes)), one);
    }
    assert_eq!(words(&zstd::encode_all(&b"a program"[..], 1).unwrap()), one.replace("gzip", "zstd"));
    let long = archive(&[entry("././@LongLink", EntryType::GNULongName, &[b'a'; 20_000])]);
    assert_eq!(words(&long), "a.tgz is refused: it has more than 16384 bytes in a path");
    let many: Vec<_> = (0..10_001).map(|n| entry(&n.to_string(), EntryType::Regular, b"")).collect();
    assert_eq!(words(&gzip(&archive(&many))), "a.tgz is refused: it has more than 10000 members");
}

#[test]
fn a_link_gives_the_file_that_it_leads_to() {
    let (_folder, cache) = cache();
    // Before their targets too, as hard links never are and symbolic ones often.
    let bytes = archive(&[
        link("tool", EntryType::Symlink, "a/real"),
        entry("a/real", EntryType::Regular, b"program"),
        link("a/hard", EntryType::Link, "./a/real"),
        link("sbin", EntryType::Symlink, "a"),
        link("b/up", EntryType::Symlink, "../sbin/real"),
        link("lost", EntryType::Symlink, "/etc/passwd"),
        link("b/loop", EntryType::Symlink, "loop"),
    ]);
    for _ in 0..2 {
        let unpacked = run(&cache, &gzip(&bytes)).unwrap();
        assert_eq!(unpacked.files.keys().collect::<Vec<_>>(), ["a/hard", "a/real", "b/up", "tool"]);
        assert!(unpacked.files.values().all(|member| *member == unpacked.files["a/real"]));
        unpacked.check("a.tgz", &["tool", "./b/up"]).unwrap();
        let words = |wanted: &[&str]| unpacked.check("a.tgz", wanted).unwrap_err().to_string();
        let lost = "'lost' is a link to '/etc/passwd', which leads outside the archive";
        assert_eq!(words(&["tool", "lost"]), format!("a.tgz has members that give no file:\n{lost}"));
        assert_eq!(
            words(&["*"]),
            format!(
                "a.tgz has members that give no file:\n'b/loop' is a link to 'loop', which leads round and round\n{lost}"
            )
        );
    }
    let twice = archive(&[entry("x", EntryType::Regular, b""), link("x", EntryType::Symlink, "y")]);
    assert_eq!(words(&twice), "a.tgz is refused: it has the member 'x' twice");
}

#[test]
fn archives_of_others_are_refused_unless_they_are_meant() {
    let (_folder, cache) = cache();
    let magics: [(&[u8], &str); 6] = [
        (b"\xfd7zXZ\0\0\x04", "xz"),
        (b"BZh91AY&SY", "bzip2"),
        (b"PK\x03\x04\x14\0", "zip"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "7z"),
        (b"\xed\xab\xee\xdb\x03\0", "RPM"),
        (b"!<arch>\ndebian-binary   ", "Debian package"),
    ];
    for (bytes, what) in magics {
        let unpacked = run(&cache, bytes).unwrap();
        for wanted in [&["*"][..], &["tool"], &["a.tgz", "*"], &[]] {
            assert_eq!(
                unpacked.check("a.tgz", wanted).unwrap_err().to_string(),
                format!(
                    "a.tgz is in {what} format, which kiln does not unpack; it unpacks .tar, .tar.gz and .tar.zst: pack it \
                     so, or install 'a.tgz' itself"
                )
            );
        }
        unpacked.check("a.tgz", &["a.tgz"]).unwrap();
        assert_eq!(unpacked.files["a.tgz"].sha256, Digest::of(bytes));
    }
}

#[test]
fn the_oldest_form_of_tar_is_one() {
    let (_folder, cache) = cache();
    let mut header = Header::new_old();
    header.set_path("tool").unwrap();
    header.set_mode(0o755);
    header.set_size(3);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend_from_slice(b"abc");
    bytes.resize(2048, 0);
    assert_eq!(run(&cache, &bytes).unwrap().files["tool"].sha256, Digest::of(b"abc"));
    // One with nothing in it.
    assert!(run(&cache, &gzip(&[0; 10_240])).unwrap().files.is_empty());
}
