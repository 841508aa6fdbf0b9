// SPDX-License-Identifier: Apache-2.0
//! What a bake works with: cache, network, processors, the running kiln itself.

use std::ffi::OsString;
use std::path::Path;

use super::makers::DeskMakers;
use super::wanted::Wanted;
use crate::host::cache::Cache;
use crate::host::clock;
use crate::host::download::Downloader;
use crate::lock::BASE;
use crate::pin::{self, Mode};
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

impl<'a> Desk<'a> {
    /// Pins with this desk; `run` gets the world for it.
    pub(super) fn with_world<T>(
        &self,
        wanted: &Wanted,
        mode: &Mode,
        run: impl FnOnce(&pin::World<'_>) -> T,
    ) -> T {
        let makers = DeskMakers {
            desk: self,
            folder: &wanted.folder,
            arch: wanted.manifest.arch,
            is_afresh: is_afresh(mode),
        };
        run(&pin::World {
            cache: self.cache,
            downloads: self.downloads,
            runtime: self.runtime,
            makers: &makers,
            folder: &wanted.folder,
            progress: self.progress,
            now_s: clock::now_s(),
        })
    }
}

/// Tells whether the base's pin is to be moved.
fn is_afresh(mode: &Mode) -> bool {
    matches!(mode, Mode::Upgrade(names) if names.is_empty() || names.contains(BASE))
}
