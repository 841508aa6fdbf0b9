// SPDX-License-Identifier: Apache-2.0
//! What the lock names, opened in the cache: files of components, files of the person, the packed extension.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;

use super::content::{ComponentFiles, Draft};
use super::desk::Desk;
use super::error::BakeError;
use super::members::{content, members};
use super::plan::Stock;
use super::wanted::Wanted;
use super::{images, sysext};
use crate::host::clock;
use crate::host::disk::Blobs;
use crate::lock::Lock;
use crate::manifest::ExtraContent;
use crate::pin;
use crate::tree::Content;

/// Opens what the lock names; `local_files` are the person's own.
pub(super) fn open(
    wanted: &Wanted,
    lock: &Lock,
    local_files: BTreeMap<PathBuf, Content>,
    desk: &Desk<'_>,
) -> Result<Stock, BakeError> {
    let mut components = Vec::new();
    for component in &wanted.manifest.components {
        let Some(locked) = lock.inputs.get(&component.name) else { continue };
        let wanted: Vec<&str> = component.install.iter().map(|install| install.member.as_str()).collect();
        let files = members(&component.name, &component.source, locked, &wanted, desk)?;
        components.push(ComponentFiles { name: component.name.clone(), files });
    }
    let images = images::open(wanted, lock, desk)?;
    Ok(Stock { components, images, local_files })
}

/// Takes the local files that a manifest names into the cache, by the path that stands there.
pub(super) fn local_files(wanted: &Wanted, desk: &Desk<'_>) -> Result<BTreeMap<PathBuf, Content>, BakeError> {
    let mut local_files = BTreeMap::new();
    for file in &wanted.manifest.files {
        if let ExtraContent::File(path) = &file.content {
            let blob = pin::local_blob(desk.cache, &wanted.folder.join(path), clock::now_s())?;
            local_files.insert(path.clone(), content(blob.digest, blob.size, desk)?);
        }
    }
    Ok(local_files)
}

/// Packs the draft's extension, if it has one, and puts it into the cache.
pub(super) fn pack(draft: &Draft, desk: &Desk<'_>) -> Result<Option<Content>, BakeError> {
    let Some(tree) = &draft.extension else { return Ok(None) };
    let open = |content: &Content| -> io::Result<Box<dyn Read>> {
        Ok(match content {
            Content::Inline(bytes) => Box::new(io::Cursor::new(bytes.clone())),
            Content::Blob { digest, .. } => Box::new(Blobs::open(desk.cache, digest)?),
        })
    };
    let mut packed = io::Cursor::new(Vec::new());
    sysext::pack(tree, &open, &mut packed)?;
    let blob = desk.cache.put_bytes(packed.get_ref())?;
    Ok(Some(content(blob.digest, blob.size, desk)?))
}
