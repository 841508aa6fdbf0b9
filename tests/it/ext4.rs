// SPDX-License-Identifier: Apache-2.0
//! The ext4 writer, judged by e2fsck, dumpe2fs, debugfs, resize2fs and the kernel. Needs root, loop devices, e2fsprogs
//! and attr.

mod compare;
mod trees;
mod volume;

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;

use kiln::disk::Source;
use kiln::ext4::{self, Error};
use kiln::tree::{Kind, Node, Tree};
use proptest::prelude::{ProptestConfig, any, proptest};

use self::trees::{blob, inline, path, random};
use self::volume::{Mount, TIME_S, Volume, spec};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn empty() -> Tree {
    Tree::new(Node::folder())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5, max_shrink_iters: 0, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_tree_comes_out_the_same_and_stays_clean_in_use(
        seed in any::<u64>(), nodes in 1u64..2500, size in 300 * MIB..1000 * MIB, grown in GIB..4 * GIB,
    ) {
        let tree = random(seed, nodes);
        let volume = Volume::write(&tree, &spec(size));
        volume.check();
        let mount = volume.mount();
        compare::assert_same(&mount, &tree, TIME_S);
        use_it(&mount, &tree);
        drop(mount);
        volume.check();
        volume.grow(grown);
        volume.check();
    }
}

/// Creates, grows, renames and removes files everywhere in `tree`.
fn use_it(mount: &Mount, tree: &Tree) {
    let folders = tree.paths().filter(|(_, id)| tree.node(*id).kind == Kind::Folder);
    for (folder, _) in folders.take(100) {
        let folder = compare::inside(folder);
        for number in 0..10 {
            let new = mount.path(folder.join(format!("new {number} {}", "n".repeat(200))));
            std::fs::write(&new, vec![1; 5000 * number]).unwrap();
            std::fs::rename(&new, new.with_extension("renamed")).unwrap();
        }
        std::fs::create_dir(mount.path(folder.join("new folder"))).unwrap();
    }
    let files = tree.paths().filter(|(_, id)| matches!(tree.node(*id).kind, Kind::File(_)));
    for (number, (file, _)) in files.enumerate() {
        let there = mount.path(compare::inside(file));
        match number % 3 {
            0 => std::fs::remove_file(&there).unwrap(),
            1 => std::fs::File::options().append(true).open(&there).unwrap().write_all(&[2; 10_000]).unwrap(),
            _ => {}
        }
    }
}

#[test]
fn an_empty_tree_has_the_features_of_flatcars_root() {
    let volume = Volume::write(&empty(), &spec(1784 * MIB));
    volume.check();
    let head = volume.printed_by("dumpe2fs", &["-h"]);
    for line in [
        "Filesystem volume name:   ROOT",
        "Filesystem UUID:          11112222-3333-4444-5555-666677778888",
        "Filesystem features:      has_journal ext_attr resize_inode dir_index filetype extent 64bit flex_bg sparse_super \
         large_file huge_file dir_nlink extra_isize metadata_csum",
        "Filesystem flags:         signed_directory_hash ",
        "Default mount options:    user_xattr acl",
        "Filesystem state:         clean",
        "Errors behavior:          Remount read-only",
        "Inode count:              456736",
        "Block count:              456704",
        "Reserved block count:     22835",
        "Overhead clusters:        38110",
        "Block size:               4096",
        "Reserved GDT blocks:      222",
        "Inodes per group:         32624",
        "Flex block group size:    16",
        "Maximum mount count:      -1",
        "Inode size:\t          256",
        "Required extra isize:     32",
        "Journal inode:            8",
        "Default directory hash:   half_md4",
        "Directory Hash Seed:      9999aaaa-bbbb-cccc-dddd-eeeeffff0000",
        "Journal backup:           inode blocks",
        "Checksum type:            crc32c",
        "Total journal size:       32M",
        "Journal start:            0",
    ] {
        assert!(head.lines().any(|found| found == line), "{line:?} is not in\n{head}");
    }
}

#[test]
fn every_size_is_clean_also_odd_ones() {
    let mut tree = empty();
    tree.add(path("/opt/bin/kubelet"), blob("kubelet", 9 * MIB + 17, vec![0..9 * MIB + 17])).unwrap();
    // The smallest; one group; a last group too small, just large enough, of odd bytes, with a backup superblock.
    let group = 128 * MIB;
    let sizes = [
        64 * MIB,
        group,
        group + 5 * MIB + 511,
        group + 9 * MIB,
        2 * group + 33 * MIB + 4095,
        9 * group + 20 * MIB,
    ];
    // From 128 GiB on the journal has more extents than its inode holds.
    for size in sizes.into_iter().chain([6 * GIB, 100 * GIB + 12_345, 130 * GIB]) {
        let volume = Volume::write(&tree, &spec(size));
        volume.check();
        compare::assert_same(&volume.mount(), &tree, TIME_S);
        volume.check();
    }
}

