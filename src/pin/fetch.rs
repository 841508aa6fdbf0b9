// SPDX-License-Identifier: Apache-2.0
//! A new pin of something that is fetched: the file, and the best evidence for it that upstream offers.

use super::upstream::Fetch;
use super::{InputError, World, attested, signed, single};
use crate::digest::Digest;
use crate::host::cache::Blob;
use crate::lock::{Input, Locked, Trust};
use crate::manifest::{Release, Source};
use crate::release::{self, Place, Verify};

/// Larger than any file of digests or of a version.
const SMALL_MAX_BYTES: u64 = 1 << 20;

/// Larger than any archive or compressed image at an address that kiln knows nothing of.
const URL_MAX_BYTES: u64 = 64 << 30;

/// Pins `input` anew; `old` is what was pinned for the same wish before.
pub(super) fn fresh(
    input: &Input<'_>,
    old: Option<&Locked>,
    keys: &[String],
    world: &World<'_>,
) -> Result<Locked, InputError> {
    let Some(downloads) = world.downloads else { return Err(InputError::Offline) };
    let fetch = Fetch { input, old, keys, world, downloads };
    match input.source {
        Source::Url { sha256, signature, .. } => fetch.url(*sha256, signature.as_deref()),
        Source::Release(release) => fetch.release(release),
        _ => unreachable!("only what is fetched comes here"),
    }
}

/// Returns where the file of `input` lies; `version` is the resolved one.
pub(super) fn place(input: &Input<'_>, version: Option<&str>) -> Result<Place, InputError> {
    match (input.source, input.flavour) {
        (Source::Release(release), Some(flavour)) => {
            let version = version.unwrap_or(&release.version);
            Ok(release::base(release, version, flavour, input.arch)?)
        }
        (Source::Release(release), None) => Ok(release::component(release, input.name, input.arch)?),
        (Source::Url { url, .. }, _) => Ok(Place {
            url: url.clone(),
            file: file_name(url, input.name),
            verify: Verify::Nothing,
            keyless: None,
            size_max: URL_MAX_BYTES,
        }),
        _ => unreachable!("only what is fetched has a place"),
    }
}

impl Fetch<'_> {
    fn url(&self, sha256: Option<Digest>, signature: Option<&str>) -> Result<Locked, InputError> {
        let place = place(self.input, None)?;
        let (blob, trust) = match (signature, sha256) {
            (Some(signature), _) => self.signed(&place, signature, &self.key_urls(signature), sha256)?,
            (None, Some(_)) => (self.file(&place, sha256)?, Trust::Given),
            (None, None) => (self.file(&place, None)?, Trust::FirstUse),
        };
        Ok(self.locked(place, &blob, trust, None))
    }

    fn release(&self, release: &Release) -> Result<Locked, InputError> {
        let version = self.version(release)?;
        let place = place(self.input, Some(&version))?;
        if let Some(keyless) = &place.keyless
            && let Some(check) = attested::prepare(self, keyless)?
        {
            let (blob, trust) = self.proven(&place, None, &|blob| check.run(blob))?;
            return Ok(self.locked(place, &blob, trust, Some(version)));
        }
        let (blob, trust) = match &place.verify {
            Verify::Signature { url, key_url, .. } => {
                self.signed(&place, url, std::slice::from_ref(key_url), None)?
            }
            Verify::Sha256 { url, name } => {
                let sums = String::from_utf8_lossy(&self.small(url, SMALL_MAX_BYTES)?).into_owned();
                let digest = release::find_sha256(&sums, name);
                let (url, file) = (url.clone(), name.clone());
                let digest = digest.ok_or_else(|| InputError::NoDigest { url: url.clone(), file })?;
                (self.file(&place, Some(digest))?, Trust::SameOrigin { url })
            }
            Verify::Nothing => (self.file(&place, None)?, Trust::FirstUse),
        };
        Ok(self.locked(place, &blob, trust, Some(version)))
    }

    /// Resolves "current".
    fn version(&self, release: &Release) -> Result<String, InputError> {
        if release.version != "current" {
            return Ok(release.version.clone());
        }
        // A bad channel shows in `place`; without a pointer there is nothing newer than what is wished for.
        let Some(pointer) = release::pointers(release, self.input.arch).into_iter().next() else {
            return Ok(release.version.clone());
        };
        let text = self.small(&pointer.url, SMALL_MAX_BYTES)?;
        release::pointer_version(&String::from_utf8_lossy(&text))
            .ok_or(InputError::Pointer { url: pointer.url })
    }

    fn signed(
        &self,
        place: &Place,
        signature: &str,
        key_urls: &[String],
        sha256: Option<Digest>,
    ) -> Result<(Blob, Trust), InputError> {
        // Before the large file, so that a wrong key costs no half gigabyte.
        let check = signed::prepare(self, signature, key_urls)?;
        self.proven(place, sha256, &|blob| check.run(blob))
    }

    /// Fetches a file that `check` says the trust of.
    fn proven(
        &self,
        place: &Place,
        sha256: Option<Digest>,
        check: &dyn Fn(&Blob) -> Result<Trust, InputError>,
    ) -> Result<(Blob, Trust), InputError> {
        // What was pinned before need not be fetched again if it is what upstream signs.
        let old = self.old.and_then(|old| old.files.values().next());
        let old = old.filter(|file| sha256.is_none_or(|sha256| sha256 == file.sha256));
        if let Some(blob) = old.and_then(|file| self.world.cache.get(&file.sha256))
            && let Ok(trust) = check(&blob)
        {
            return Ok((blob, trust));
        }
        let blob = self.file(place, sha256)?;
        let trust = check(&blob)?;
        Ok((blob, trust))
    }

    fn locked(&self, place: Place, blob: &Blob, trust: Trust, version: Option<String>) -> Locked {
        Locked { version, url: Some(place.url), ..single(self.input, place.file, blob, trust) }
    }

    /// Where keys named in the manifest lie: beside the signature, by fingerprint. Only their fingerprint makes them count.
    fn key_urls(&self, signature: &str) -> Vec<String> {
        let folder = signature.rsplit_once('/').map_or("", |(folder, _)| folder);
        let keys = self.keys.iter().filter(|key| key.len() == release::FLATCAR_FINGERPRINT.len());
        keys.map(|fingerprint| format!("{folder}/{fingerprint}.asc")).collect()
    }
}

/// The last part of an address's path, or the input's name.
fn file_name(url: &str, name: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or("", |(_, rest)| rest);
    match path.rsplit_once('/') {
        Some((_, last)) if !last.is_empty() => last.to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gives_a_file_name() {
        assert_eq!(file_name("https://a/b/c.tgz?x=/y#z", "n"), "c.tgz");
        for url in ["https://a", "https://a/", "https://a/b/"] {
            assert_eq!(file_name(url, "n"), "n");
        }
    }
}
