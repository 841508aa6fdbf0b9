// SPDX-License-Identifier: Apache-2.0
//! Images that were made to hurt: every one is an error or a listing, within seconds, and never a panic.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use kiln::host::extract::extract;
use kiln::read::{Image, inspect};
use proptest::prelude::*;

use super::{image, made, place, run, scratch, text, words};

/// Replaces `from` by `to`, of the same length, everywhere in a file.
fn patch(path: &Path, from: &[u8], to: &[u8]) {
    let mut bytes = std::fs::read(path).unwrap();
    let mut places = 0;
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
            places += 1;
        }
    }
    assert!(places > 0);
    std::fs::write(path, bytes).unwrap();
}

/// Extracts all of it; what may come of it is an error, but only inside of the folder.
fn extracted(image: &Image) -> Result<(), String> {
    let (_keep, folder) = scratch();
    let out = folder.join("a/b/out");
    let done = extract(image, &place("P:/"), &out, false).map(|_| ()).map_err(|error| words(&error));
    let outside = run(&["find", text(&folder), "-type", "f", "-not", "-path", &format!("{}/*", text(&out))]);
    assert_eq!(outside, "");
    done
}

#[test]
fn names_that_climb_out_stay_inside() {
    let (_keep, folder) = scratch();
    let tree = folder.join("tree");
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::write(tree.join("AAAAAAAAAAAA"), "evil").unwrap();
    let squashfs = {
        let path = folder.join("squashfs");
        run(&["mksquashfs", text(&tree), text(&path), "-quiet", "-noappend", "-noI", "-noD"]);
        path
    };
    let btrfs = made::btrfs(&folder, &tree);
    for path in [made::ext4(&folder, Some(&tree), &["-O", "^metadata_csum,^dir_index"]), squashfs, btrfs] {
        patch(&path, b"AAAAAAAAAAAA", b"../../evil__");
        // Some libraries refuse the folder, some leave it to us; btrfs notices the checksum.
        let _ = extracted(&image(&[("P", &path)]));
    }
}

#[test]
fn folders_that_hold_themselves_come_to_an_end() {
    let (_keep, folder) = scratch();
    let tree = folder.join("tree");
    std::fs::create_dir_all(tree.join("a/b")).unwrap();
    let path = made::ext4(&folder, Some(&tree), &["-O", "^metadata_csum"]);
    run(&["debugfs", "-w", "-R", "link /a /a/b/again", text(&path)]);
    let error = extracted(&image(&[("P", &path)])).unwrap_err();
    assert!(error.contains("it holds more than 128 folders in one another"), "{error}");
}

#[test]
fn fat_chains_that_go_round_come_to_an_end() {
    let (_keep, folder) = scratch();
    let tree = folder.join("tree");
    made::tree(&tree, true);
    let path = made::fat(&folder, &tree, &["-F", "32"]);
    // Every cluster is followed by itself, in both copies of the table.
    let mut bytes = std::fs::read(&path).unwrap();
    let word = |at: usize| usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let (start, len) = (word(14) * 512, word(36) * 512 * 2);
    for number in 2..len / 8 {
        for copy in [0, len / 2] {
            let at = start + copy + number * 4;
            bytes[at..at + 4].copy_from_slice(&(number as u32).to_le_bytes());
        }
    }
    std::fs::write(&path, bytes).unwrap();
    let start = std::time::Instant::now();
    let error = extracted(&image(&[("P", &path)])).unwrap_err();
    assert!(error.contains("the vfat filesystem is damaged"), "{error}");
    assert!(start.elapsed().as_secs() < 30);
}

#[test]
fn absurd_sizes_are_refused() {
    let (_keep, folder) = scratch();
    let tree = folder.join("tree");
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::File::create(tree.join("huge")).unwrap().set_len(1 << 40).unwrap();
    let image_of = |path: PathBuf| image(&[("P", &path)]);
    let error =
        image_of(made::ext4(&folder, Some(&tree), &[])).cat(&place("P:/huge"), &mut Vec::new()).unwrap_err();
    let expected = "can't read P:/huge: it says that it has 1099511627776 bytes, more than the 68719476736 that are read at most";
    assert_eq!(words(&error), expected);
    // A filesystem that is larger than its partition: its superblock lies, or the image was cut off.
    let path = made::ext4(&folder, None, &[]);
    std::fs::File::options().write(true).open(&path).unwrap().set_len(32 << 20).unwrap();
    let cut = image_of(path);
    let error = cut.filesystem("P").map(|_| ()).unwrap_err();
    assert!(
        words(&error).contains("it says that it has 67108864 bytes, on 33554432 bytes"),
        "{}",
        words(&error)
    );
    assert_eq!(inspect(&cut).partitions.len(), 1);
}

#[test]
fn no_filesystem_is_no_panic() {
    let (_keep, folder) = scratch();
    for (name, bytes) in
        [("zeros", vec![0; 1 << 20]), ("noise", crate::decode::noise(1 << 20, 3)), ("tiny", vec![1; 100])]
    {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = image(&[("P", &path)]).filesystem("P").map(|_| ()).unwrap_err();
        assert!(words(&error).ends_with("partition P holds no ext4, FAT, squashfs or btrfs filesystem"));
    }
}

/// One image of each kind, small enough to be damaged often.
fn samples() -> &'static Vec<Vec<u8>> {
    static SAMPLES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SAMPLES.get_or_init(|| {
        let (_keep, folder) = scratch();
        let tree = folder.join("tree");
        std::fs::create_dir_all(tree.join("a/b")).unwrap();
        for number in 0..40 {
            let bytes = crate::decode::noise(number * number * 7, number as u64);
            std::fs::write(tree.join(format!("a/file {number}")), &bytes).unwrap();
            std::fs::write(tree.join(format!("a/b/{number}")), [bytes, vec![7; 9000]].concat()).unwrap();
        }
        let paths = [
            made::ext4(&folder, Some(&tree), &["-O", "^metadata_csum"]),
            made::fat(&folder, &tree, &["-F", "16", "-s", "4"]),
            made::squashfs(&folder, &tree, "zstd"),
            made::btrfs(&folder, &tree),
        ];
        paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn damage_is_an_error_or_a_listing(
        kind in 0..4_usize,
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
    ) {
        let mut bytes = samples()[kind].clone();
        // Damage goes where something is, or little would come of it.
        let used: Vec<usize> = bytes.chunks(512).enumerate().filter(|(_, sector)| sector.iter().any(|byte| *byte != 0)).map(|(number, _)| number).collect();
        for (place, value) in places {
            let at = place.index(used.len() * 512);
            let at = used[at / 512] * 512 + at % 512;
            if at < bytes.len() {
                bytes[at] = value;
            }
        }
        let (_keep, folder) = scratch();
        let path = folder.join("image");
        std::fs::write(&path, &bytes).unwrap();
        let image = image(&[("P", &path), ("ROOT", &path), ("USR-A", &path)]);
        let _ = inspect(&image).render();
        let found = extracted(&image);
        prop_assert!(!found.is_err_and(|error| error.contains("its library gave up")));
    }
}
