// SPDX-License-Identifier: Apache-2.0
//! The programs of the lab image, taken out of it by kiln.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::fcntl::{Flock, FlockArg};

use crate::lab;

/// Returns a folder that is the image's /opt: `bin/kube-apiserver`, `cni/bin/bridge`. Baked and extracted once, and again
/// when the image has changed.
pub fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(extracted)
}

fn extracted() -> PathBuf {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs");
    fs::create_dir_all(&parent).unwrap();
    // Another test process may be at the same thing.
    let lock = File::create(parent.join("lock")).unwrap();
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| errno).unwrap();
    let image = lab::baked();
    let opt = parent.join(digest(&image.with_extension("json")));
    if !opt.exists() {
        remove_older(&parent);
        let half = parent.join("half");
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        lab::kiln(&["extract", &text(&image), "/opt", &text(&half)]);
        fs::rename(half, &opt).unwrap();
    }
    opt
}

fn digest(description: &Path) -> String {
    let text = fs::read_to_string(description).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value["image"].as_str().unwrap().to_owned()
}

/// Seven hundred megabytes each; a program that runs keeps its file until it ends.
fn remove_older(parent: &Path) {
    for entry in fs::read_dir(parent).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        }
    }
}
