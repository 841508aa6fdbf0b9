// SPDX-License-Identifier: Apache-2.0
//! Archives: the regular files of a `.tar`, `.tar.gz` or `.tar.zst`, each as a blob of the cache; a plain file is its own
//! only member.
//!
//! Nothing is written outside the cache, no link is followed, and nothing in an archive is believed without a limit.
//! Links are left out; a device makes the whole archive suspect. What an archive is shows in its first bytes.

mod error;
mod limited;

use std::collections::BTreeMap;
use std::io::{BufReader, Read};
use std::path::{Component, Path};

use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};
use tar::{Archive, EntryType};

use super::cache::{Blob, Cache, CacheError};
use super::files::{self, FileError};
use crate::digest::Digest;

pub use error::UnpackError;

use error::malformed;
use limited::Limited;

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

/// The kind of the records that remember members.
const KIND: &str = "unpacked";

/// More than any release has (containerd: 6, CNI plugins: 20).
const MEMBERS_MAX: usize = 10_000;

/// Longer than any path (PATH_MAX); what carries long paths in a tar file is read into memory.
const PATH_MAX_BYTES: u64 = 4096;

/// Unpacks `blob`, called `name`, into the cache, unless that has been done before.
///
/// # Errors
/// If it is no sound archive or anything in it is suspect; see [`UnpackError`].
pub fn unpack(cache: &Cache, blob: &Blob, name: &str) -> Result<Members, UnpackError> {
    let Some(form) = Form::look(blob)? else {
        let member = Member { mode: 0o755, sha256: blob.digest, size: blob.size };
        return Ok([(name.to_owned(), member)].into());
    };
    let key = blob.digest.to_string();
    let known = cache.record_get(KIND, &key)?;
    let known = known.and_then(|json| serde_json::from_slice::<Members>(&json).ok());
    if let Some(known) = known.filter(|known| known.values().all(|it| cache.get(&it.sha256).is_some())) {
        return Ok(known);
    }
    check_headers(form.open(blob, name)?, name)?;
    let members = read_members(cache, form.open(blob, name)?, name)?;
    let json = serde_json::to_vec(&members).expect("strings and numbers are always JSON");
    cache.record_put(KIND, &key, &json)?;
    Ok(members)
}

/// How an archive is compressed.
#[derive(Debug, Clone, Copy)]
enum Form {
    Tar,
    Gzip,
    Zstd,
}

impl Form {
    /// Looks at the first bytes; none: it is no archive.
    fn look(blob: &Blob) -> Result<Option<Self>, CacheError> {
        let mut start = Vec::new();
        let read = files::open(&blob.path)?.take(512).read_to_end(&mut start);
        read.map_err(FileError::at("read", &blob.path))?;
        Ok(match start.as_slice() {
            // RFC 1952, RFC 8878, POSIX ustar (the magic is at 257).
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            _ if start.get(257..262) == Some(b"ustar".as_slice()) => Some(Self::Tar),
            _ => None,
        })
    }

    fn open(self, blob: &Blob, name: &str) -> Result<Limited, UnpackError> {
        let file = files::open(&blob.path).map_err(CacheError::from)?;
        let inner: Box<dyn Read> = match self {
            Self::Tar => Box::new(BufReader::new(file)),
            Self::Gzip => Box::new(MultiGzDecoder::new(BufReader::new(file))),
            Self::Zstd => Box::new(zstd::Decoder::new(file).map_err(malformed(name))?),
        };
        Ok(Limited::new(inner))
    }
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

fn read_members(cache: &Cache, reader: Limited, name: &str) -> Result<Members, UnpackError> {
    let mut archive = Archive::new(reader);
    let mut members = Members::new();
    for entry in archive.entries().map_err(malformed(name))? {
        let mut entry = entry.map_err(malformed(name))?;
        let path = entry.path_bytes().into_owned();
        let shown = String::from_utf8_lossy(&path).into_owned();
        let member = plain(&path)
            .ok_or_else(|| UnpackError::Outside { name: name.to_owned(), member: shown.clone() })?;
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {}
            EntryType::Directory | EntryType::Symlink | EntryType::Link | EntryType::XGlobalHeader => {
                continue;
            }
            _ => return Err(UnpackError::Special { name: name.to_owned(), member: shown }),
        }
        let mode = (entry.header().mode().map_err(malformed(name))? & 0o7777) as u16;
        let mut writer = cache.writer()?;
        let size = copy(&mut entry, &mut writer, name)?;
        let sha256 = writer.finish()?.digest;
        if members.insert(member.clone(), Member { mode, sha256, size }).is_some() {
            return Err(UnpackError::Twice { name: name.to_owned(), member });
        }
        if members.len() > MEMBERS_MAX {
            return Err(UnpackError::TooMuch { name: name.to_owned(), limit: "10000 members" });
        }
    }
    Ok(members)
}

fn copy(from: &mut impl Read, to: &mut super::cache::Writer<'_>, name: &str) -> Result<u64, UnpackError> {
    let mut buffer = vec![0; 128 << 10];
    let mut size = 0;
    loop {
        let count = from.read(&mut buffer).map_err(malformed(name))?;
        if count == 0 {
            return Ok(size);
        }
        to.push(&buffer[..count]).map_err(CacheError::from)?;
        size += count as u64;
    }
}

/// Returns a member's path without `./`; none if it is absolute, leads upwards or is no UTF-8.
fn plain(path: &[u8]) -> Option<String> {
    let path = Path::new(std::str::from_utf8(path).ok()?);
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests;
