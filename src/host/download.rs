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
mod retry;
mod sink;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::cache::{Blob, Cache, Partial};
use crate::digest::Digest;
use crate::progress::Progress;

pub use error::{DownloadError, DownloadErrorKind};

use sink::{FileSink, Memory, Sink};

/// How to reach servers; the programs take this from the command line and the environment.
#[derive(Debug, Clone)]
pub struct Settings {
    /// PEM files of further root certificates (`KILN_CA_FILE`, `SSL_CERT_FILE`).
    pub ca_files: Vec<PathBuf>,
    /// Address of a proxy (`HTTPS_PROXY`).
    pub https_proxy: Option<String>,
    /// Hosts that are reached without it (`NO_PROXY`).
    pub no_proxy: Option<String>,
    /// How many downloads run at once.
    pub jobs: usize,
    /// How long to wait for what.
    pub limits: Limits,
}

/// How long to wait for what, and how often.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For a connection, look-up of the name and TLS included.
    pub connect: Duration,
    /// For the next piece of an answer.
    pub stall: Duration,
    /// For one whole download, all attempts together.
    pub total: Duration,
    /// Attempts in a row without a new byte.
    pub attempts: u32,
    /// Pause after the first failure; doubled after each further one.
    pub pause_first: Duration,
    /// The longest pause, also if a server asks for more.
    pub pause_max: Duration,
    /// Redirects in a row (dl.k8s.io and GitHub use one or two).
    pub redirects: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            // Long enough for a CDN that fetches from far away first; short enough for a person to wait.
            stall: Duration::from_secs(30),
            // 500 MB at 150 kB/s.
            total: Duration::from_secs(3600),
            attempts: 5,
            pause_first: Duration::from_millis(500),
            pause_max: Duration::from_secs(60),
            redirects: 10,
        }
    }
}

/// A file to download, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// `https://...`
    pub url: String,
    /// What it must be, where that is known.
    pub sha256: Option<Digest>,
    /// What it must be, where upstream publishes only this.
    pub sha512: Option<[u8; 64]>,
    /// Its size in bytes, where that is known.
    pub size: Option<u64>,
    /// The largest size that makes sense, in bytes.
    pub size_max: u64,
}

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
        loop {
            progress.begin(&want.url, &error::shown(&want.url), want.size.or(sink.promised()));
            progress.advance(&want.url, sink.len());
            let was_there = sink.len();
            if !sink.is_whole() {
                let deadline = Instant::now() + self.limits.total;
                self.transfer(&want.url, want.bounds(), &mut sink, deadline, progress).await?;
            }
            match sink.check(want) {
                Ok(()) => break,
                // Perhaps only what was there before was bad: a power cut may do that. Once more, from nothing.
                Err(_) if was_there > 0 && sink.kept() => {
                    progress
                        .say(&format!("{}: what was there is bad, starting again", error::shown(&want.url)));
                    sink.forget().map_err(|error| failed(error.into()))?;
                }
                Err(kind) => {
                    sink.forget().map_err(|error| failed(error.into()))?;
                    return Err(failed(kind));
                }
            }
        }
        let blob = sink.finish(self.cache.clone()).await.map_err(failed)?;
        progress.end(&want.url, "fetched");
        Ok(blob)
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
        self.transfer(url, bounds, &mut sink, deadline, &crate::progress::Silent).await.inspect_err(
            |_| {
                progress.end(url, "failed");
            },
        )?;
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

    /// Waits until nobody else downloads the same, and looks whether they have left it in the cache.
    async fn take_up(&self, want: &Want, progress: &dyn Progress) -> Result<Taken, DownloadErrorKind> {
        let end = Instant::now() + self.limits.total;
        let mut is_told = false;
        loop {
            if let Some(blob) = want.sha256.and_then(|digest| self.cache.get(&digest)) {
                // A blob of another size has been damaged; the new one takes its place.
                if want.size.is_none_or(|size| size == blob.size) {
                    return Ok(Taken::There(blob));
                }
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

enum Taken {
    There(Blob),
    Partial(Partial),
}

/// How large an answer may be, in bytes.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Exactly, where that is known.
    size: Option<u64>,
    /// At most.
    size_max: u64,
}

impl Want {
    fn bounds(&self) -> Bounds {
        Bounds { size: self.size, size_max: self.size_max }
    }
}