#[test]
fn the_smallest_filesystem_is_clean() {
    let volume = Volume::write(&empty(), &spec(8 * MIB));
    volume.check();
    volume.grow(GIB);
    volume.check();
}

#[test]
fn the_root_of_flatcar_grows_to_200_gib() {
    let mut tree = empty();
    tree.add(path("/opt/bin/kubelet"), blob("kubelet", MIB, vec![0..MIB])).unwrap();
    let volume = Volume::write(&tree, &spec(300 * MIB));
    volume.grow(200 * GIB);
    volume.check();
    compare::assert_same(&volume.mount(), &tree, TIME_S);
}

#[test]
fn large_folders_are_found_through_one_and_two_levels() {
    let mut tree = empty();
    for number in 0..20_000 {
        tree.add(path(format!("/one/{number}")), inline([])).unwrap();
    }
    // 15 names of 255 bytes fill a block: more blocks than one level finds.
    for number in 0..8_000 {
        tree.add(path(format!("/two/{number:0255}")), inline([])).unwrap();
    }
    let volume = Volume::write(&tree, &spec(300 * MIB));
    volume.check();
    assert!(volume.printed_by("debugfs", &["-R", "htree_dump /one"]).contains("Indirect levels: 0"));
    assert!(volume.printed_by("debugfs", &["-R", "htree_dump /two"]).contains("Indirect levels: 1"));
    let mount = volume.mount();
    for number in (0..8_000).step_by(7) {
        assert!(mount.path(format!("two/{number:0255}")).exists());
        assert!(mount.path(format!("one/{number}")).exists());
        std::fs::write(mount.path(format!("two/new{number:0200}")), "").unwrap();
    }
    drop(mount);
    volume.check();
}

#[test]
fn a_folder_of_70000_folders_has_one_link() {
    let mut tree = empty();
    for number in 0..70_000 {
        tree.add(path(format!("/many/{number}")), Node::folder()).unwrap();
    }
    for number in 0..64_998 {
        tree.add(path(format!("/most/{number}")), Node::folder()).unwrap();
    }
    let volume = Volume::write(&tree, &spec(1200 * MIB));
    volume.check();
    let mount = volume.mount();
    let links = |name: &str| mount.path(name).metadata().unwrap().nlink();
    assert_eq!((links("many"), links("most"), links("many/69999")), (1, 65_000, 2));
}

#[test]
fn sparse_and_huge_files_have_trees_of_extents() {
    let mut tree = empty();
    let data = (0..5000).map(|part| part * 20_000..part * 20_000 + 3000).collect();
    tree.add(path("/holes"), blob("holes", 100_000_000, data)).unwrap();
    tree.add(path("/huge"), blob("huge", 300 * MIB + 1, vec![0..300 * MIB + 1])).unwrap();
    tree.add(path("/far"), blob("far", 15 << 40, vec![4096..8192, (14 << 40) + 5..(14 << 40) + 6])).unwrap();
    let volume = Volume::write(&tree, &spec(600 * MIB));
    volume.check();
    let depths = volume.printed_by("debugfs", &["-R", "ex /holes"]);
    assert!(depths.contains(" 2/ 2 "), "{depths}");
    compare::assert_same(&volume.mount(), &tree, TIME_S);
}

#[test]
fn times_beyond_2038_are_kept() {
    let time_s = 5_000_000_000;
    let mut tree = random(38, 200);
    tree.get_mut(&path("/")).unwrap().mtime_s = 4_000_000_000;
    let volume = Volume::write(&tree, &ext4::Spec { time_s, ..spec(100 * MIB) });
    compare::assert_same(&volume.mount(), &tree, time_s);
}

#[test]
fn lost_and_found_may_come_with_the_tree() {
    let mut tree = empty();
    tree.add(path("/lost+found"), Node { mode: 0o711, uid: 7, ..Node::folder() }).unwrap();
    tree.add(path("/lost+found/#12"), inline(*b"found")).unwrap();
    tree.add(path("/lost+found/old/deep"), inline(*b"found")).unwrap();
    tree.add(path("/z"), inline([])).unwrap();
    let volume = Volume::write(&tree, &spec(100 * MIB));
    volume.check();
    let found = volume.mount().path("lost+found").metadata().unwrap();
    assert_eq!((found.mode(), found.uid(), found.ino(), found.len()), (0o040_711, 7, 11, 16_384));
}

#[test]
fn the_same_input_gives_the_same_extents() {
    let tree = random(1, 800);
    let first = ext4::layout(&tree, &spec(GIB)).unwrap();
    assert_eq!(first, ext4::layout(&tree.clone(), &spec(GIB)).unwrap());
    let moved = ext4::Spec { hash_seed: uuid::Uuid::from_u128(1), ..spec(GIB) };
    assert_ne!(first, ext4::layout(&tree, &moved).unwrap());
}

