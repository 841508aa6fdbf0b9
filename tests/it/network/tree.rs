// SPDX-License-Identifier: Apache-2.0
//! The lab image's own system as a folder, taken out of the image by kiln: systemd, nft, iptables and dockerd as on a node.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use nix::fcntl::{Flock, FlockArg};

use crate::lab;

/// Returns a node's root folder: /usr of the image, /etc as its /usr brings it, /opt empty. Made once, and again when the
/// image has changed. Nobody writes to it.
pub fn tree() -> &'static Path {
    static TREE: OnceLock<PathBuf> = OnceLock::new();
    TREE.get_or_init(extracted)
}

fn extracted() -> PathBuf {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR")).join("node");
    fs::create_dir_all(&parent).unwrap();
    // Another test process may be at the same thing.
    let lock = File::create(parent.join("lock")).unwrap();
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| errno).unwrap();
    let image = lab::baked();
    let tree = parent.join(digest(&image.with_extension("json")));
    if !tree.exists() {
        for entry in fs::read_dir(&parent).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                fs::remove_dir_all(entry).unwrap();
            }
        }
        let half = parent.join("half");
        fill(&image, &half);
        fs::rename(half, &tree).unwrap();
    }
    tree
}

fn fill(image: &Path, root: &Path) {
    for folder in ["opt", "proc", "sys", "dev", "run", "tmp", "root", "var/lib", "var/log"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    lab::kiln(&["extract", image.to_str().unwrap(), "/usr", root.join("usr").to_str().unwrap()]);
    for link in ["bin", "sbin", "lib", "lib64"] {
        symlink(format!("usr/{link}"), root.join(link)).unwrap();
    }
    let copied = Command::new("cp").arg("-a").arg(root.join("usr/share/kiln-lab/etc")).arg(root).status();
    assert!(copied.unwrap().success());
}

fn digest(description: &Path) -> String {
    let value: serde_json::Value = serde_json::from_slice(&fs::read(description).unwrap()).unwrap();
    value["image"].as_str().unwrap().to_owned()
}
