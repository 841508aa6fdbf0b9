// SPDX-License-Identifier: Apache-2.0
//! What the texts of an archive say of its members, none of which is believed before its digest is.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::{TakenError, malformed};
use crate::oci::json::{self, Descriptor, Index, Manifest};
use crate::oci::{Blob, Image, Text};

/// The regular files of an archive, by path.
pub type Taken = BTreeMap<String, Blob>;

/// Longer than any index, manifest or configuration (registries refuse manifests of more than 4 MiB).
pub const TEXT_MAX_BYTES: u64 = 4 << 20;

/// The members of one archive, and a way to read those that are texts.
pub(super) struct Archive<'a> {
    pub members: &'a Taken,
    pub read: &'a dyn Fn(&Blob) -> Result<Vec<u8>, String>,
}

impl Archive<'_> {
    pub fn named(&self, path: &str) -> Result<Blob, TakenError> {
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

    pub fn parsed<T: DeserializeOwned>(&self, path: &str, blob: Blob) -> Result<T, TakenError> {
        serde_json::from_slice(&self.text(path, blob)?).map_err(|error| malformed(path, error.to_string()))
    }

    /// Collects the manifests that an entry leads to, each with its platform.
    pub fn manifests(
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

    pub fn image(&self, entry: &Descriptor, names: Vec<String>) -> Result<Image, TakenError> {
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
