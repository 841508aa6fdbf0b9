// SPDX-License-Identifier: Apache-2.0
//! What a tool put into a filesystem comes out of it: every byte, mode, owner, time and link.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use kiln::host::extract::extract;
use kiln::read::{Facts, probe};

use super::{described, image, made, place, same, scratch};

/// Extracts everything from the filesystem in `file` and compares it with `tree`.
fn check(file: &Path, tree: &Path, whole: bool) -> Facts {
    let (_keep, folder) = scratch();
    let image = image(&[("P", file)]);
    let out = folder.join("-out é");
    let done = extract(&image, &place("P:/"), &out, false)
        .unwrap_or_else(|error| panic!("{}", super::words(&error)));
    assert!(done.kept.is_empty() && done.skipped.is_empty(), "{done:?}");
    if out.join("lost+found").exists() {
        std::fs::remove_dir(out.join("lost+found")).unwrap();
    }
    same(tree, &out);
    assert_eq!(described(tree, whole), described(&out, whole));
    if whole {
        let blocks = out.join("sparse").metadata().unwrap().blocks();
        assert!(blocks * 512 < 1 << 20, "holes stay holes: {blocks}");
    }
    let partition = &image.partitions()[0];
    probe(&image.slice(partition)).unwrap().unwrap()
}

#[test]
fn ext4_by_mke2fs_with_all_kinds_of_features() {
    let (_keep, folder) = scratch();
    let tree = folder.join("tree");
    made::tree(&tree, false);
    for options in [
        &["-I", "256", "-i", "4096"][..],
        &["-O", "metadata_csum_seed,orphan_file,64bit"],
        &["-b", "1024", "-O", "^metadata_csum,^64bit"],
        &["-O", "^has_journal,^64bit,^metadata_csum"],
    ] {
        let file = made::ext4(&folder, Some(&tree), options);
        let facts = check(&file, &tree, true);
        assert_eq!((facts.kind, facts.label.as_str(), facts.size), ("ext4", "ROOT", 64 << 20));
        assert!(facts.used.unwrap() > 1 << 20 && facts.used.unwrap() < facts.size);
        assert!(facts.features.contains(&"sparse_super".to_owned()), "{facts:?}");
    }
}

#[test]
fn what_is_no_file_is_never_replaced() {
    let (_keep, folder) = scratch();
    let tree = folder.join("tree");
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("console"), "a log").unwrap();
    let image = image(&[("P", &made::ext4(&folder, Some(&tree), &[]))]);
    let out = folder.join("out");
    std::fs::create_dir(&out).unwrap();
    nix::unistd::mkfifo(&out.join("console"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let error = extract(&image, &place("P:/console"), &out.join("console"), true).unwrap_err();
    assert!(
        super::words(&error).ends_with("it is there and neither a file nor a link"),
        "{}",
        super::words(&error)
    );
    assert!(std::os::unix::fs::FileTypeExt::is_fifo(&out.join("console").metadata().unwrap().file_type()));
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 1);
}

#[test]
fn fat_by_mkfs_fat_and_mcopy() {
    let (_keep, folder) = scratch();
    let tree = folder.join("tree");
    made::tree(&tree, true);
    for (options, kind) in [(&["-F", "32"][..], "fat32"), (&["-F", "16", "-s", "4"], "fat12/16")] {
        let facts = check(&made::fat(&folder, &tree, options), &tree, false);
        assert_eq!(
            (facts.kind, facts.label.as_str(), facts.uuid.as_str()),
            ("vfat", "EFI-SYSTEM", "1234-ABCD")
        );
        assert_eq!((facts.features, facts.size), (vec![kind.to_owned()], 64 << 20));
    }
}

#[test]
fn squashfs_by_mksquashfs_in_every_compression() {
    let (_keep, folder) = scratch();
    let tree = folder.join("tree");
    made::tree(&tree, false);
    for compression in ["zstd", "gzip", "xz"] {
        let facts = check(&made::squashfs(&folder, &tree, compression), &tree, true);
        assert_eq!((facts.kind, facts.features), ("squashfs", vec![compression.to_owned()]));
    }
}

#[test]
fn btrfs_by_mkfs_btrfs() {
    let (_keep, folder) = scratch();
    let tree = folder.join("tree");
    made::tree(&tree, false);
    let facts = check(&made::btrfs(&folder, &tree), &tree, true);
    assert_eq!((facts.kind, facts.label.as_str()), ("btrfs", "plain"));
}

#[test]
fn btrfs_by_the_kernel_in_every_compression() {
    // USR of Flatcar is zstd, its OEM is mixed and zlib.
    for (mkfs, compression) in [
        (&["-m", "single"][..], "zstd"),
        (&["--mixed", "-m", "single", "-d", "single", "-L", "OEM"], "zlib"),
        (&["-m", "single", "--csum", "xxhash"], "lzo"),
        (&["-m", "dup", "-n", "4096", "-s", "4096"], "zstd:15"),
    ] {
        let (_keep, folder) = scratch();
        let tree = folder.join("tree");
        made::tree(&tree, false);
        let file = made::btrfs_by_kernel(&folder, &tree, mkfs, compression);
        let facts = check(&file, &tree, true);
        let compressed = format!("compress_{}", compression.split(':').next().unwrap());
        assert!(compression == "zlib" || facts.features.contains(&compressed), "{facts:?}");
        let image = image(&[("P", &file)]);
        let xattrs = image.filesystem("P").unwrap().xattrs(place("/one").path()).unwrap().unwrap();
        assert_eq!(xattrs["user.k"], b"value");
    }
}