#[test]
fn files_lie_in_boot_order_each_in_one_piece() {
    let mut tree = empty();
    let names = ["a", "b", "c", "d"];
    for name in names {
        tree.add(path(format!("/{name}")), blob(name, 50 * MIB, vec![0..50 * MIB])).unwrap();
    }
    let first = vec![path("/c"), path("/none"), path("/b")];
    let extents = ext4::layout(&tree, &ext4::Spec { first, ..spec(GIB) }).unwrap();
    let digests: Vec<_> = extents
        .iter()
        .filter_map(|extent| match &extent.source {
            Source::Blob { digest, offset: 0 } if extent.len == 50 * MIB => Some(*digest),
            Source::Blob { .. } => panic!("a file is in pieces"),
            _ => None,
        })
        .collect();
    assert_eq!(digests, ["c", "b", "a", "d"].map(|name| kiln::digest::Digest::of(name.as_bytes())));
}

#[test]
fn a_tree_that_does_not_fit_says_by_how_much() {
    let mut tree = empty();
    tree.add(path("/f"), blob("f", 100 * MIB, vec![0..100 * MIB])).unwrap();
    let Err(Error::Full { missing_bytes, size_bytes }) = ext4::layout(&tree, &spec(80 * MIB)) else {
        panic!("100 MiB do not fit into 80");
    };
    assert_eq!(size_bytes, 80 * MIB);
    // A sixteenth more is taken by the inodes of the added space.
    let enough = (80 * MIB + missing_bytes * 17 / 16 + MIB).next_multiple_of(4096);
    assert!(ext4::layout(&tree, &spec(enough)).is_ok());
    let short = ext4::layout(&tree, &spec(80 * MIB + missing_bytes - MIB)).unwrap_err().to_string();
    assert!(short.starts_with("the tree does not fit: ") && short.contains("bytes are missing"), "{short}");

    let mut many = empty();
    for number in 0..5000 {
        many.add(path(format!("/{number}")), inline([])).unwrap();
    }
    let text = ext4::layout(&many, &spec(16 * MIB)).unwrap_err().to_string();
    assert_eq!(text, "the tree needs 5001 inodes and the filesystem has 4086; make the partition larger");
}

#[test]
fn what_ext4_cannot_hold_is_refused_with_its_path() {
    let refusal = |name: &str, node: Node| {
        let mut tree = empty();
        tree.add(path(name), node).unwrap();
        ext4::layout(&tree, &spec(64 * MIB)).unwrap_err().to_string()
    };
    let with = |name: &str, value: usize| {
        let mut node = inline([]);
        node.xattrs.insert(name.into(), vec![1; value]);
        node
    };
    let link = |target: Vec<u8>| Node::of(Kind::Symlink(target), 0o777);
    let bad_link = "the target of the link '/l' must have 1 to 4095 bytes, none of them NUL";
    for target in [vec![], vec![b'x'; 4096], vec![0; 3], [[b'x'; 70], [0; 70]].concat()] {
        assert_eq!(refusal("/l", link(target)), bad_link);
    }
    assert_eq!(
        refusal("/lost+found", inline([])),
        "'/lost+found' must be a folder: e2fsck puts what it finds there"
    );
    assert_eq!(
        refusal("/d/x", with("user.big", 5000)),
        "the extended attributes of '/d/x' do not fit: they need 5020 bytes besides the inode and there are 4060"
    );
    for name in ["system.posix_acl_access", "user.", "plain"] {
        let text = format!(
            "'/x' has the attribute '{name}'; only security.*, trusted.* and user.* names of up to 255 bytes can be stored"
        );
        assert_eq!(refusal("/x", with(name, 1)), text);
    }
    assert_eq!(
        refusal("/x", blob("x", 17 << 40, vec![])),
        "'/x' has 18691697672192 bytes; ext4 allows 17592186040320"
    );
    let label = ext4::Spec { label: "seventeen letters".into(), ..spec(64 * MIB) };
    assert_eq!(
        ext4::layout(&empty(), &label).unwrap_err().to_string(),
        "the label 'seventeen letters' is longer than 16 bytes"
    );
    assert_eq!(
        ext4::layout(&empty(), &spec(MIB)).unwrap_err().to_string(),
        "a partition of 1048576 bytes is too small for ext4 with a journal; at least 8388608 are needed"
    );
}

#[test]
fn a_file_with_too_many_names_is_refused() {
    let mut tree = empty();
    tree.add(path("/0"), inline([])).unwrap();
    (1..65_000).for_each(|number| tree.link(path(format!("/{number}")), &path("/0")).unwrap());
    Volume::write(&tree, &spec(64 * MIB)).check();
    tree.link(path("/more"), &path("/0")).unwrap();
    let text = ext4::layout(&tree, &spec(64 * MIB)).unwrap_err().to_string();
    assert_eq!(text, "'/0' has 65001 hard links; ext4 allows 65000");
}
