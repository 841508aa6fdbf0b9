// SPDX-License-Identifier: Apache-2.0
//! What the caller says: how to reach servers, how long to wait, what to fetch.

use std::path::PathBuf;
use std::time::Duration;

use crate::digest::Digest;

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

/// How large an answer may be, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Exactly, where that is known.
    pub(super) size: Option<u64>,
    /// At most.
    pub(super) size_max: u64,
}

impl Want {
    pub(super) fn bounds(&self) -> Bounds {
        Bounds { size: self.size, size_max: self.size_max }
    }
}
