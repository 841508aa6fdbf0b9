// SPDX-License-Identifier: Apache-2.0
//! Manifest and lock as files: `STEM.yaml` and `STEM.lock` beside it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::error::BakeError;
use super::units::install;
use crate::host::files::{self, FileError};
use crate::lock::{self, Lock};
use crate::manifest::{self, ExtraContent, Files, Manifest, Parsed, Source};
use crate::marks::index::Index;
use crate::problem::{Problem, Problems};

/// A manifest, its lock if there is one, and where they lie.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The manifest's file, as it was named.
    pub path: PathBuf,
    /// The folder that its paths are relative to.
    pub folder: PathBuf,
    /// What it says.
    pub manifest: Manifest,
    /// What is odd about that.
    pub warnings: Vec<Problem>,
    /// Where in the file things are named.
    pub places: Index,
    /// The lock's file, absolute.
    pub lock_path: PathBuf,
    /// What it says, if it is there.
    pub lock: Option<Lock>,
}

impl Wanted {
    /// Gives problems of the manifest the places at which what they concern is named.
    pub(super) fn placed(&self, problems: Vec<Problem>) -> Vec<Problem> {
        let mut problems: Vec<Problem> =
            problems.into_iter().map(|problem| self.placed_one(problem)).collect();
        problems.sort();
        problems
    }

    fn placed_one(&self, problem: Problem) -> Problem {
        if problem.place.is_some() || problem.file != self.path {
            return problem;
        }
        let unit = problem.key.strip_prefix(install::FOLDER).and_then(|name| name.strip_prefix('/'));
        let place = self.places.find(&problem.key).or_else(|| self.places.find(unit?));
        Problem { place, ..problem }
    }

    /// Returns the person's own files that an image is made from, but for texts that were read with the manifest.
    pub(super) fn own_files(&self) -> Vec<PathBuf> {
        let sources = lock::inputs(&self.manifest).into_iter().filter_map(|input| match input.source {
            Source::File { path, .. } => Some(self.folder.join(path)),
            _ => None,
        });
        let extra = self.manifest.files.iter().filter_map(|file| match &file.content {
            ExtraContent::File(path) => Some(self.folder.join(path)),
            _ => None,
        });
        sources.chain(extra).chain([self.path.clone(), self.lock_path.clone()]).collect()
    }
}

/// Larger than any manifest that a person writes.
const MANIFEST_MAX_BYTES: u64 = 1 << 20;

/// Larger than any unit or template.
const TEXT_MAX_BYTES: u64 = 4 << 20;

/// Returns the path of a manifest's lock.
pub fn lock_path(manifest: &Path) -> PathBuf {
    manifest.with_extension("lock")
}

pub(super) fn read(path: &Path) -> Result<Wanted, BakeError> {
    let bytes = files::read(path, MANIFEST_MAX_BYTES).map_err(|error| not_there(path, error))?;
    let text = String::from_utf8(bytes);
    let text = text.map_err(|error| not_text(path, error.utf8_error().valid_up_to()))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Parsed { manifest, warnings, places } = manifest::parse(path, &text, &Folder(folder))?;
    let absolute = std::path::absolute(path).map_err(files::FileError::at("find", path))?;
    let lock_path = lock_path(&absolute);
    let lock = read_lock(&lock_path)?;
    Ok(Wanted {
        path: path.to_owned(),
        folder: folder.to_owned(),
        manifest,
        warnings,
        places,
        lock_path,
        lock,
    })
}

/// The manifest's folder.
struct Folder<'a>(&'a Path);

impl Files for Folder<'_> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, String> {
        let bytes = files::read(&self.0.join(path), TEXT_MAX_BYTES);
        bytes.map_err(|error| format!("{error}: {}", error.source))
    }

    fn find(&self, path: &Path, is_folder: bool) -> Result<(), String> {
        let place = self.0.join(path);
        let opened = files::open(&place).map_err(|error| format!("can't be opened: {}", error.source))?;
        let found = opened.metadata().map_err(|error| format!("can't be looked at: {error}"))?;
        match (is_folder, found.is_dir()) {
            (true, false) => Err("is no folder".to_owned()),
            (false, true) => Err("is a folder, not a file".to_owned()),
            _ => Ok(()),
        }
    }
}

/// Says which file may have been meant, where none has the name.
fn not_there(path: &Path, error: FileError) -> BakeError {
    if error.source.kind() != std::io::ErrorKind::NotFound {
        return error.into();
    }
    BakeError::NoManifest { path: path.to_owned(), nearest: files::neighbour(path, &[".yaml", ".yml"]) }
}

fn read_lock(path: &Path) -> Result<Option<Lock>, BakeError> {
    match files::read(path, lock::LOCK_MAX_BYTES) {
        Ok(bytes) => {
            let text =
                String::from_utf8(bytes).map_err(|error| not_text(path, error.utf8_error().valid_up_to()))?;
            Ok(Some(lock::parse(&text, path).map_err(|problem| Problems(vec![*problem]))?))
        }
        Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn write_lock(wanted: &Wanted, lock: &Lock) -> Result<(), BakeError> {
    let path = &wanted.lock_path;
    let mode = path.metadata().map_or(LOCK_MODE, |about| about.permissions().mode() & 0o777);
    if mode & 0o200 == 0 {
        let why = std::io::Error::new(std::io::ErrorKind::PermissionDenied, "it is read-only");
        return Err(FileError::at("write", path)(why).into());
    }
    Ok(files::replace(path, lock::render(lock).as_bytes(), mode)?)
}

/// Permission bits of a new lock.
const LOCK_MODE: u32 = 0o644;

fn not_text(path: &Path, offset: usize) -> Problems {
    Problems(vec![Problem {
        file: path.to_owned(),
        place: None,
        key: String::new(),
        what: format!("is not UTF-8 text (byte {offset})"),
        fix: None,
    }])
}
