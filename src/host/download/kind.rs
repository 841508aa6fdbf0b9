// SPDX-License-Identifier: Apache-2.0
//! What can go wrong with a download, in words; sorted from what the HTTP library reports.

use super::error::{PlainRedirect, TooManyRedirects, shown};
use super::tls;
use crate::cause::{find, root_of};
use crate::digest::Digest;
use crate::host::cache::CacheError;
use crate::host::files::FileError;

/// What went wrong with a download.
#[derive(Debug, thiserror::Error)]
pub enum DownloadErrorKind {
    /// A setting of kiln's own is wrong.
    #[error("{0}")]
    Setting(String),
    /// No HTTPS address.
    #[error("it is no https:// address")]
    BadUrl,
    /// A redirect to an unencrypted address.
    #[error("the server leads to plain HTTP ({to}), which kiln refuses")]
    PlainHttp {
        /// Where to.
        to: String,
    },
    /// A loop of redirects.
    #[error("the server redirects more than {0} times")]
    Redirects(usize),
    /// 404 or 410.
    #[error("the server has no such file ({0})")]
    NotFound(u16),
    /// Any other status.
    #[error("the server answers {0}")]
    Status(u16),
    /// The server wants to be left alone for longer than kiln waits.
    #[error("the server answers {status} and asks to wait {wait_s} s")]
    Wait {
        /// The status.
        status: u16,
        /// What it asks for, in seconds.
        wait_s: u64,
    },
    /// The name is not known.
    #[error("can't look up the server's name: {0}")]
    Dns(String),
    /// No connection.
    #[error("can't connect: {0}")]
    Connect(String),
    /// The server is not who it says.
    #[error("the server's certificate or TLS is not good: {0}")]
    Tls(String),
    /// Nothing came for too long.
    #[error("the server sent nothing for {limit_s} s")]
    Stalled {
        /// The limit, in seconds.
        limit_s: u64,
    },
    /// It took too long as a whole.
    #[error("it was not done within {limit_s} s")]
    Timeout {
        /// The limit, in seconds.
        limit_s: u64,
    },
    /// Another download of the same file went on for too long.
    #[error("another kiln has been fetching it for {limit_s} s")]
    Busy {
        /// The limit, in seconds.
        limit_s: u64,
    },
    /// The answer ended early.
    #[error("it ends after {got} of {promised} bytes")]
    Truncated {
        /// Bytes that came, those of earlier attempts included.
        got: u64,
        /// Bytes that the server promised.
        promised: u64,
    },
    /// The answer is longer than it may be.
    #[error("it is longer than {limit} bytes")]
    TooLong {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The server's file has another size.
    #[error("it has {found} bytes instead of {expected}: the file has been changed upstream")]
    Size {
        /// What was known.
        expected: u64,
        /// What the server has.
        found: u64,
    },
    /// The file has another digest.
    #[error("its sha256 is {found} instead of {expected}: the file has been changed on its way or upstream")]
    Sha256 {
        /// What was known.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// The file has another digest.
    #[error("its sha512 is {found} instead of {expected}: the file has been changed on its way or upstream")]
    Sha512 {
        /// What was known, in hex.
        expected: String,
        /// What came, in hex.
        found: String,
    },
    /// The server answers a request for the rest of a file with something else.
    #[error("the server sends another part of it than asked for")]
    Range,
    /// The rest is of another file than the beginning.
    #[error("the server has another file by now than when it was begun")]
    OtherFile,
    /// Something else broke the connection.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// This machine's disk.
    #[error("{}: {}", .0, .0.source)]
    Disk(FileError),
    /// This machine's cache.
    #[error("{0}")]
    Cache(CacheError),
}

impl DownloadErrorKind {
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Status(status) => matches!(status, 408 | 429 | 500..),
            Self::Dns(_)
            | Self::Connect(_)
            | Self::Stalled { .. }
            | Self::Truncated { .. }
            | Self::Range
            | Self::OtherFile
            | Self::Broken(_)
            | Self::Wait { .. }
            | Self::Timeout { .. }
            | Self::Busy { .. } => true,
            _ => false,
        }
    }

    pub(super) fn fix(&self) -> Option<&'static str> {
        Some(match self {
            Self::BadUrl => "give an address that starts with https://",
            Self::PlainHttp { .. } => "name a mirror that stays with https",
            Self::NotFound(_) => "check the version and the address",
            Self::Dns(_) | Self::Connect(_) => "check the network, HTTPS_PROXY and /etc/resolv.conf",
            Self::Tls(why) if why == tls::UNKNOWN_ISSUER => {
                "if it is your proxy's or mirror's, name its CA's PEM file in KILN_CA_FILE"
            }
            Self::Wait { .. } | Self::Timeout { .. } => {
                "run the same command again later; it goes on where it was"
            }
            _ => return None,
        })
    }

    /// Sorts what the HTTP library reports. `stall_s` is the limit that a timeout has hit.
    pub(super) fn of(error: &reqwest::Error, stall_s: u64, redirects: usize) -> Self {
        if let Some(redirect) = find::<PlainRedirect>(error) {
            return Self::PlainHttp { to: shown(&redirect.to) };
        }
        if find::<TooManyRedirects>(error).is_some() {
            return Self::Redirects(redirects);
        }
        if let Some(tls) = find::<rustls::Error>(error) {
            return Self::Tls(tls::words(tls));
        }
        match error {
            _ if error.is_builder() => Self::BadUrl,
            _ if error.is_dns() => Self::Dns(dns_words(&root_of(error))),
            _ if error.is_timeout() && error.is_connect() => Self::Connect("no answer in time".to_owned()),
            _ if error.is_timeout() => Self::Stalled { limit_s: stall_s },
            _ if error.is_connect() => Self::Connect(root_of(error)),
            _ if is_early_end(error) => Self::Broken("the server ended it early".to_owned()),
            _ => Self::Broken(root_of(error)),
        }
    }
}

/// Leaves out of a resolver's words how it writes its question down.
fn dns_words(words: &str) -> String {
    match words.split_once(" for Query {") {
        Some((words, _)) => words.to_owned(),
        None => words.to_owned(),
    }
}

/// Tells whether the connection ended without TLS' own farewell.
fn is_early_end(error: &reqwest::Error) -> bool {
    find::<std::io::Error>(error).is_some_and(|error| error.kind() == std::io::ErrorKind::UnexpectedEof)
}

impl From<FileError> for DownloadErrorKind {
    fn from(error: FileError) -> Self {
        Self::Disk(error)
    }
}

impl From<CacheError> for DownloadErrorKind {
    fn from(error: CacheError) -> Self {
        match error {
            CacheError::File(error) => Self::Disk(error),
            other => Self::Cache(other),
        }
    }
}
