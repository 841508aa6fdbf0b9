// SPDX-License-Identifier: Apache-2.0
//! An image out of somebody else's archive: the one that is meant, for the architecture, with nothing missing.
//!
//! Members were unpacked and hashed already; here it is judged whether they are what the archive says.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::json::{self, Descriptor, Index, Manifest};
use super::{Blob, Image, Text};
use crate::manifest::Arch;
use crate::reference::Reference;

/// The regular files of an archive, by path.
pub type Taken = BTreeMap<String, Blob>;

/// Which image of an archive is meant.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What it is to be called; none: as the archive says.
    pub name: Option<&'a str>,
    /// What its programs are built for.
    pub arch: Arch,
}

/// Why there is no such image in the archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TakenError {
    /// The older form of `docker save`.
    #[error(
        "is a Docker archive; kiln takes OCI archives (skopeo copy docker-archive:FILE oci-archive:FILE)"
    )]
    Docker,
    /// No layout in it.
    #[error("is no OCI archive: it has no {0}")]
    Missing(String),
    /// A text that makes no sense.
    #[error("is no OCI archive: {path}: {why}")]
    Malformed {
        /// Which.
        path: String,
        /// In a few words.
        why: String,
    },
    /// A file that is not what its name says.
    #[error("is damaged: {path} has the digest {found} and {size} bytes")]
    Damaged {
        /// Which.
        path: String,
        /// Its digest.
        found: String,
        /// Its size in bytes.
        size: u64,
    },
    /// Several images, and nobody says which.
    #[error("holds several images; let 'name' be one of: {0}")]
    Several(String),
    /// An image without a name.
    #[error("holds an image without a whole name; add 'name', as in registry.example/app:1")]
    Nameless,
    /// Images for other machines.
    #[error("holds no image for linux/{wanted}, but for {found}")]
    Arch {
        /// The image's architecture.
        wanted: &'static str,
        /// What there is.
        found: String,
    },
}

/// Longer than any index, manifest or configuration (registries refuse manifests of more than 4 MiB).
pub const TEXT_MAX_BYTES: u64 = 4 << 20;
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

struct Archive<'a> {
    members: &'a Taken,
    read: &'a dyn Fn(&Blob) -> Result<Vec<u8>, String>,
}

impl Archive<'_> {
    fn named(&self, path: &str) -> Result<Blob, TakenError> {
        self.members.get(path).copied().ok_or_else(|| TakenError::Missing(path.to_owned()))
    }

    /// Returns the member that a descriptor names, which must be what it says.
    fn described(&self, descriptor: &Descriptor) -> Result<(String, Blob), TakenError> {
        let why = || "a digest that is no sha256".to_owned();
        let wanted = descriptor.blob().ok_or_else(|| malformed(&descriptor.digest, why()))?;
        let path = json::path(&wanted.digest);
        let found = self.named(&path)?;
        if found == wanted {
            return Ok((path, found));
        }
        Err(TakenError::Damaged { path, found: json::spelled(&found.digest), size: found.size })
    }

    fn text(&self, path: &str, blob: Blob) -> Result<Vec<u8>, TakenError> {
        if blob.size > TEXT_MAX_BYTES {
            return Err(malformed(path, format!("it has {} bytes", blob.size)));
        }
        (self.read)(&blob).map_err(|why| malformed(path, why))
    }

    fn parsed<T: DeserializeOwned>(&self, path: &str, blob: Blob) -> Result<T, TakenError> {
        serde_json::from_slice(&self.text(path, blob)?).map_err(|error| malformed(path, error.to_string()))
    }

    /// Collects the manifests that an entry leads to, each with its platform.
    fn manifests(
        &self,
        entry: &Descriptor,
        depth: u32,
        found: &mut Vec<Descriptor>,
    ) -> Result<(), TakenError> {
        match entry.media_type.as_str() {
            json::INDEX | json::DOCKER_LIST if depth > 0 => {
                let (path, blob) = self.described(entry)?;
                let index: Index = self.parsed(&path, blob)?;
                // Registries' indices name platforms that an archive of one platform leaves out.
                let there = |it: &&Descriptor| {
                    it.blob().is_some_and(|it| self.members.contains_key(&json::path(&it.digest)))
                };
                index.manifests.iter().filter(there).try_for_each(|it| self.manifests(it, depth - 1, found))
            }
            json::MANIFEST | json::DOCKER_MANIFEST => {
                let platform = Some(self.platform(entry)?);
                found.push(Descriptor { platform, ..entry.clone() });
                Ok(())
            }
            // Signatures and attestations are no images.
            _ => Ok(()),
        }
    }

    /// Returns what an image is for, by its own configuration.
    fn platform(&self, entry: &Descriptor) -> Result<json::Platform, TakenError> {
        #[derive(Deserialize)]
        struct Built {
            #[serde(default)]
            architecture: String,
            #[serde(default)]
            os: String,
        }
        let (path, blob) = self.described(entry)?;
        let manifest: Manifest = self.parsed(&path, blob)?;
        let (path, blob) = self.described(&manifest.config)?;
        let Built { architecture, os } = self.parsed(&path, blob)?;
        Ok(json::Platform { architecture, os })
    }

    fn image(&self, entry: &Descriptor, names: Vec<String>) -> Result<Image, TakenError> {
        let (path, blob) = self.described(entry)?;
        let manifest: Manifest = self.parsed(&path, blob)?;
        let layers = manifest.layers.iter().map(|layer| Ok(self.described(layer)?.1));
        let layers = layers.collect::<Result<Vec<Blob>, TakenError>>()?;
        let (config_path, config) = self.described(&manifest.config)?;
        let text = |media_type: &str, path: &str, blob| {
            Ok(Text { media_type: media_type.to_owned(), bytes: self.text(path, blob)? })
        };
        Ok(Image {
            names,
            manifest: text(&entry.media_type, &path, blob)?,
            config: text(&manifest.config.media_type, &config_path, config)?,
            layers,
        })
    }
}

fn malformed(path: &str, why: String) -> TakenError {
    TakenError::Malformed { path: path.to_owned(), why }
}
