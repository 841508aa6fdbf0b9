// SPDX-License-Identifier: Apache-2.0
//! Archives: the regular files of a `.tar`, `.tar.gz` or `.tar.zst`, each as a blob of the cache; a plain file is its own
//! only member.
//!
//! Nothing is written outside the cache, and nothing in an archive is believed without a limit. Links are followed inside
//! the archive and give the file that they lead to; a device makes the whole archive suspect. What an archive is shows in
//! its first bytes.

mod error;
mod form;
mod limited;
mod links;
mod reading;
mod sparse;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tar::Archive;

use super::cache::{Blob, Cache};
use crate::digest::Digest;

pub use error::UnpackError;

use error::malformed;
use form::Form;
use limited::Limited;
use reading::{Reading, plain};

/// A regular file of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Permission bits in the archive.
    pub mode: u16,
    /// Its content in the cache.
    pub sha256: Digest,
    /// Size in bytes.
    pub size: u64,
}

/// The members of an archive, by path ("bin/ctr").
pub type Members = BTreeMap<String, Member>;

/// What an archive gives.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpacked {
    /// Its files, with those that links lead to.
    pub files: Members,
    /// Members that give no file, by path, and why not.
    pub unfit: BTreeMap<String, String>,
    /// What archive it is, if one that kiln does not read: its only member is the archive itself.
    pub foreign: Option<String>,
}

impl Unpacked {
    /// Checks that nothing is missing of what is `wanted` of an archive called `name`: all, if that is "*".
    ///
    /// # Errors
    /// If a wanted member gives no file, or all of an archive is wanted that kiln does not read.
    pub fn check(&self, name: &str, wanted: &[&str]) -> Result<(), UnpackError> {
        let is_wanted = |path: &str| {
            wanted.iter().any(|wanted| *wanted == "*" || plain(wanted.as_bytes()).as_deref() == Some(path))
        };
        // Whoever names the archive itself means it; an image is never one.
        let is_meant = !wanted.is_empty() && wanted.iter().all(|wanted| *wanted == name);
        if let Some(what) = self.foreign.as_ref().filter(|_| !is_meant) {
            return Err(UnpackError::Foreign { name: name.to_owned(), what: what.clone() });
        }
        let unfit: Vec<&str> =
            self.unfit.iter().filter(|(path, _)| is_wanted(path)).map(|(_, why)| why.as_str()).collect();
        match unfit.is_empty() {
            true => Ok(()),
            false => Err(UnpackError::Unfit { name: name.to_owned(), why: unfit.join("\n") }),
        }
    }
}

/// The kind of the records that remember members; the number changes when they are read otherwise.
const KIND: &str = "unpacked-2";

/// More than any release has (containerd: 6, CNI plugins: 20).
const MEMBERS_MAX: usize = 10_000;

/// Longer than any path (PATH_MAX); what carries long paths in a tar file is read into memory.
const PATH_MAX_BYTES: u64 = 4096;

/// Unpacks `blob`, called `name`, into the cache, unless that has been done before.
///
/// # Errors
/// If it is no sound archive or anything in it is suspect; see [`UnpackError`].
pub fn unpack(cache: &Cache, blob: &Blob, name: &str) -> Result<Unpacked, UnpackError> {
    let key = blob.digest.to_string();
    let known = cache.record_get(KIND, &key)?;
    let known = known.and_then(|json| serde_json::from_slice::<Unpacked>(&json).ok());
    if let Some(known) = known.filter(|known| known.files.values().all(|it| cache.get(&it.sha256).is_some()))
    {
        return Ok(known);
    }
    let wrapping = match Form::look(blob, name)? {
        Form::Tar(wrapping) => wrapping,
        Form::Plain => return Ok(alone(blob, name, None)),
        Form::Foreign(what) => return Ok(alone(blob, name, Some(what.to_owned()))),
    };
    check_headers(wrapping.open(blob, name)?, name)?;
    let unpacked = read_members(cache, wrapping.open(blob, name)?, name)?;
    let json = serde_json::to_vec(&unpacked).expect("strings and numbers are always JSON");
    cache.record_put(KIND, &key, &json)?;
    Ok(unpacked)
}

/// Returns a file that is its own only member.
fn alone(blob: &Blob, name: &str, foreign: Option<String>) -> Unpacked {
    let member = Member { mode: 0o755, sha256: blob.digest, size: blob.size };
    Unpacked { files: [(name.to_owned(), member)].into(), foreign, ..Unpacked::default() }
}

/// Refuses what the parser would read into memory without a limit, and an archive with too much in it.
fn check_headers(reader: Limited, name: &str) -> Result<(), UnpackError> {
    let mut archive = Archive::new(reader);
    let entries = archive.entries().map_err(malformed(name))?.raw(true);
    for (count, entry) in entries.enumerate() {
        let entry = entry.map_err(malformed(name))?;
        let kind = entry.header().entry_type();
        let is_extension = kind.is_gnu_longname()
            || kind.is_gnu_longlink()
            || kind.is_pax_local_extensions()
            || kind.is_pax_global_extensions();
        if is_extension && entry.size() > 4 * PATH_MAX_BYTES {
            return Err(UnpackError::TooMuch { name: name.to_owned(), limit: "16384 bytes in a path" });
        }
        // A long path is an entry of its own here.
        if count > 2 * MEMBERS_MAX {
            return Err(UnpackError::TooMuch { name: name.to_owned(), limit: "10000 members" });
        }
    }
    Ok(())
}

fn read_members(cache: &Cache, reader: Limited, name: &str) -> Result<Unpacked, UnpackError> {
    let mut archive = Archive::new(reader);
    let mut reading = Reading::new(cache, name);
    for entry in archive.entries().map_err(malformed(name))? {
        reading.take(entry.map_err(malformed(name))?)?;
    }
    Ok(reading.finish())
}

#[cfg(test)]
mod tests;
