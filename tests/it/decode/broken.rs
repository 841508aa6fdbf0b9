// SPDX-License-Identifier: Apache-2.0
//! Damaged, hostile and foreign files: each is an error that names file, place and fault, and none is a panic.

use kiln::decode::{Limits, Sink, SinkError};
use kiln::host::decode::decode;
use kiln::progress::Silent;
use proptest::prelude::*;

use super::{Memory, decoded, decoded_bytes, disk, filter, noise, words};

const PACKERS: [&[&str]; 5] =
    [&["bzip2", "-1c"], &["lbzip2", "-1c"], &["pbzip2", "-1c"], &["gzip", "-c"], &["zstd", "-qc", "--check"]];

/// Returns the words about a file called `name` with these bytes.
fn words_about(name: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    decoded(&path).map(|_| String::new()).unwrap_or_else(|error| words(&error))
}

#[test]
fn each_fault_has_its_words() {
    let bytes = noise(250_000, 1);
    let packed = |program: &[&str]| filter(program, &bytes);
    let (bz2, gz, zst) =
        (packed(&["bzip2", "-1c"]), packed(&["gzip", "-nc"]), packed(&["zstd", "-qc", "--check"]));
    let cut = |bytes: &[u8], len: usize| bytes[..len].to_vec();
    let more = |bytes: &[u8]| [bytes, b"<html>"].concat();
    let flip = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 4;
        bytes
    };
    let table = [
        ("a.bz2", vec![], "can't decode a.bz2 at byte 0: the file is empty"),
        (
            "a.bz2",
            b"BZh0".to_vec(),
            "can't decode a.bz2 at byte 0: the bzip2 data is corrupt: the header is not BZh and a level from 1 to 9",
        ),
        (
            "a.bz2",
            b"BZh9".to_vec(),
            "can't decode a.bz2 at byte 4: the bzip2 data stops before its end: the file is truncated",
        ),
        (
            "a.bz2",
            cut(&bz2, 200_000),
            "can't decode a.bz2 at byte 200000: the bzip2 data stops before its end: the file is truncated",
        ),
        (
            "a.bz2",
            flip(&bz2, 150_000),
            "can't decode a.bz2 at byte 100785: the bzip2 data is corrupt: a block can't be decoded or its checksum is wrong",
        ),
        (
            "a.bz2",
            more(&bz2),
            "can't decode a.bz2 at byte 252162: something that is not bzip2 follows the end of the bzip2 data",
        ),
        (
            "a.gz",
            cut(&gz, 200_000),
            "can't decode a.gz at byte 200000: the gzip data stops before its end: the file is truncated",
        ),
        (
            "a.gz",
            more(&gz),
            "can't decode a.gz at byte {gz}: something that is not gzip follows the end of the gzip data",
        ),
        (
            "a.zst",
            cut(&zst, 200_000),
            "can't decode a.zst at byte 200000: the zstd data stops before its end: the file is truncated",
        ),
        (
            "a.zst",
            flip(&zst, 150_000),
            "can't decode a.zst at byte {end}: the zstd data is corrupt: Restored data doesn't match checksum",
        ),
        (
            "a.zst",
            more(&zst),
            "can't decode a.zst at byte {zst}: something that is not zstd follows the end of the zstd data",
        ),
        (
            "a.xz",
            b"\xfd7zXZ\0\0\0".to_vec(),
            "can't decode a.xz at byte 0: it is in xz format, which can't be decoded as a stream (raw, .zst, .gz and .bz2 can)",
        ),
        (
            "a.raw",
            b"QFI\xfb\0\0\0\x03".to_vec(),
            "can't decode a.raw at byte 0: it is in qcow2 format, which can't be decoded as a stream (raw, .zst, .gz and .bz2 can)",
        ),
    ];
    let found: Vec<_> = table.iter().map(|(name, bytes, _)| words_about(name, bytes)).collect();
    // Other versions of gzip and zstd pack to other sizes.
    let (gz, zst, end) = (gz.len().to_string(), zst.len().to_string(), (zst.len() - 4).to_string());
    let sizes = |words: &str| words.replace("{gz}", &gz).replace("{zst}", &zst).replace("{end}", &end);
    let expected: Vec<_> = table.iter().map(|(_, _, words)| sizes(words)).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_file_cut_off_anywhere_is_an_error() {
    let bytes = disk(420_000);
    for program in PACKERS {
        let packed = filter(program, &bytes);
        let len = packed.len();
        let ends = (0..40).chain(len - 40..len).chain((1..60).map(|part| part * len / 61));
        for end in ends {
            // Whole streams of pbzip2 are a whole file; there is no telling that more was meant to come.
            let Ok(found) = decoded_bytes(&packed[..end]) else { continue };
            let start_of_raw = end < 4 && found.bytes == packed[..end];
            assert!(start_of_raw, "{program:?} cut at {end} of {len} gave {} bytes", found.bytes.len());
        }
    }
}

