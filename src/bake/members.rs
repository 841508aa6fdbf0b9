// SPDX-License-Identifier: Apache-2.0
//! The files of one input of the lock, and blobs of the cache as contents of files.

use super::content::Member;
use super::desk::Desk;
use super::error::BakeError;
use super::facts;
use crate::digest::Digest;
use crate::host::unpack;
use crate::lock::Locked;
use crate::manifest::Source;
use crate::tree::Content;

/// Returns the files of an input: what was built, or the members of what was fetched, none of those that are `wanted`
/// missing.
pub(super) fn members(
    name: &str,
    source: &Source,
    locked: &Locked,
    wanted: &[&str],
    desk: &Desk<'_>,
) -> Result<Vec<Member>, BakeError> {
    match source {
        Source::Go(_) | Source::Itself => built(locked, desk),
        _ => unpacked(name, locked, wanted, desk),
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

fn unpacked(name: &str, locked: &Locked, wanted: &[&str], desk: &Desk<'_>) -> Result<Vec<Member>, BakeError> {
    let mut members = Vec::new();
    for (file, pinned) in &locked.files {
        let blob = desk.cache.get(&pinned.sha256);
        let blob = blob.ok_or_else(|| BakeError::lost(desk.cache, &pinned.sha256, name))?;
        let failed = |source| BakeError::Unpack { input: name.into(), source };
        let unpacked = unpack::unpack(desk.cache, &blob, file).map_err(failed)?;
        unpacked.check(file, wanted).map_err(failed)?;
        for (path, member) in unpacked.files {
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
