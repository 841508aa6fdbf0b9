// SPDX-License-Identifier: Apache-2.0
//! What the lock names, opened in the cache: files of components, files of the person, the packed extension.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use super::content::{ComponentFiles, Draft, Member};
use super::desk::Desk;
use super::error::BakeError;
use super::plan::Stock;
use super::sysext;
use super::wanted::Wanted;
use super::{facts, images};
use crate::digest::Digest;
use crate::host::cache::Cache;
use crate::host::disk::Blobs;
use crate::host::{clock, files, unpack};
use crate::lock::{Lock, Locked};
use crate::manifest::{ExtraContent, Source};
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
        let files = members(&component.name, &component.source, locked, desk)?;
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

/// Returns the files of an input: what was built, or the members of what was fetched.
pub(super) fn members(
    name: &str,
    source: &Source,
    locked: &Locked,
    desk: &Desk<'_>,
) -> Result<Vec<Member>, BakeError> {
    match source {
        Source::Go(_) | Source::Itself => built(locked, desk),
        _ => unpacked(name, locked, desk),
    }
}

/// Permission bits of a program that has none of its own.
const PROGRAM_MODE: u16 = 0o755;

fn built(locked: &Locked, desk: &Desk<'_>) -> Result<Vec<Member>, BakeError> {
    let member = |(name, file): (&String, &crate::lock::LockedFile)| {
        let content = content(file.sha256, file.size, desk)?;
        Ok(Member { path: name.clone(), mode: PROGRAM_MODE, content })
    };
    locked.files.iter().map(member).collect()
}

fn unpacked(name: &str, locked: &Locked, desk: &Desk<'_>) -> Result<Vec<Member>, BakeError> {
    let mut members = Vec::new();
    for (file, pinned) in &locked.files {
        let blob = desk.cache.get(&pinned.sha256).ok_or_else(|| BakeError::Gone { input: name.into() })?;
        let files = unpack::unpack(desk.cache, &blob, file);
        for (path, member) in files.map_err(|source| BakeError::Unpack { input: name.into(), source })? {
            let content = content(member.sha256, member.size, desk)?;
            members.push(Member { path, mode: member.mode, content });
        }
    }
    Ok(members)
}

/// Returns a blob of the cache as the content of a file.
pub(super) fn content(digest: Digest, size: u64, desk: &Desk<'_>) -> Result<Content, BakeError> {
    let data = facts::of_blob(&digest, desk)?.data;
    Ok(Content::Blob { digest, size, data })
}

/// Packs the draft's extension, if it has one, and puts it into the cache.
pub(super) fn pack(draft: &Draft, desk: &Desk<'_>) -> Result<Option<Content>, BakeError> {
    let Some(tree) = &draft.extension else { return Ok(None) };
    let open = |content: &Content| -> io::Result<Box<dyn Read>> {
        Ok(match content {
            Content::Inline(bytes) => Box::new(io::Cursor::new(bytes.clone())),
            Content::Blob { digest, .. } => Box::new(CacheBlobs(desk.cache.clone()).open(digest)?),
        })
    };
    let mut packed = io::Cursor::new(Vec::new());
    sysext::pack(tree, &open, &mut packed)?;
    let blob = desk.cache.put_bytes(packed.get_ref())?;
    Ok(Some(content(blob.digest, blob.size, desk)?))
}

/// The cache as the store that a disk's extents name.
pub(super) struct CacheBlobs(pub Cache);

impl Blobs for CacheBlobs {
    fn open(&self, digest: &Digest) -> io::Result<File> {
        let blob = self.0.get(digest).ok_or(io::ErrorKind::NotFound)?;
        files::open(&blob.path).map_err(|error| error.source)
    }
}
