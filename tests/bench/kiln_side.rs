// SPDX-License-Identifier: Apache-2.0
//! kiln's cases: from a warm cache to one output, with its digest. The process reports its peak memory.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use kiln::base::{self, Base};
use kiln::blocks::BlockList;
use kiln::ext4::{self, Spec};
use kiln::gpt;
use kiln::host::cache::Cache;
use kiln::host::disk::{DiskReader, Sources, digests, image_digests, open_image, write_qcow2, write_raw};
use kiln::host::files::{Existing, Pending};
use kiln::progress::Silent;
use kiln::tree::{Content, Kind, Node, Tree, TreePath};
use uuid::Uuid;

const JOBS: usize = 2;

/// Keeps the base's block list beside it, as the cache does.
pub fn hash_base(folder: &Path) {
    let list = folder.join("base.blocks");
    if !list.exists() {
        let image = open_image(&folder.join("base.raw")).unwrap();
        let blocks = image_digests(&*image, JOBS, &Silent).unwrap();
        std::fs::write(list, serde_json::to_vec(&blocks).unwrap()).unwrap();
    }
}

/// Bakes the payload of `folder` onto its base, as `out`.
pub fn bake(format: &str, folder: &Path, out: &Path) {
    let disk = disk(folder);
    let known: BlockList =
        serde_json::from_slice(&std::fs::read(folder.join("base.blocks")).unwrap()).unwrap();
    let pending = Pending::new(out, 0o644).unwrap();
    let list = thread::scope(|scope| {
        let hashing = scope.spawn(|| digests(&disk, &known, 1, &Silent).unwrap());
        match format {
            "raw" => write_raw(&disk, &pending, &Silent).unwrap(),
            _ => write_qcow2(&disk, &pending, JOBS, &Silent).unwrap(),
        }
        hashing.join().unwrap()
    });
    pending.commit(Existing::Replace).unwrap();
    let digest = list.digest();
    std::fs::write(out.with_extension("json"), format!("{{\"digest\": \"{digest}\"}}\n")).unwrap();
    println!("{}", peak_kb());
}

fn disk(folder: &Path) -> DiskReader {
    let image = folder.join("base.raw");
    let file = open_image(&image).unwrap();
    let base: Base = base::recognise(gpt::parse(&*file, &image).unwrap(), &image).unwrap();
    let grown = base.grow(base.table.size_bytes()).unwrap();
    let cache = Cache::open(&folder.join("cache"), Duration::from_secs(10)).unwrap();
    let root = ext4::layout(&tree(folder), &spec(grown.partition(9).unwrap().size_bytes())).unwrap();
    let disk = base.assemble(&grown, root);
    DiskReader::new(Arc::new(disk), Arc::new(Sources::new(Some(file), Box::new(cache))))
}

fn spec(size: u64) -> Spec {
    let (uuid, hash_seed) = (Uuid::from_u128(1), Uuid::from_u128(2));
    Spec { size, uuid, hash_seed, label: "ROOT".into(), time_s: 1, first: Vec::new() }
}

/// The names of a tree's blobs are those that the cache has: a bake takes them from its lock.
fn tree(folder: &Path) -> Tree {
    let mut tree = Tree::new(Node::folder());
    let mut digests = Vec::new();
    for prefix in std::fs::read_dir(folder.join("cache/blobs/sha256")).unwrap() {
        let prefix = prefix.unwrap().path();
        let found: Vec<_> = if prefix.is_dir() {
            std::fs::read_dir(prefix).unwrap().map(|entry| entry.unwrap().path()).collect()
        } else {
            vec![prefix]
        };
        digests.extend(found);
    }
    digests.sort();
    for (number, path) in digests.iter().enumerate() {
        let digest = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
        let size = path.metadata().unwrap().len();
        let content = Content::Blob { digest, size, data: std::iter::once(0..size).collect() };
        let place = TreePath::parse(format!("/opt/bin/program-{number:02}")).unwrap();
        tree.add(place, Node::of(Kind::File(content), 0o755)).unwrap();
    }
    tree
}

/// Returns the most memory that this process had, in kB (proc(5), VmHWM).
fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
