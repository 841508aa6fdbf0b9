// SPDX-License-Identifier: Apache-2.0
//! One input on its way from upstream: what is known of it, and the two ways to ask for something.

use super::{InputError, World};
use crate::digest::Digest;
use crate::host::cache::Blob;
use crate::host::download::{Downloader, Want};
use crate::lock::{Input, Locked};
use crate::release::Place;

/// One input on its way.
pub(super) struct Fetch<'a> {
    pub(super) input: &'a Input<'a>,
    pub(super) old: Option<&'a Locked>,
    pub(super) keys: &'a [String],
    pub(super) world: &'a World<'a>,
    pub(super) downloads: &'a Downloader,
}

impl Fetch<'_> {
    /// Fetches a small file into memory.
    pub(super) fn small(&self, url: &str, size_max: u64) -> Result<Vec<u8>, InputError> {
        let fetching = self.downloads.small(url, size_max, self.world.progress);
        Ok(self.world.runtime.block_on(fetching)?)
    }

    /// Fetches the input's file into the cache.
    pub(super) fn file(&self, place: &Place, sha256: Option<Digest>) -> Result<Blob, InputError> {
        let (url, size_max) = (place.url.clone(), place.size_max);
        let want = Want { url, sha256, sha512: None, size: None, size_max };
        Ok(self.world.runtime.block_on(self.downloads.file(&want, self.world.progress))?)
    }
}
