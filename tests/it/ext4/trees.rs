// SPDX-License-Identifier: Apache-2.0
//! Random trees with everything that the writer knows, from a seed.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use kiln::digest::Digest;
use kiln::tree::{Content, Kind, Node, Tree, TreePath};

/// Chance from a seed (SplitMix64), so that a failing tree can be made again.
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn bytes(&mut self, len: u64) -> Vec<u8> {
        (0..len).map(|_| self.below(256) as u8).collect()
    }

    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }
}

pub fn path(text: impl AsRef<[u8]>) -> TreePath {
    TreePath::parse(text).unwrap()
}

pub fn inline(bytes: impl Into<Arc<[u8]>>) -> Node {
    Node::of(Kind::File(Content::Inline(bytes.into())), 0o644)
}

pub fn blob(name: &str, size: u64, data: Vec<Range<u64>>) -> Node {
    Node::of(Kind::File(Content::Blob { digest: Digest::of(name.as_bytes()), size, data }), 0o755)
}

/// Returns a tree of about `nodes` nodes.
pub fn random(seed: u64, nodes: u64) -> Tree {
    let mut chance = Chance(seed);
    let mut root = Node::folder();
    dress(&mut root, &mut chance);
    let mut tree = Tree::new(root);
    let mut folders = vec![Vec::new()];
    let mut files: Vec<TreePath> = Vec::new();
    for number in 0..nodes {
        // Half of all names go to one folder, so that it needs an index.
        let folder = if chance.below(2) == 0 { folders[0].clone() } else { chance.one_of(&folders) };
        let mut name = folder;
        name.push(b'/');
        name.extend(self::name(&mut chance, number));
        let (path, kind) = (path(&name), kind(&mut chance));
        if !files.is_empty() && chance.below(10) == 0 {
            let target = chance.one_of(&files);
            tree.link(path, &target).unwrap();
            continue;
        }
        let is_folder = kind == Kind::Folder;
        let mut node = Node::of(kind, 0);
        dress(&mut node, &mut chance);
        tree.add(path.clone(), node).unwrap();
        if is_folder && path.parts().len() < 12 {
            folders.push(name);
        } else if !is_folder {
            files.push(path);
        }
    }
    tree
}

/// Returns a name that no other number has; one in ten is as long as can be, some are no text.
fn name(chance: &mut Chance, number: u64) -> Vec<u8> {
    let mut name = number.to_string().into_bytes();
    let len = if chance.below(10) == 0 { 255 } else { name.len() as u64 + chance.below(40) };
    let alphabet: &[u8] = if chance.below(4) == 0 { b"\n\\ \xff\xc3\xa4\x01'\"*" } else { b".abcXYZ-_" };
    name.push(b'-');
    while (name.len() as u64) < len {
        name.push(chance.one_of(alphabet));
    }
    name
}

fn kind(chance: &mut Chance) -> Kind {
    match chance.below(10) {
        0 | 1 => Kind::Folder,
        2 => Kind::Symlink(target(chance)),
        3 => Kind::File(Content::Inline(Arc::from([]))),
        4 => Kind::File(Content::Inline(chance.bytes(4096).into())),
        5 => Kind::File(sparse(chance)),
        6 => {
            let (size, digest) = (1 + chance.below(300_000), Digest::of(&chance.bytes(8)));
            Kind::File(Content::Blob { digest, size, data: vec![0..size] })
        }
        _ => {
            let len = chance.below(9000);
            Kind::File(Content::Inline(chance.bytes(len).into()))
        }
    }
}

fn target(chance: &mut Chance) -> Vec<u8> {
    let len = match chance.below(4) {
        0 => chance.one_of(&[1, 59, 60, 61, 4094, 4095]),
        1 => 60 + chance.below(4000),
        _ => 1 + chance.below(59),
    };
    (0..len).map(|_| chance.one_of(b"ab/.\xe2\x82\xac")).collect()
}

/// Returns a file with holes, whose parts begin and end anywhere, and which may end in a hole.
fn sparse(chance: &mut Chance) -> Content {
    let mut data = Vec::new();
    let mut end = 0;
    for _ in 0..chance.below(12) {
        let start = end + chance.one_of(&[0, 1, 4096, 40_960, 1 << 20, 5 << 30]) + chance.below(9000);
        end = start + 1 + chance.below(20_000);
        data.push(start..end);
    }
    Content::Blob { digest: Digest::of(&chance.bytes(8)), size: end + chance.below(3) * 5000, data }
}

/// Gives a node any owner, mode, time and attributes that its kind can have.
fn dress(node: &mut Node, chance: &mut Chance) {
    node.mode = chance.below(0o10000) as u16;
    node.uid = chance.one_of(&[0, 1000, 65_535, 65_536, 4_294_967_294]);
    node.gid = chance.one_of(&[0, 500, 70_000, 4_000_000_000]);
    node.mtime_s =
        chance.one_of(&[i64::from(i32::MIN), -1, 0, 1_700_000_000, 2_200_000_000, 5_000_000_000, i64::MAX]);
    for _ in 0..chance.below(12).saturating_sub(8) {
        let len = chance.one_of(&[0, 1, 4, 20, 33, 300, 900]);
        node.xattrs.insert(attribute_name(&node.kind, chance), chance.bytes(len));
    }
    if matches!(node.kind, Kind::File(_)) && chance.below(5) == 0 {
        node.xattrs.extend(capability());
    }
}

fn attribute_name(kind: &Kind, chance: &mut Chance) -> String {
    // The kernel shows no user attributes of links.
    let spaces = if matches!(kind, Kind::Symlink(_)) { ["trusted", "security"] } else { ["user", "trusted"] };
    let name = chance.one_of(&["a", "name", "a.longer.name", "x1"]);
    format!("{}.{name}{}", chance.one_of(&spaces), chance.below(9))
}

/// `cap_net_bind_service=ep` as setcap stores it (linux/capability.h, `struct vfs_cap_data`, revision 2).
pub fn capability() -> BTreeMap<String, Vec<u8>> {
    let mut value = vec![1, 0, 0, 2, 0, 4, 0, 0];
    value.resize(20, 0);
    BTreeMap::from([("security.capability".into(), value)])
}
