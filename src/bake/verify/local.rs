// SPDX-License-Identifier: Apache-2.0
//! Files of this machine that a carried manifest names: whether they are still what was baked, and if not, whether the
//! cache has that.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::error::VerifyError;
use super::moved::Moved;
use crate::bake::carried::Carried;
use crate::bake::desk::Desk;
use crate::bake::members::content;
use crate::digest::Digest;
use crate::host::cache::CacheError;
use crate::host::clock;
use crate::lock::{self, Lock};
use crate::manifest::Source;
use crate::pin;
use crate::tree::Content;

/// Returns the contents of the local files that `carried` names, and all local files that are not what was baked.
pub(super) fn find(
    carried: &Carried,
    lock: &Lock,
    folder: &Path,
    desk: &Desk<'_>,
) -> Result<(BTreeMap<PathBuf, Content>, Vec<Moved>), VerifyError> {
    let (mut moved, mut lost) = (Vec::new(), Vec::new());
    let inputs = inputs(carried, lock);
    for (path, baked) in inputs.iter().chain(&carried.local_files) {
        let Some(found) = look(&folder.join(path), *baked, desk)? else { continue };
        let has_copy = desk.cache.get(baked).is_some();
        if has_copy { &mut moved } else { &mut lost }.push(found);
    }
    if !lost.is_empty() {
        return Err(VerifyError::Moved(lost));
    }
    let mut contents = BTreeMap::new();
    for (path, digest) in &carried.local_files {
        let size = desk.cache.get(digest).map_or(0, |blob| blob.size);
        let content = content(*digest, size, desk).map_err(VerifyError::Rebake)?;
        contents.insert(path.clone(), content);
    }
    Ok((contents, moved))
}

/// Returns the inputs that are local files.
fn inputs(carried: &Carried, lock: &Lock) -> BTreeMap<PathBuf, Digest> {
    let local = lock::inputs(&carried.manifest).into_iter().filter_map(|input| match input.source {
        Source::File { path, .. } => {
            let file = lock.inputs.get(input.name)?.files.values().next()?;
            Some((path.clone(), file.sha256))
        }
        _ => None,
    });
    local.collect()
}

/// Returns how the file at `path` is not what was baked; what it is goes into the cache.
fn look(path: &Path, baked: Digest, desk: &Desk<'_>) -> Result<Option<Moved>, VerifyError> {
    let found = match pin::local_blob(desk.cache, path, clock::now_s()) {
        Ok(blob) => Some(blob.digest),
        Err(CacheError::File(error)) if error.path == path && error.source.kind() == ErrorKind::NotFound => {
            None
        }
        Err(error) => return Err(error.into()),
    };
    Ok((found != Some(baked)).then(|| Moved { path: path.to_owned(), baked, found }))
}
