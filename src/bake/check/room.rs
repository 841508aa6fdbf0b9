// SPDX-License-Identifier: Apache-2.0
//! Whether the tree fits: asked before an hour of baking rather than answered by a full disk.

use std::collections::BTreeSet;
use std::path::Path;

use crate::problem::Problem;
use crate::tree::{Kind, Tree};

/// ext4's block; smaller files take one.
const BLOCK_BYTES: u64 = 4096;

/// Links up to this length live in their inode (ext4 documentation, "Symbolic Links").
const FAST_LINK_MAX_BYTES: usize = 59;

/// Returns how many bytes of blocks the tree's files, folders and long links take, each node once.
pub fn needed_bytes(tree: &Tree) -> u64 {
    let nodes: BTreeSet<_> = tree.paths().map(|(_, id)| id).collect();
    let blocks = |bytes: u64| bytes.div_ceil(BLOCK_BYTES) * BLOCK_BYTES;
    let sizes = nodes.into_iter().map(|id| match &tree.node(id).kind {
        Kind::Folder => BLOCK_BYTES,
        Kind::File(content) => blocks(content.size()),
        Kind::Symlink(target) if target.len() > FAST_LINK_MAX_BYTES => BLOCK_BYTES,
        Kind::Symlink(_) => 0,
    });
    sizes.sum()
}

/// Tells whether `tree` fits into `free_bytes` of ROOT, the reserve for root's processes already taken off.
pub fn check(tree: &Tree, free_bytes: u64, manifest_path: &Path) -> Option<Problem> {
    let needed = needed_bytes(tree);
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    (needed > free_bytes).then(|| Problem {
        file: manifest_path.to_owned(),
        place: None,
        key: "outputs.size".into(),
        what: format!("ROOT has room for {} MiB, but {} MiB go in", free_bytes >> 20, mib(needed)),
        fix: Some(format!("make the disk at least {} MiB larger", mib(needed - free_bytes))),
    })
}
