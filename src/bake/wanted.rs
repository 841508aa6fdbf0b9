// SPDX-License-Identifier: Apache-2.0
//! Manifest and lock as files: `STEM.yaml` and `STEM.lock` beside it.

use std::path::{Path, PathBuf};

use super::error::BakeError;
use crate::host::files::{self, FileError};
use crate::lock::{self, Lock};
use crate::manifest::{self, Manifest, Parsed};
use crate::nearest::nearest;
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
    /// The lock's file, absolute.
    pub lock_path: PathBuf,
    /// What it says, if it is there.
    pub lock: Option<Lock>,
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
    let read = |file: &Path| {
        let bytes = files::read(&folder.join(file), TEXT_MAX_BYTES);
        bytes.map_err(|error| format!("{error}: {}", error.source))
    };
    let Parsed { manifest, warnings } = manifest::parse(path, &text, &read)?;
    let absolute = std::path::absolute(path).map_err(files::FileError::at("find", path))?;
    let lock_path = lock_path(&absolute);
    let lock = read_lock(&lock_path)?;
    Ok(Wanted { path: path.to_owned(), folder: folder.to_owned(), manifest, warnings, lock_path, lock })
}

/// Says which file may have been meant, where none has the name.
fn not_there(path: &Path, error: FileError) -> BakeError {
    if error.source.kind() != std::io::ErrorKind::NotFound {
        return error.into();
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let beside = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let names: Vec<String> = files::list(beside)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|name| name.into_string().ok())
        .collect();
    let is_manifest = |name: &&str| name.ends_with(".yaml") || name.ends_with(".yml");
    let typed = path.file_name().unwrap_or_default().to_string_lossy();
    let nearest = nearest(&typed, names.iter().map(String::as_str).filter(is_manifest));
    BakeError::NoManifest { path: path.to_owned(), nearest: nearest.map(|name| folder.join(name)) }
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
    Ok(files::replace(&wanted.lock_path, lock::render(lock).as_bytes(), 0o644)?)
}

fn not_text(path: &Path, offset: usize) -> Problems {
    Problems(vec![Problem {
        file: path.to_owned(),
        place: None,
        key: String::new(),
        what: format!("is not UTF-8 text (byte {offset})"),
        fix: None,
    }])
}
