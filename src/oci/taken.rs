// SPDX-License-Identifier: Apache-2.0
//! An image out of somebody else's archive: the one that is meant, for the architecture, with nothing missing.
//!
//! Members were unpacked and hashed already; here it is judged whether they are what the archive says.

mod archive;
mod error;

use std::collections::BTreeSet;

use super::json::{self, Descriptor, Index};
use super::{Blob, Image};
use crate::manifest::Arch;
use crate::reference::Reference;

use archive::Archive;

pub use archive::{TEXT_MAX_BYTES, Taken};
pub use error::TakenError;

/// Which image of an archive is meant.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What it is to be called; none: as the archive says.
    pub name: Option<&'a str>,
    /// What its programs are built for.
    pub arch: Arch,
}

/// An index that leads to an index that leads to an index is somebody's joke.
const DEPTH_MAX: u32 = 4;

/// Returns the image that is wanted; `read` gives the bytes of the members that are texts.
///
/// # Errors
/// As [`TakenError`] says.
pub fn taken(
    members: &Taken,
    wanted: Wanted<'_>,
    read: &dyn Fn(&Blob) -> Result<Vec<u8>, String>,
) -> Result<Image, TakenError> {
    let archive = Archive { members, read };
    if !members.contains_key("oci-layout") && members.contains_key("manifest.json") {
        return Err(TakenError::Docker);
    }
    archive.named("oci-layout")?;
    let index: Index = archive.parsed("index.json", archive.named("index.json")?)?;
    let (names, roots) = chosen(&index.manifests, wanted.name)?;
    let mut found = Vec::new();
    for root in roots {
        archive.manifests(root, DEPTH_MAX, &mut found)?;
    }
    let fitting =
        found.iter().find(|found| found.platform.as_ref().is_some_and(|it| is_for(it, wanted.arch)));
    let manifest =
        fitting.ok_or_else(|| TakenError::Arch { wanted: wanted.arch.name(), found: platforms(&found) })?;
    archive.image(manifest, names)
}

/// Returns the names that the image gets, and what stands for it in the index.
fn chosen<'i>(
    entries: &'i [Descriptor],
    wanted: Option<&str>,
) -> Result<(Vec<String>, Vec<&'i Descriptor>), TakenError> {
    let called = |name: &str| entries.iter().filter(|it| name_of(it).as_deref() == Some(name)).collect();
    if let Some(wanted) = wanted {
        let named: Vec<&Descriptor> = called(wanted);
        if !named.is_empty() {
            return Ok((vec![wanted.to_owned()], named));
        }
    }
    let names: BTreeSet<String> = entries.iter().filter_map(name_of).collect();
    // Several entries of one name are one image for several machines; several names of one digest are one image.
    let digests: BTreeSet<&str> = entries.iter().map(|it| it.digest.as_str()).collect();
    if names.len() > 1 && digests.len() > 1 {
        return Err(TakenError::Several(names.into_iter().collect::<Vec<_>>().join(", ")));
    }
    let names = match wanted {
        Some(wanted) => vec![wanted.to_owned()],
        None if names.is_empty() => return Err(TakenError::Nameless),
        None => names.into_iter().collect(),
    };
    Ok((names, entries.iter().collect()))
}

/// Returns an entry's whole name, if it has one.
fn name_of(entry: &Descriptor) -> Option<String> {
    let names = [json::NAME, json::REF_NAME].map(|key| entry.annotations.get(key));
    names.into_iter().flatten().find(|name| name.parse::<Reference>().is_ok()).cloned()
}

fn is_for(platform: &json::Platform, arch: Arch) -> bool {
    platform.os == "linux" && platform.architecture == arch.name()
}

fn platforms(found: &[Descriptor]) -> String {
    let words =
        found.iter().filter_map(|it| it.platform.as_ref()).map(|it| format!("{}/{}", it.os, it.architecture));
    let words: BTreeSet<String> = words.collect();
    if words.is_empty() { "nothing".to_owned() } else { words.into_iter().collect::<Vec<_>>().join(", ") }
}
