// SPDX-License-Identifier: Apache-2.0
//! A recipe's folder as it was read, and the key that names what it makes.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::error::RecipeError;
use crate::digest::{Digest, Hasher};
use crate::host::files::{self, FileError};

/// The name of a recipe's program; it is called as `build OUTDIR`.
pub(super) const BUILD: &str = "build";
/// Limits of the folder, so that a wrong path (a home folder, `/`) is refused and not read to its end.
pub(super) const FILE_MAX_BYTES: u64 = 1 << 20;
const NAMES_MAX: usize = 1000;
const DEPTH_MAX: usize = 16;

/// A recipe as it was read: everything in its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    pub(super) folder: PathBuf,
    files: BTreeMap<PathBuf, Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    /// Of a file's mode only what git keeps counts, so that a checkout's umask does not change the key.
    File {
        executable: bool,
        bytes: Vec<u8>,
    },
    Symlink(PathBuf),
}

impl Recipe {
    /// Reads a recipe's folder.
    ///
    /// # Errors
    /// If it can't be read, has no executable `build`, or holds what no recipe holds (large files, devices).
    pub fn look(folder: &Path) -> Result<Self, RecipeError> {
        let mut recipe = Self { folder: folder.to_owned(), files: BTreeMap::new() };
        recipe.look_into(Path::new(""), 0)?;
        match recipe.files.get(Path::new(BUILD)) {
            Some(Entry::File { executable: true, .. }) => Ok(recipe),
            Some(_) => Err(recipe.is_none("its 'build' is not executable; chmod +x it")),
            None => Err(recipe.is_none("it has no program named 'build'; name a folder that has one")),
        }
    }

    fn look_into(&mut self, below: &Path, depth: usize) -> Result<(), RecipeError> {
        if depth > DEPTH_MAX {
            return Err(self.is_none(&format!("its folders are more than {DEPTH_MAX} deep")));
        }
        for name in files::list(&self.folder.join(below))? {
            let path = below.join(name);
            let full = self.folder.join(&path);
            let metadata = full.symlink_metadata().map_err(FileError::at("look at", &full))?;
            let entry = if metadata.is_dir() {
                self.look_into(&path, depth + 1)?;
                continue;
            } else if metadata.is_symlink() {
                Entry::Symlink(full.read_link().map_err(FileError::at("read link", &full))?)
            } else if metadata.is_file() {
                let executable = metadata.permissions().mode() & 0o100 != 0;
                Entry::File { executable, bytes: files::read(&full, FILE_MAX_BYTES)? }
            } else {
                return Err(self.is_none(&format!("{} is no file, folder or link", path.display())));
            };
            if self.files.len() == NAMES_MAX {
                return Err(self.is_none(&format!("it has more than {NAMES_MAX} files")));
            }
            self.files.insert(path, entry);
        }
        Ok(())
    }

    fn is_none(&self, why: &str) -> RecipeError {
        RecipeError::NoRecipe { folder: self.folder.clone(), why: why.to_owned() }
    }

    /// Returns the name of what this recipe makes: it changes when any file, `arch` or the time does.
    ///
    /// Not when Debian's packages do: those are known only after the run, from [`Built::from`].
    pub fn key(&self, arch: &str, source_date_epoch_s: u64) -> Digest {
        let mut hasher = Hasher::new();
        let mut add = |part: &[u8]| {
            // Lengths first, so that no two lists of parts make the same bytes.
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        };
        add(b"kiln recipe 1");
        add(arch.as_bytes());
        add(&source_date_epoch_s.to_le_bytes());
        for (path, entry) in &self.files {
            add(path.as_os_str().as_bytes());
            let (kind, bytes): (&[u8], &[u8]) = match entry {
                Entry::File { executable: false, bytes } => (b"file", bytes),
                Entry::File { executable: true, bytes } => (b"program", bytes),
                Entry::Symlink(target) => (b"link", target.as_os_str().as_bytes()),
            };
            add(kind);
            add(bytes);
        }
        hasher.finish()
    }
}
