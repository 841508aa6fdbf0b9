// SPDX-License-Identifier: Apache-2.0
//! What a bake works with: cache, network, processors, the running kiln itself.

use std::ffi::OsString;
use std::path::Path;

use crate::host::cache::Cache;
use crate::host::download::Downloader;
use crate::progress::Progress;

/// The surroundings of a bake; the program makes it from words and environment.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    /// Where inputs are kept.
    pub cache: &'a Cache,
    /// Fetches inputs; none: `--offline`.
    pub downloads: Option<&'a Downloader>,
    /// Runs the fetching.
    pub runtime: &'a tokio::runtime::Handle,
    /// The person's variables, for programs that build inputs.
    pub environment: &'a [(OsString, OsString)],
    /// The kiln-firstboot that belongs to the running kiln.
    pub firstboot: &'a Path,
    /// The running kiln's version.
    pub kiln: &'a str,
    /// How many things are done at once.
    pub jobs: usize,
    /// Hears how it goes.
    pub progress: &'a dyn Progress,
}

impl std::fmt::Debug for Desk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("cache", self.cache).field("jobs", &self.jobs).finish_non_exhaustive()
    }
}
