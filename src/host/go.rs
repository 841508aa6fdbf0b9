// SPDX-License-Identifier: Apache-2.0
//! Programs built from pinned Go modules: modules are fetched with the machine's own Go settings, compiling is
//! hermetic, and what was built once is not built again.
//!
//! Below the cache's folder lie `go/mod` and `go/build`, the module and build cache of Go that all components share;
//! results are blobs, and a record `built/KEY` says which. It refuses to choose versions (go.mod and go.sum do) and to
//! bring a Go of its own.

mod compile;
mod error;
mod folder;
mod libraries;
mod modules;
mod network;
mod recipe;
mod toolchain;
mod words;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::host::cache::{Cache, CacheError};
use crate::lock::LockedFile;
use crate::manifest::{Arch, Go};
use crate::progress::Progress;

pub use error::GoError;

use compile::Compiled;
use folder::Folder;
use recipe::Recipe;
use toolchain::Toolchain;

/// What a build needs of its surroundings.
#[derive(Clone, Copy)]
pub struct Builder<'a> {
    /// Where modules, objects and results are kept.
    pub cache: &'a Cache,
    /// All of the person's variables. Fetching gets them; compiling gets PATH alone.
    pub environment: &'a [(OsString, OsString)],
    /// Use only modules that are in the cache.
    pub is_offline: bool,
    /// Hears of it.
    pub progress: &'a dyn Progress,
}

impl std::fmt::Debug for Builder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("is_offline", &self.is_offline).finish_non_exhaustive()
    }
}

/// What to build.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The component's name, for messages.
    pub component: &'a str,
    /// The manifest's folder, which `go.folder` is relative to.
    pub root: &'a Path,
    /// How.
    pub go: &'a Go,
    /// What for.
    pub arch: Arch,
}

impl Order<'_> {
    fn folder(&self) -> PathBuf {
        self.root.join(&self.go.folder)
    }
}

/// What was built, and from what; also the record in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// The programs by name. All are in the cache.
    pub files: BTreeMap<String, LockedFile>,
    /// What shaped them, for [`crate::lock::Trust::Built`].
    pub from: BTreeMap<String, String>,
}

/// Kind of the records that say what came of a recipe.
const RECORDS: &str = "built";

/// Longest wait for another kiln that builds the same: as long as fetching and compiling may take it.
const WAIT_LIMIT: Duration = Duration::from_secs(modules::LIMIT.as_secs() + compile::LIMIT.as_secs());

impl Builder<'_> {
    /// Builds the programs of `order`, or takes them from the cache if nothing that shapes them has changed.
    ///
    /// # Errors
    /// If a program that takes part is missing or too old, if modules can't be had, if they don't compile, and as the
    /// cache says.
    pub fn build(&self, order: &Order<'_>) -> Result<Built, GoError> {
        let folder = Folder::look(order)?;
        let toolchain = Toolchain::look(self, order, &folder)?;
        let recipe = Recipe::of(order, &folder, &toolchain);
        let key = recipe.key();
        let name = format!("the build of {}", order.component);
        let say = |text: &str| self.progress.say(text);
        let _alone = self.cache.lock(&format!("{name} {key}"), WAIT_LIMIT, &say)?;
        if let Some(built) = self.recorded(&key)? {
            self.progress.begin(order.component, &name, None);
            self.progress.end(order.component, "unchanged");
            return Ok(built);
        }
        self.cache.go_used();
        let modules = modules::fetch(self, order, &toolchain)?;
        let mut from = recipe.facts();
        from.extend(libraries::facts(self, &modules.libraries));
        let compiled = compile::compile(self, order, &toolchain, &modules.packages)?;
        let built = Built { files: self.store(&compiled)?, from };
        self.cache.record_put(RECORDS, &key.to_string(), &json(&built))?;
        Ok(built)
    }

    /// Returns what the record of `key` names, unless a program of it is gone from the cache or a C library has moved.
    fn recorded(&self, key: &Digest) -> Result<Option<Built>, CacheError> {
        let record = self.cache.record_get(RECORDS, &key.to_string())?;
        // A record that can't be read is no reason to stop: the build that follows replaces it.
        let built = record.and_then(|bytes| serde_json::from_slice::<Built>(&bytes).ok());
        let built = built.filter(|built| built.files.values().all(|file| self.has(file)));
        Ok(built.filter(|built| libraries::are_as_in(self, &built.from)))
    }

    fn has(&self, file: &LockedFile) -> bool {
        self.cache.get(&file.sha256).is_some_and(|blob| blob.size == file.size)
    }

    fn store(&self, compiled: &Compiled) -> Result<BTreeMap<String, LockedFile>, CacheError> {
        let mut files = BTreeMap::new();
        for (name, path) in compiled.programs() {
            let blob = self.cache.put_file(&path)?;
            files.insert(name.to_owned(), LockedFile { size: blob.size, sha256: blob.digest });
        }
        Ok(files)
    }

    fn variable(&self, name: &str) -> Option<&OsString> {
        self.environment.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

fn json(built: &Built) -> Vec<u8> {
    serde_json::to_vec_pretty(built).expect("maps of strings and numbers")
}
