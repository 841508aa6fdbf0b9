// SPDX-License-Identifier: Apache-2.0
//! The ext4 writer, judged by e2fsck, dumpe2fs, debugfs, resize2fs and the kernel. Needs root, loop devices, e2fsprogs
//! and attr.

mod compare;
mod trees;
mod volume;

use kiln::tree::{Node, Tree};

use self::trees::{inline, path};
use self::volume::{TIME_S, Volume, spec};

const MIB: u64 = 1 << 20;

#[test]
fn a_simple_tree_is_clean_and_the_same_when_mounted() {
    let mut tree = Tree::new(Node::folder());
    tree.add(path("/etc/hostname"), inline(*b"node\n")).unwrap();
    let volume = Volume::write(&tree, &spec(300 * MIB));
    volume.check();
    compare::assert_same(&volume.mount(), &tree, TIME_S);
}
