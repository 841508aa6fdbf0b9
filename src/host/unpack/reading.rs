// SPDX-License-Identifier: Apache-2.0
//! The members of an archive, one after the other: files into the cache, links kept until all are known.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Component, Path};

use tar::{Entry, EntryType};

use super::error::{UnpackError, malformed};
use super::limited::BYTES_MAX;
use super::links::{Lead, Link, Names};
use super::{MEMBERS_MAX, Member, Members, Unpacked, sparse};
use crate::host::cache::{Cache, CacheError, Writer};

/// An archive while it is read.
pub(super) struct Reading<'a> {
    cache: &'a Cache,
    name: &'a str,
    /// How many bytes may still come out, holes included.
    left: u64,
    files: Members,
    links: BTreeMap<String, Link>,
    folders: BTreeSet<String>,
    unfit: BTreeMap<String, String>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(cache: &'a Cache, name: &'a str) -> Self {
        let (files, links, folders, unfit) = Default::default();
        Self { cache, name, left: BYTES_MAX, files, links, folders, unfit }
    }

    /// Takes one entry.
    pub(super) fn take(&mut self, mut entry: Entry<'_, impl Read>) -> Result<(), UnpackError> {
        let sparse = sparse::look(&mut entry).map_err(malformed(self.name))?;
        let path = sparse.as_ref().and_then(|sparse| sparse.name.clone());
        let path = path.unwrap_or_else(|| entry.path_bytes().into_owned());
        let shown = String::from_utf8_lossy(&path).into_owned();
        let outside = |member| UnpackError::Outside { name: self.name.to_owned(), member };
        let member = plain(&path).ok_or_else(|| outside(shown.clone()))?;
        let kind = entry.header().entry_type();
        match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.file(member, sparse, &mut entry)?;
            }
            EntryType::Symlink | EntryType::Link => self.link(member, kind, &entry)?,
            EntryType::Directory => drop(self.folders.insert(member)),
            EntryType::XGlobalHeader => {}
            _ => return Err(UnpackError::Special { name: self.name.to_owned(), member: shown }),
        }
        if self.files.len() + self.links.len() + self.unfit.len() > MEMBERS_MAX {
            return Err(UnpackError::TooMuch { name: self.name.to_owned(), limit: "10000 members" });
        }
        Ok(())
    }

    fn file(
        &mut self,
        member: String,
        sparse: Option<sparse::Sparse>,
        entry: &mut Entry<'_, impl Read>,
    ) -> Result<(), UnpackError> {
        self.check_new(&member)?;
        let mode = (entry.header().mode().map_err(malformed(self.name))? & 0o7777) as u16;
        let mut writer = self.cache.writer()?;
        let size = match sparse {
            None => self.copy(entry, &mut writer)?,
            Some(sparse) => match sparse.open(entry).map_err(malformed(self.name))? {
                Some(mut filled) => self.copy(&mut filled, &mut writer)?,
                None => {
                    let why = format!(
                        "'{member}' is a sparse file of GNU tar's formats 0.0 or 0.1; pack it with --sparse-version=1.0"
                    );
                    self.unfit.insert(member, why);
                    return Ok(());
                }
            },
        };
        let sha256 = writer.finish()?.digest;
        self.files.insert(member, Member { mode, sha256, size });
        Ok(())
    }

    fn link(
        &mut self,
        member: String,
        kind: EntryType,
        entry: &Entry<'_, impl Read>,
    ) -> Result<(), UnpackError> {
        self.check_new(&member)?;
        let target = entry.link_name_bytes().unwrap_or_default();
        match std::str::from_utf8(&target).map(str::to_owned) {
            Ok(target) if kind == EntryType::Symlink => {
                drop(self.links.insert(member, Link::Symbolic(target)))
            }
            Ok(target) => drop(self.links.insert(member, Link::Hard(target))),
            Err(_) => {
                let why = format!(
                    "'{member}' is a link to '{}', which is no text",
                    String::from_utf8_lossy(&target)
                );
                self.unfit.insert(member, why);
            }
        }
        Ok(())
    }

    fn check_new(&self, member: &str) -> Result<(), UnpackError> {
        let is_there = self.files.contains_key(member)
            || self.links.contains_key(member)
            || self.unfit.contains_key(member);
        match is_there {
            true => Err(UnpackError::Twice { name: self.name.to_owned(), member: member.to_owned() }),
            false => Ok(()),
        }
    }

    fn copy(&mut self, from: &mut impl Read, to: &mut Writer<'_>) -> Result<u64, UnpackError> {
        let mut buffer = vec![0; 128 << 10];
        let mut size = 0;
        loop {
            let count = from.read(&mut buffer).map_err(malformed(self.name))?;
            if count == 0 {
                return Ok(size);
            }
            let too_much = || UnpackError::TooMuch { name: self.name.to_owned(), limit: "8 GiB unpacked" };
            self.left = self.left.checked_sub(count as u64).ok_or_else(too_much)?;
            to.push(&buffer[..count]).map_err(CacheError::from)?;
            size += count as u64;
        }
    }

    /// Follows the links.
    pub(super) fn finish(self) -> Unpacked {
        let Self { files, links, mut folders, mut unfit, .. } = self;
        for path in files.keys().chain(links.keys()) {
            folders.extend(path.match_indices('/').map(|(at, _)| path[..at].to_owned()));
        }
        let names = Names { links: &links, is_file: &|path| files.contains_key(path), folders: &folders };
        let mut followed = Members::new();
        for path in links.keys() {
            match names.follow(path) {
                Lead::File(end) => drop(followed.insert(path.clone(), files[&end].clone())),
                Lead::Folder => {}
                Lead::Nowhere(why) => drop(unfit.insert(path.clone(), why)),
            }
        }
        let mut files = files;
        files.extend(followed);
        Unpacked { files, unfit, foreign: None }
    }
}

/// Returns a member's path without `./`; none if it is absolute, leads upwards or is no UTF-8.
pub(super) fn plain(path: &[u8]) -> Option<String> {
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
