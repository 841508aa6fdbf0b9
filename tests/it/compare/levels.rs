// SPDX-License-Identifier: Apache-2.0
//! The levels alone, on small images: extended attributes by debugfs, and what is sent when blocks become zero.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use kiln::compare::{Aspect, Contents, Diff, What, diff};
use kiln::progress::Silent;
use kiln::read::{Image, Partition};
use uuid::Uuid;

use crate::read::{image, run, text};

fn compared(first: &Image, second: &Image) -> Diff {
    diff(first, second, 2, &Silent).unwrap()
}

/// An ext4 filesystem, by mke2fs, of a tree with one file.
fn filesystem(folder: &Path, name: &str) -> std::path::PathBuf {
    let tree = folder.join("tree");
    fs::create_dir_all(&tree).unwrap();
    fs::write(tree.join("file"), "text").unwrap();
    let path = folder.join(name);
    File::create(&path).unwrap().set_len(16 << 20).unwrap();
    run(&["mke2fs", "-q", "-t", "ext4", "-d", text(&tree), text(&path)]);
    path
}

#[test]
fn extended_attributes_are_compared_on_ext4() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (filesystem(folder.path(), "first"), filesystem(folder.path(), "second"));
    // Too long for an inode, so that it lies in a block.
    let long = "v".repeat(300);
    for (path, name, value) in [
        (&first, "user.same", "1"),
        (&second, "user.same", "1"),
        (&first, "user.gone", "2"),
        (&first, "user.other", "3"),
        (&second, "user.other", &long),
        (&second, "security.new", "4"),
    ] {
        run(&["debugfs", "-w", "-R", &format!("ea_set /file {name} {value}"), text(path)]);
    }
    let found = compared(&image(&[("ROOT", &first)]), &image(&[("ROOT", &second)]));
    let Contents::Files(files) = &found.files[0].contents else { panic!("{found:?}") };
    assert!(files.with_xattrs);
    let [change] = &files.changes[..] else { panic!("{files:?}") };
    let hex = |value: &str| Some(value.bytes().map(|byte| format!("{byte:02x}")).collect::<String>());
    let xattr = |name: &str, first, second| Aspect::Xattr { name: name.into(), first, second };
    let expected = vec![
        xattr("user.gone", hex("2"), None),
        xattr("user.other", hex("3"), hex(&long)),
        xattr("security.new", None, hex("4")),
    ];
    assert_eq!((change.path.as_str(), &change.what), ("/file", &What::Changed { aspects: expected }));
}

#[test]
fn attributes_that_can_not_be_read_are_said_not_to_be_compared() {
    let folder = tempfile::tempdir().unwrap();
    let squashfs = |name: &str, content: &str| {
        let tree = folder.path().join("tree");
        fs::create_dir_all(&tree).unwrap();
        fs::write(tree.join("file"), content).unwrap();
        let path = folder.path().join(name);
        run(&["mksquashfs", text(&tree), text(&path), "-quiet", "-noappend"]);
        path
    };
    let (first, second) = (squashfs("first", "one"), squashfs("second", "two"));
    let found = compared(&image(&[("USR-A", &first)]), &image(&[("USR-A", &second)]));
    let said = found.render(["a", "b"]);
    assert!(said.contains("  USR-A: 1 path differs (extended attributes can't be read here)\n"), "{said}");
    assert!(said.contains("    changed /file: content (3 bytes, from byte 0 on)\n"), "{said}");
}

/// A disk of blocks of 512 KiB, each filled with one byte; its one partition begins at the second.
fn disk(blocks: &[u8]) -> Image {
    let bytes: Vec<u8> = blocks.iter().flat_map(|byte| vec![*byte; 512 << 10]).collect();
    let partition = Partition {
        number: 9,
        label: "ROOT".into(),
        type_guid: Uuid::nil(),
        start: 512 << 10,
        size: bytes.len() as u64 - (512 << 10),
    };
    Image::new(Arc::new(bytes), vec![partition])
}

#[test]
fn blocks_that_became_zero_are_sent_as_well() {
    let found = compared(&disk(&[1, 2, 3, 0, 5]), &disk(&[1, 0, 4, 0, 5]));
    let blocks = &found.blocks;
    assert_eq!((blocks.blocks, blocks.zeroed, blocks.bytes), (2, 1, 2 * (512 << 10)));
    assert_eq!((blocks.whole_blocks, blocks.is_possible), (3, true));
    assert_eq!(blocks.partitions, [("ROOT".to_owned(), 2)].into());
    assert!(!found.is_same());
    assert_eq!(found.files[0].contents, Contents::NoFilesystem);

    let found = compared(&disk(&[1, 2]), &disk(&[3, 2, 7]));
    assert_eq!((found.blocks.blocks, found.blocks.is_possible), (2, true));
    assert_eq!(found.blocks.partitions, [(String::new(), 1), ("ROOT".to_owned(), 1)].into());

    // Smaller, though with the same bytes as far as it goes.
    let found = compared(&disk(&[1, 2, 0]), &disk(&[1, 2]));
    assert_eq!((found.blocks.blocks, found.blocks.is_possible, found.is_same()), (0, false, false));
    assert!(found.render(["a", "b"]).contains("publishing b on a is impossible: the disk is smaller\n"));
}

#[test]
fn an_image_that_can_not_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = filesystem(folder.path(), "first");
    let good = image(&[("ROOT", &path)]);
    // The group descriptors, which ext4 keeps checksums of.
    let damaged = fs::OpenOptions::new().write(true).open(&path).unwrap();
    damaged.write_all_at(&[0xff; 64], 2048).unwrap();
    let error = diff(&good, &image(&[("ROOT", &path)]), 2, &Silent).unwrap_err();
    assert!(error.to_string().starts_with("can't read ROOT:"), "{error}");
}
