// SPDX-License-Identifier: Apache-2.0
//! Downloads: HTTPS only, into the cache, checked while they stream; they go on where they were cut off.
//!
//! Every wait has a limit (see [`Limits`]). What is not expected to pass (404, a wrong digest, plain HTTP) fails at once;
//! what may pass (a 5xx, a cut connection) is tried again. It decides nothing about trust: whoever asks brings the
//! digest, or judges what came.
//!
//! Servers are trusted by Mozilla's root certificates, compiled in, so that the program behaves the same everywhere,
//! and by those in [`Settings::ca_files`]; the system's own store counts when it is named there.

mod attempt;
mod client;
mod error;
mod kind;
mod retry;
mod settings;
mod sink;
mod tls;

use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::cache::{Blob, Cache, Partial};
use crate::progress::Progress;

pub use error::{DownloadError, DownloadErrorKind};
pub use settings::{Limits, Settings, Want};

use settings::Bounds;
use sink::{FileSink, Memory, Sink};

/// Downloads into one cache.
#[derive(Debug)]
pub struct Downloader {
    client: reqwest::Client,
    cache: Cache,
    limits: Limits,
    permits: Semaphore,
}

impl Downloader {
    /// Returns a downloader into `cache`.
    ///
    /// # Errors
    /// If a CA file can't be read or a proxy's address is wrong.
    pub fn new(settings: &Settings, cache: Cache) -> Result<Self, DownloadError> {
        let client = client::build(settings)?;
        let permits = Semaphore::new(settings.jobs.max(1));
        Ok(Self { client, cache, limits: settings.limits, permits })
    }

    /// Returns the cache that it downloads into.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Downloads a file into the cache, unless it is there already.
    ///
    /// # Errors
    /// If it can't be had, or is not what was wanted; see [`DownloadErrorKind`].
    pub async fn file(&self, want: &Want, progress: &dyn Progress) -> Result<Blob, DownloadError> {
        let failed = |kind| DownloadError::new(&want.url, kind);
        let partial = match self.take_up(want, progress).await.map_err(failed)? {
            Taken::There(blob) => {
                progress.end(&want.url, "already there");
                return Ok(blob);
            }
            Taken::Partial(partial) => partial,
        };
        let _permit = self.permits.acquire().await;
        let mut sink = FileSink::open(partial, want).await.map_err(failed)?;
        self.fill(want, &mut sink, progress).await?;
        let blob = sink.finish(self.cache.clone()).await.map_err(failed)?;
        progress.end(&want.url, "fetched");
        Ok(blob)
    }

    /// Transfers until the sink holds what is wanted.
    async fn fill(
        &self,
        want: &Want,
        sink: &mut FileSink,
        progress: &dyn Progress,
    ) -> Result<(), DownloadError> {
        let failed = |kind| DownloadError::new(&want.url, kind);
        let mut is_again = false;
        loop {
            progress.begin(&want.url, &error::shown(&want.url), want.size.or(sink.promised()));
            progress.advance(&want.url, sink.len());
            if !sink.is_whole() {
                let deadline = Instant::now() + self.limits.total;
                self.transfer(&want.url, want.bounds(), sink, deadline, progress).await?;
            }
            let Err(kind) = sink.check(want) else { return Ok(()) };
            // Perhaps only what an earlier run left was bad: a power cut may do that. Or two files were joined that were none,
            // where the server has no validator. Once more, from nothing.
            let may_be_two = sink.is_joined();
            sink.forget().map_err(|error| failed(error.into()))?;
            if !may_be_two || is_again {
                return Err(failed(kind));
            }
            is_again = true;
            progress.say(&format!("{}: what was there is bad, starting again", error::shown(&want.url)));
        }
    }

    /// Downloads a small file into memory.
    ///
    /// # Errors
    /// If it can't be had or is larger than `size_max` bytes.
    pub async fn small(
        &self,
        url: &str,
        size_max: u64,
        progress: &dyn Progress,
    ) -> Result<Vec<u8>, DownloadError> {
        let _permit = self.permits.acquire().await;
        let mut sink = Memory::default();
        let deadline = Instant::now() + self.limits.total;
        let bounds = Bounds { size: None, size_max };
        self.transfer(url, bounds, &mut sink, deadline, &Words(progress)).await?;
        Ok(sink.bytes)
    }

    /// Attempts until the sink is full, with pauses between.
    async fn transfer(
        &self,
        url: &str,
        bounds: Bounds,
        sink: &mut (dyn Sink + Send),
        deadline: Instant,
        progress: &dyn Progress,
    ) -> Result<(), DownloadError> {
        let (mut failures, mut best) = (0, sink.len());
        loop {
            let attempt = attempt::run(&self.client, &self.limits, url, bounds, sink, progress);
            let failure = match tokio::time::timeout_at(deadline.into(), attempt).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(failure)) => failure,
                Err(_) => {
                    let limit_s = self.limits.total.as_secs();
                    return Err(DownloadError::new(url, DownloadErrorKind::Timeout { limit_s }));
                }
            };
            if sink.len() > best {
                (failures, best) = (0, sink.len());
            }
            failures += 1;
            let pause = retry::pause(&self.limits, failures, &failure, retry::chance());
            let Some(pause) = pause.filter(|pause| Instant::now() + *pause < deadline) else {
                return Err(DownloadError::new(url, failure.kind).after(failures));
            };
            let shown = error::shown(url);
            let pause_s = pause.as_secs_f32();
            progress.say(&format!("{shown}: {}; trying again in {pause_s:.1} s", failure.kind));
            tokio::time::sleep(pause).await;
        }
    }

    /// Returns what is wanted, if it is in the cache.
    async fn there(&self, want: &Want) -> Result<Option<Blob>, DownloadErrorKind> {
        let (cache, Some(digest)) = (self.cache.clone(), want.sha256) else { return Ok(None) };
        // One that was touched is hashed, which must not hold up the other downloads.
        let looking = tokio::task::spawn_blocking(move || cache.get(&digest));
        let blob = looking.await.map_err(|error| DownloadErrorKind::Broken(error.to_string()))?;
        Ok(blob.filter(|blob| want.size.is_none_or(|size| size == blob.size)))
    }

    /// Waits until nobody else downloads the same, and looks whether they have left it in the cache.
    async fn take_up(&self, want: &Want, progress: &dyn Progress) -> Result<Taken, DownloadErrorKind> {
        let end = Instant::now() + self.limits.total;
        let mut is_told = false;
        loop {
            if let Some(blob) = self.there(want).await? {
                return Ok(Taken::There(blob));
            }
            if let Some(partial) = self.cache.partial(&want.url)? {
                return Ok(Taken::Partial(partial));
            }
            if Instant::now() >= end {
                return Err(DownloadErrorKind::Busy { limit_s: self.limits.total.as_secs() });
            }
            if !is_told {
                is_told = true;
                let shown = error::shown(&want.url);
                progress.say(&format!("{shown}: waiting for another download of the same file"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Passes on what is said, and not how far it is: a small file is no piece of work to look at.
struct Words<'a>(&'a dyn Progress);

impl Progress for Words<'_> {
    fn begin(&self, _id: &str, _what: &str, _total: Option<u64>) {}
    fn advance(&self, _id: &str, _amount: u64) {}
    fn end(&self, _id: &str, _note: &str) {}
    fn say(&self, text: &str) {
        self.0.say(text);
    }
}

enum Taken {
    There(Blob),
    Partial(Partial),
}