#[test]
fn bzip2_cut_off_around_every_magic_is_an_error() {
    let packed = filter(&["bzip2", "-1c"], &noise(420_000, 4));
    let magic = |at: &usize| {
        let bits = packed[*at..*at + 7].iter().fold(0, |bits: u64, byte| bits << 8 | u64::from(*byte));
        (0..8).any(|shift| {
            [0x3141_5926_5359, 0x1772_4538_5090].contains(&(bits >> (8 - shift) & 0xffff_ffff_ffff))
        })
    };
    let magics: Vec<usize> = (0..packed.len() - 7).filter(magic).collect();
    assert_eq!(magics.len(), 6);
    for at in magics {
        for end in at.max(6) - 2..(at + 14).min(packed.len() - 1) {
            let error = decoded_bytes(&packed[..end]).map(|_| ()).unwrap_err();
            assert!(words(&error).ends_with("the file is truncated"), "{end}: {}", words(&error));
        }
    }
}

#[test]
fn bombs_stop_at_the_limit() {
    let limits = Limits { size_max: 1_000_000, ..Limits::default() };
    let file = tempfile::NamedTempFile::new().unwrap();
    for program in PACKERS.iter().chain([&&["cat"][..]]) {
        std::fs::write(file.path(), filter(program, &vec![0; 90 << 20])).unwrap();
        let error = decode(file.path(), limits, &mut Memory::default(), 2, &Silent).unwrap_err();
        assert!(
            words(&error).ends_with("it unpacks to more than 1000000 bytes, the most that is allowed here"),
            "{program:?} {}",
            words(&error)
        );
    }
}

#[test]
fn a_zstd_window_above_the_limit_is_refused() {
    // A frame header that asks for 2 GiB (RFC 8878, 3.1.1.1.2: exponent 21), and an empty last block.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0, 0];
    assert!(words_about("a", &frame).ends_with(
        "it was packed with a zstd window above 128 MiB; pack it again without --long or --ultra"
    ));
    frame[5] = 17 << 3;
    assert_eq!(words_about("a", &frame), "");
}

#[test]
fn a_sink_that_fails_stops_everything() {
    struct Full(u32);
    impl Sink for Full {
        fn write_at(&mut self, _: &[u8], _: u64) -> Result<(), SinkError> {
            self.0 += 1;
            if self.0 > 3 { Err("the disk is full".into()) } else { Ok(()) }
        }
        fn finish(&mut self, _: u64) -> Result<(), SinkError> {
            panic!("it is not whole")
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    for program in PACKERS.iter().chain([&&["cat"][..]]) {
        std::fs::write(file.path(), filter(program, &noise(9_000_000, 1))).unwrap();
        let error = decode(file.path(), Limits::default(), &mut Full(0), 2, &Silent).unwrap_err();
        assert!(words(&error).ends_with(": the disk is full"), "{}", words(&error));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
    #[test]
    fn flipped_bits_are_noticed(packer in 0..PACKERS.len(), place in any::<prop::sample::Index>(), bit in 0..8) {
        static PACKED: std::sync::OnceLock<(Vec<u8>, Vec<Vec<u8>>)> = std::sync::OnceLock::new();
        let (bytes, packed) = PACKED.get_or_init(|| {
            let bytes = disk(230_000);
            (bytes.clone(), PACKERS.iter().map(|program| filter(program, &bytes)).collect())
        });
        let mut packed = packed[packer].clone();
        let place = place.index(packed.len());
        packed[place] ^= 1_u8 << bit;
        match decoded_bytes(&packed) {
            Err(error) => prop_assert!(words(&error).contains("can't decode")),
            // A bit that nothing depends on (gzip's time, padding), or one that makes it no packed file any more.
            Ok(found) => prop_assert!(found.bytes == *bytes || place < 4 && found.bytes == packed),
        }
    }

    #[test]
    fn noise_behind_a_magic_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..2000), packer in 0..PACKERS.len()) {
        let mut packed = filter(PACKERS[packer], b"hello");
        packed.truncate(14);
        packed.extend(bytes);
        prop_assert!(decoded_bytes(&packed).is_err());
    }
}
