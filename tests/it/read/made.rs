// SPDX-License-Identifier: Apache-2.0
//! Trees and filesystems for the tests, by other people's tools.

use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::{run, text};

/// Fills `folder` with files of many kinds; `plain` leaves out what FAT can't hold.
pub fn tree(folder: &Path, plain: bool) {
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    let noise = crate::decode::noise(300_000, 5);
    let lines: Vec<u8> = (0..60_000).flat_map(|n| format!("line {n} of a text\n").into_bytes()).collect();
    write("empty", b"");
    write("one", b"1");
    write(
        "lib/os-release",
        b"ID=flatcar\nVERSION_ID=4593.2.5\nBUILD_ID=2026-01-01\nPRETTY_NAME=\"Flatcar 4593.2.5\"\n",
    );
    write("lib/deep/er/and/deeper/block", &noise[..4096]);
    write("lib/noise", &noise);
    write("share/text", &lines);
    write("share/with blank and é", b"utf-8");
    write("flatcar/first_boot", b"");
    for number in 0..300 {
        write(&format!("many/file-{number}"), number.to_string().as_bytes());
    }
    if plain {
        return;
    }
    let sparse = std::fs::File::create(folder.join("sparse")).unwrap();
    sparse.set_len(5 << 20).unwrap();
    sparse.write_all_at(&noise[..10_000], 3 << 20).unwrap();
    write(&"n".repeat(255), b"long name");
    symlink("lib/os-release", folder.join("short")).unwrap();
    symlink("x/".repeat(120), folder.join("long")).unwrap();
    std::fs::set_permissions(folder.join("one"), std::fs::Permissions::from_mode(0o4751)).unwrap();
    std::fs::set_permissions(folder.join("many"), std::fs::Permissions::from_mode(0o1555)).unwrap();
    std::os::unix::fs::lchown(folder.join("lib/noise"), Some(70_000), Some(4)).unwrap();
    std::os::unix::fs::lchown(folder.join("short"), Some(5), Some(6)).unwrap();
    run(&["sh", "-c", &format!("find '{}' -exec touch -h -d @1600000000 '{{}}' +", text(folder))]);
}

fn blank(path: &Path, mib: u64) -> PathBuf {
    std::fs::File::create(path).unwrap().set_len(mib << 20).unwrap();
    path.to_owned()
}

pub fn ext4(folder: &Path, tree: Option<&Path>, options: &[&str]) -> PathBuf {
    let path = blank(&folder.join("ext4"), 64);
    let from = tree.map(|tree| vec!["-d", text(tree)]).unwrap_or_default();
    run(&[&["mke2fs", "-q", "-t", "ext4", "-L", "ROOT"], options, &from, &[text(&path)]].concat());
    path
}

pub fn fat(folder: &Path, tree: &Path, options: &[&str]) -> PathBuf {
    let path = blank(&folder.join("fat"), 64);
    run(&[&["mkfs.fat", "-n", "EFI-SYSTEM", "-i", "1234abcd"], options, &[text(&path)]].concat());
    run(&["sh", "-c", &format!("mcopy -s -p -i '{}' '{}'/* ::", text(&path), text(tree))]);
    path
}

pub fn squashfs(folder: &Path, tree: &Path, compression: &str) -> PathBuf {
    let path = folder.join("squashfs");
    run(&["mksquashfs", text(tree), text(&path), "-quiet", "-noappend", "-comp", compression]);
    path
}

/// Without compression, by mkfs.btrfs alone.
pub fn btrfs(folder: &Path, tree: &Path) -> PathBuf {
    let path = blank(&folder.join("btrfs"), 128);
    run(&["mkfs.btrfs", "-q", "-L", "plain", "--rootdir", text(tree), text(&path)]);
    path
}

/// With compression, which is the kernel's work: mkfs.btrfs of Debian 12 can't.
pub fn btrfs_by_kernel(folder: &Path, tree: &Path, mkfs: &[&str], compression: &str) -> PathBuf {
    let path = blank(&folder.join("btrfs"), 256);
    run(&[&["mkfs.btrfs", "-q"], mkfs, &[text(&path)]].concat());
    let mount = folder.join("mount");
    std::fs::create_dir(&mount).unwrap();
    let options = format!("loop,compress-force={compression}");
    run(&["mount", "-t", "btrfs", "-o", &options, text(&path), text(&mount)]);
    run(&[
        "sh",
        "-c",
        &format!(
            "cp -a '{}/.' '{1}' && setfattr -n user.k -v value '{1}/one'; umount '{1}'",
            text(tree),
            text(&mount)
        ),
    ]);
    path
}
