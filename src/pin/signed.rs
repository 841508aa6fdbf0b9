// SPDX-License-Identifier: Apache-2.0
//! A signed file: the signature and the key first, then the file, read once more in pieces.

use std::io::{BufReader, Read};

use super::InputError;
use super::upstream::Fetch;
use crate::host::cache::Blob;
use crate::host::files;
use crate::lock::Trust;
use crate::openpgp::{self, Accepted, Keys, Signed};
use crate::release::FLATCAR_FINGERPRINT;

/// A signature and accepted keys, waiting for the file.
pub(super) struct Check {
    url: String,
    signature: Vec<u8>,
    keys: Vec<Keys>,
    now_s: u64,
}

/// Fetches signature and keys.
pub(super) fn prepare(fetch: &Fetch<'_>, url: &str, key_urls: &[String]) -> Result<Check, InputError> {
    let accepted = accepted(fetch.keys);
    let mut keys = Vec::new();
    for key_url in key_urls {
        let bytes = fetch.small(key_url, openpgp::KEY_MAX_BYTES)?;
        let key = Keys::parse(&bytes, &accepted);
        keys.push(key.map_err(|error| InputError::Key { url: key_url.clone(), error })?);
    }
    let signature = fetch.small(url, openpgp::SIGNATURE_MAX_BYTES)?;
    Ok(Check { url: url.to_owned(), signature, keys, now_s: fetch.world.now_s })
}

impl Check {
    /// Checks the signature over `blob`.
    pub(super) fn run(&self, blob: &Blob) -> Result<Trust, InputError> {
        let wrong = |error| InputError::Signature { url: self.url.clone(), error };
        let mut open = || -> std::io::Result<Box<dyn Read>> {
            let file = files::open(&blob.path).map_err(|error| error.source)?;
            Ok(Box::new(BufReader::with_capacity(1 << 20, file)))
        };
        let keys = Keys::merged(&self.keys);
        let signed = openpgp::verify(&keys, &self.signature, self.now_s, &mut open).map_err(wrong)?;
        let Signed { key, signer, signed_at_s, by_manifest } = signed;
        Ok(Trust::Signed { key, signer, signed_at_s, by_manifest })
    }
}

/// Flatcar's own key and those that the manifest names.
fn accepted(keys: &[String]) -> Vec<Accepted> {
    let own = Accepted { fingerprint: FLATCAR_FINGERPRINT.to_owned(), by_manifest: false };
    let named = keys.iter().filter(|key| key.len() == FLATCAR_FINGERPRINT.len());
    let named = named.map(|key| Accepted { fingerprint: key.clone(), by_manifest: true });
    std::iter::once(own).chain(named).collect()
}
