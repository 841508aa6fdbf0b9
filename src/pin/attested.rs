// SPDX-License-Identifier: Apache-2.0
//! A file with a keyless signature: certificate, signature and authority first, then the file's digest.

use super::InputError;
use super::upstream::Fetch;
use crate::host::cache::Blob;
use crate::host::download::{DownloadError, DownloadErrorKind};
use crate::lock::Trust;
use crate::release::Keyless;
use crate::sigstore::{self, Accepted, Authority, Certified, SigstoreError};

/// A signature and the key that it was made with, waiting for the file.
pub(super) struct Check<'a> {
    keyless: &'a Keyless,
    signature: Vec<u8>,
    certified: Certified,
}

/// Fetches certificate, signature and authority; none if the server has no such signature.
pub(super) fn prepare<'a>(fetch: &Fetch<'_>, keyless: &'a Keyless) -> Result<Option<Check<'a>>, InputError> {
    let small = |url: &str| fetch.small(url, sigstore::FILE_MAX_BYTES);
    let Some(certificate) = if_there(small(&keyless.certificate))? else { return Ok(None) };
    let Some(signature) = if_there(small(&keyless.signature))? else { return Ok(None) };
    let wrong = |url: &str, error: SigstoreError| InputError::Keyless { url: url.to_owned(), error };
    let authority = Authority::parse(&small(&keyless.authority)?, &accepted(fetch.keys));
    let authority = authority.map_err(|error| wrong(&keyless.authority, error))?;
    let certified = sigstore::certified(&authority, &certificate, keyless.signer, fetch.world.now_s);
    let certified = certified.map_err(|error| wrong(&keyless.certificate, error))?;
    Ok(Some(Check { keyless, signature, certified }))
}

fn if_there(fetched: Result<Vec<u8>, InputError>) -> Result<Option<Vec<u8>>, InputError> {
    match fetched {
        Err(InputError::Download(DownloadError { kind, .. }))
            if matches!(*kind, DownloadErrorKind::NotFound(_)) =>
        {
            Ok(None)
        }
        fetched => fetched.map(Some),
    }
}

impl Check<'_> {
    /// Checks the signature over `blob`.
    pub(super) fn run(&self, blob: &Blob) -> Result<Trust, InputError> {
        let wrong = |error| InputError::Keyless { url: self.keyless.signature.clone(), error };
        self.certified.check(&self.signature, &blob.digest).map_err(wrong)?;
        let (signer, Certified { issued_at_s, root, by_manifest, .. }) =
            (self.keyless.signer, &self.certified);
        Ok(Trust::Attested {
            by: signer.identity.to_owned(),
            known_to: signer.issuer.to_owned(),
            root: root.clone(),
            certified_at_s: *issued_at_s,
            by_manifest: *by_manifest,
        })
    }
}

/// Sigstore's own root and those that the manifest names: fingerprints of certificates are SHA-256.
fn accepted(keys: &[String]) -> Vec<Accepted> {
    let own = Accepted { fingerprint: sigstore::ROOT.to_owned(), by_manifest: false };
    let named = keys.iter().filter(|key| key.len() == sigstore::ROOT.len());
    let named = named.map(|key| Accepted { fingerprint: key.clone(), by_manifest: true });
    std::iter::once(own).chain(named).collect()
}
