// SPDX-License-Identifier: Apache-2.0
//! Holds what the kernel shows of a mounted filesystem against the tree that it was made from.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use kiln::tree::{Content, Kind, Node, NodeId, Tree, TreePath};

use super::volume::{self, Mount};

/// Everything below `mount` is what `tree` says, and nothing else is there but lost+found.
pub fn assert_same(mount: &Mount, tree: &Tree, time_s: u64) {
    let links = link_counts(tree);
    let attributes = attributes(&mount.point);
    let mut inodes: HashMap<NodeId, u64> = HashMap::new();
    let mut wanted: BTreeSet<PathBuf> = BTreeSet::from(["lost+found".into()]);
    for (path, id) in tree.paths() {
        let inside = inside(path);
        let there = mount.path(&inside);
        let found = there.symlink_metadata().unwrap_or_else(|error| panic!("{there:?}: {error}"));
        let node = tree.node(id);
        assert_node(&found, node, links[&id], time_s, &inside);
        assert_content(&there, &found, node);
        assert_eq!(attributes.get(&inside).unwrap_or(&BTreeMap::new()), &node.xattrs, "{inside:?}");
        assert_eq!(*inodes.entry(id).or_insert(found.ino()), found.ino(), "{inside:?} is the same file");
        wanted.insert(inside);
    }
    wanted.remove(Path::new(""));
    assert_eq!(all_paths(&mount.point), wanted);
}

/// The path of a node below the mount point.
pub fn inside(path: &TreePath) -> PathBuf {
    PathBuf::from(OsString::from_vec(path.parts().join(&b'/')))
}

/// How many names each node has; for folders two and one for each folder in it.
fn link_counts(tree: &Tree) -> HashMap<NodeId, u64> {
    let mut counts: HashMap<NodeId, u64> = HashMap::new();
    let ids: BTreeMap<&TreePath, NodeId> = tree.paths().collect();
    for (path, id) in &ids {
        let is_folder = tree.node(*id).kind == Kind::Folder;
        *counts.entry(*id).or_default() += if is_folder { 2 } else { 1 };
        if let Some(parent) = path.parent().filter(|_| is_folder) {
            *counts.entry(ids[&parent]).or_default() += 1;
        }
    }
    *counts.get_mut(&ids[&TreePath::root()]).unwrap() += 1;
    counts
}

fn assert_node(found: &Metadata, node: &Node, links: u64, time_s: u64, path: &Path) {
    let kind = match node.kind {
        Kind::Folder => 0o040_000,
        Kind::File(_) => 0o100_000,
        Kind::Symlink(_) => 0o120_000,
    };
    assert_eq!(found.mode(), kind | u32::from(node.mode), "{path:?}");
    assert_eq!((found.uid(), found.gid(), found.nlink()), (node.uid, node.gid, links), "{path:?}");
    let time = node.mtime_s.min(time_s as i64);
    assert_eq!([found.mtime(), found.ctime(), found.atime()], [time; 3], "{path:?}");
    assert_eq!(found.mtime_nsec() + found.ctime_nsec() + found.atime_nsec(), 0, "{path:?}");
}

fn assert_content(there: &Path, found: &Metadata, node: &Node) {
    match &node.kind {
        Kind::Folder => {}
        Kind::Symlink(target) => {
            assert_eq!(there.read_link().unwrap().as_os_str().as_bytes(), target, "{there:?}");
        }
        Kind::File(content) => {
            assert_eq!(found.len(), content.size(), "{there:?}");
            match content {
                Content::Inline(bytes) => assert!(volume::has_bytes(there, bytes), "{there:?}"),
                Content::Blob { digest, data, .. } => {
                    assert!(volume::has_blob(there, digest, data), "{there:?}")
                }
            }
            assert!(found.blocks() <= most_sectors(content), "{there:?} has no more blocks than its data");
        }
    }
}

/// The sectors that the data of a file takes, with a block of attributes and some of extents.
fn most_sectors(content: &Content) -> u64 {
    let data = match content {
        Content::Inline(bytes) => vec![0..bytes.len() as u64],
        Content::Blob { data, .. } => data.clone(),
    };
    let blocks: BTreeSet<u64> =
        data.iter().flat_map(|range| range.start / 4096..range.end.div_ceil(4096)).collect();
    (blocks.len() as u64 * 101 / 100 + 2) * 8
}

fn all_paths(point: &Path) -> BTreeSet<PathBuf> {
    let mut paths = BTreeSet::new();
    let mut left = vec![point.to_path_buf()];
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            paths.insert(entry.path().strip_prefix(point).unwrap().to_path_buf());
            if entry.file_type().unwrap().is_dir() {
                left.push(entry.path());
            }
        }
    }
    paths
}

/// All extended attributes below `point`, as getfattr prints them.
fn attributes(point: &Path) -> HashMap<PathBuf, BTreeMap<String, Vec<u8>>> {
    let mut command = Command::new("getfattr");
    command.args(["-R", "-P", "-h", "-d", "-m", "-", "-e", "hex", "."]).current_dir(point);
    let printed = volume::run(&mut command);
    let mut all: HashMap<PathBuf, BTreeMap<String, Vec<u8>>> = HashMap::new();
    let mut file = PathBuf::new();
    for line in printed.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix(b"# file: ") {
            let path = PathBuf::from(OsString::from_vec(unquote(name)));
            file = path.strip_prefix(".").unwrap_or(&path).to_path_buf();
            continue;
        }
        let line = std::str::from_utf8(line).unwrap();
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        all.entry(file.clone()).or_default().insert(name.into(), unhex(value.trim_start_matches("0x")));
    }
    all
}

/// Undoes getfattr's `\ooo`.
fn unquote(name: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = name;
    while let [first, tail @ ..] = rest {
        if *first == b'\\' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&tail[..3]).unwrap(), 8).unwrap());
            rest = &tail[3..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    bytes
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
