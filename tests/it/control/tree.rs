// SPDX-License-Identifier: Apache-2.0
//! A root folder on which the control plane's files are made and changed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use kiln::firstboot::apply_control::{self, ControlError};
use kiln::firstboot::control::{Next, Trouble};
use kiln::firstboot::identity::Identity;
use kiln::firstboot::look_control;
use kiln::host::root::Root;
use kiln::settings::Settings;

use crate::bench;

/// 2026-11-20T10:00:00Z.
pub const NOW_S: u64 = 1_795_168_800;
pub const DAY_S: u64 = 24 * 60 * 60;

/// A root folder, and what the machine in it is told.
pub struct Tree {
    pub folder: tempfile::TempDir,
    pub settings: Settings,
    pub identity: Identity,
    pub now_s: u64,
}

impl Tree {
    /// An empty root.
    pub fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            settings: bench::settings(),
            identity: bench::identity(),
            now_s: NOW_S,
        }
    }

    /// A root with everything.
    pub fn whole() -> Self {
        let tree = Self::empty();
        tree.settle().unwrap();
        tree
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Below /etc/kubernetes/pki, or absolute.
    pub fn path(&self, name: &str) -> PathBuf {
        match name.strip_prefix('/') {
            Some(name) => self.root().join(name),
            None => self.root().join("etc/kubernetes/pki").join(name),
        }
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Writes a file that only its owner may read.
    pub fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// Makes what is missing.
    pub fn settle(&self) -> Result<usize, ControlError> {
        apply_control::settle(&Root::new(self.root()), &self.settings, &self.identity, self.now_s)
    }

    /// What is to be done next.
    pub fn next(&self) -> Next {
        let seen = look_control::look(&Root::new(self.root())).unwrap();
        kiln::firstboot::control::next(
            &self.settings,
            &self.identity,
            &seen,
            self.now_s,
            &apply_control::draw().unwrap(),
        )
    }

    /// What is wrong, in words; empty if nothing is.
    pub fn troubles(&self) -> Vec<String> {
        match self.next() {
            Next::Stuck(troubles) => troubles.iter().map(Trouble::to_string).collect(),
            _ => Vec::new(),
        }
    }

    /// All files and links with what is in them.
    pub fn snapshot(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        let mut folders = vec![self.root().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(self.root()).unwrap().to_owned();
                if path.is_symlink() {
                    found.insert(name, format!("-> {}", fs::read_link(&path).unwrap().display()));
                } else if path.is_dir() {
                    folders.push(path);
                } else {
                    found.insert(name, fs::read_to_string(&path).unwrap());
                }
            }
        }
        found
    }
}
