// SPDX-License-Identifier: Apache-2.0
//! What other people's tools pack comes out as it went in.

use std::os::unix::fs::MetadataExt;

use kiln::decode::Limits;
use kiln::host::decode::{Kept, decode};
use kiln::host::disk::{RawFile, image_digests};
use kiln::host::files::{Existing, Pending};
use kiln::progress::Silent;

use super::{decoded_bytes, disk, filter, noise};

#[test]
fn every_bzip2_tool_and_level_is_understood() {
    let sizes = [0, 1, 5000, 99_999, 100_001, 1_234_567, 5_000_000];
    for program in [&["bzip2", "-c"][..], &["lbzip2", "-c", "-n2"], &["pbzip2", "-c", "-p2"]] {
        for (number, size) in sizes.iter().enumerate() {
            for level in ["-1", "-5", "-9"].iter().take(if number < 4 { 3 } else { 1 }) {
                let bytes = disk(*size);
                let packed = filter(&[program, &[level]].concat(), &bytes);
                let found =
                    decoded_bytes(&packed).unwrap_or_else(|e| panic!("{program:?} {size} {level} {e:?}"));
                assert!(found.bytes == bytes, "{program:?} {size} {level}");
            }
        }
    }
}

#[test]
fn all_levels_of_bzip2_are_understood() {
    let bytes = disk(2_000_000);
    for level in 1..=9 {
        let packed = filter(&["bzip2", "-c", &format!("-{level}")], &bytes);
        assert!(decoded_bytes(&packed).unwrap().bytes == bytes, "{level}");
    }
}

#[test]
fn streams_one_behind_the_other_are_one_disk() {
    let (first, second) = (disk(300_000), noise(200_000, 7));
    let whole = [&first[..], &second[..]].concat();
    for program in [&["bzip2", "-1c"][..], &["lbzip2", "-c"], &["gzip", "-c"], &["zstd", "-qc"]] {
        let nothing = filter(program, b"");
        let (first, second) = (filter(program, &first), filter(program, &second));
        let packed = [&nothing[..], &first, &nothing, &nothing, &second, &nothing].concat();
        let found = decoded_bytes(&packed).unwrap_or_else(|error| panic!("{program:?} {error:?}"));
        assert!(found.bytes == whole, "{program:?}");
    }
}

#[test]
fn zeros_that_unpack_to_forty_megabytes_per_block_are_never_written() {
    let mut bytes = vec![0; 120 << 20];
    bytes[100 << 20] = 1;
    for program in [&["bzip2", "-c"][..], &["gzip", "-1c"], &["zstd", "-qc"]] {
        let found = decoded_bytes(&filter(program, &bytes)).unwrap();
        assert!(found.bytes == bytes, "{program:?}");
        assert!(found.written <= 8192, "{program:?} {}", found.written);
    }
}

#[test]
fn zstd_frames_skippable_frames_and_long_windows_are_understood() {
    let bytes = disk(3_000_000);
    let skippable = b"\x5a\x2a\x4d\x18\x05\0\0\0hello";
    let long = filter(&["zstd", "-qc", "--long=27", "--check", "-T2"], &bytes);
    let packed = [skippable, &long[..], skippable, &long[..]].concat();
    assert!(decoded_bytes(&packed).unwrap().bytes == [&bytes[..], &bytes[..]].concat());
}

#[test]
fn gzip_from_pigz_like_members_is_understood() {
    let bytes = disk(1_000_000);
    let packed: Vec<u8> = bytes.chunks(77_777).flat_map(|part| filter(&["gzip", "-c"], part)).collect();
    assert!(decoded_bytes(&packed).unwrap().bytes == bytes);
}

#[test]
fn raw_files_come_out_as_they_are() {
    for size in [1, 4095, 4097, 1_000_001] {
        let bytes = disk(size);
        assert!(decoded_bytes(&bytes).unwrap().bytes == bytes, "{size}");
    }
}

#[test]
fn holes_stay_holes_on_the_real_filesystem() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("-in put.raw"), folder.path().join("out"));
    let file = std::fs::File::create(&input).unwrap();
    file.set_len(3 << 30).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &noise(10_000, 3), 1 << 30).unwrap();
    for packed in [false, true] {
        let input = if packed {
            let zst = folder.path().join("in.zst");
            std::fs::write(&zst, filter(&["zstd", "-qc", input.to_str().unwrap()], b"")).unwrap();
            zst
        } else {
            input.clone()
        };
        let twin = Pending::nameless(&folder.path().join("not there yet/twin"), 0o644).unwrap();
        // The twin is to end within the only data that there is.
        let mut looks = 0;
        let mut look = |first: &Pending| {
            looks += 1;
            assert!(first.file().metadata().unwrap().len() > 1 << 30);
            (1 << 30) + 9_000
        };
        let mut kept = Kept::new(Pending::new(&output, 0o644).unwrap(), Some(&twin), &mut look);
        assert_eq!(decode(&input, Limits::default(), &mut kept, 2, &Silent).unwrap(), 3 << 30);
        let (pending, blocks) = kept.into_parts();
        assert_eq!(looks, 1);
        // What was hashed on the way is what is there.
        let image = RawFile::new(pending.file().try_clone().unwrap()).unwrap();
        assert_eq!(blocks, image_digests(&image, 2, &Silent).unwrap());
        assert_eq!(twin.file().metadata().unwrap().len(), (1 << 30) + 9_000);
        pending.commit(Existing::Replace).unwrap();
        let made = output.metadata().unwrap();
        assert_eq!(made.len(), 3 << 30);
        assert!(made.blocks() * 512 <= 64 << 10, "{} blocks", made.blocks());
        let status =
            std::process::Command::new("cmp").args([&folder.path().join("-in put.raw"), &output]).status();
        assert!(status.unwrap().success());
    }
}
