// SPDX-License-Identifier: Apache-2.0
//! Why a manifest could not be pinned.

use std::path::PathBuf;

use crate::digest::Digest;
use crate::exit::Exit;
use crate::host::cache::CacheError;
use crate::host::download::DownloadError;
use crate::host::files::FileError;
use crate::lock::{Misfit, TrustLevel};
use crate::openpgp::OpenpgpError;
use crate::release::ReleaseError;
use crate::sigstore::SigstoreError;

use super::{MakeError, Move};

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// `--locked` without a lock.
    #[error("there is no lock, and --locked refuses to make one; run `kiln lock`")]
    NoLock,
    /// The lock is of another state of the manifest.
    #[error("the lock does not fit its manifest; run `kiln lock`\n{}", lines(.0.iter()))]
    Misfits(Vec<Misfit>),
    /// Something would move under `--locked`.
    #[error("the lock would change, and --locked refuses to change it; run `kiln lock`\n{}", lines(.0.iter()))]
    Moves(Vec<Move>),
    /// `--upgrade` of something unknown.
    #[error("the manifest has no input '{name}'; it has {known}")]
    NoInput {
        /// What was named.
        name: String,
        /// All inputs.
        known: String,
    },
    /// Inputs, by name.
    #[error("{}", lines(.0.iter().map(|(name, error)| format!("{name}: {}", whole(error)))))]
    Inputs(Vec<(String, InputError)>),
}

/// What is wrong with one input.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// It could not be fetched.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// Upstream, or a mirror, gives something else than what is pinned.
    #[error("{error}; if the change is meant, run `kiln lock --upgrade {name}`")]
    Changed {
        /// The input.
        name: String,
        /// Both digests or sizes.
        error: DownloadError,
    },
    /// The table has no place for it.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// The file that should say what is newest does not.
    #[error("{url} names no version")]
    Pointer {
        /// Where it lies.
        url: String,
    },
    /// The file of digests lacks the one, or has two for it.
    #[error("{url} holds no sha256 of '{file}', or several")]
    NoDigest {
        /// Where it lies.
        url: String,
        /// What it should hold a digest of.
        file: String,
    },
    /// Its signature does not count.
    #[error("its signature {url} does not count: {error}")]
    Signature {
        /// Where it lies.
        url: String,
        /// Why not.
        error: OpenpgpError,
    },
    /// The key file does not count.
    #[error("the key {url} does not count: {error}")]
    Key {
        /// Where it lies.
        url: String,
        /// Why not.
        error: OpenpgpError,
    },
    /// Certificate, authority or signature of a keyless signature don't count.
    #[error("{url} does not count: {error}")]
    Keyless {
        /// Which of them: where it lies.
        url: String,
        /// Why not.
        error: SigstoreError,
    },
    /// Nothing may be fetched, and it is not in the cache.
    #[error(
        "it is not in the cache, and --offline fetches nothing; run `kiln fetch` where there is a network"
    )]
    Offline,
    /// Nothing may be fetched, and what the cache has is not it any more.
    #[error(
        "{} is damaged: its bytes are not those of its name; --offline fetches nothing; run `kiln fetch` where there is a network",
        path.display()
    )]
    Damaged {
        /// The file in the cache.
        path: PathBuf,
    },
    /// The lock says of a pinned file what is not so.
    #[error("the lock was changed by hand: {what}; restore it, or run `kiln lock --upgrade {name}`")]
    Edited {
        /// The input.
        name: String,
        /// What is right, and what the lock says.
        what: String,
    },
    /// A local file is not what the manifest says.
    #[error("the sha256 of {path} is {found}, but the manifest says {expected}")]
    NotAsGiven {
        /// The file.
        path: String,
        /// What the manifest says.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// A local file is not what was pinned.
    #[error(
        "{path} has changed since it was pinned: its sha256 is {found} instead of {expected}; if that is meant, run \
         `kiln lock --upgrade {name}`"
    )]
    FileChanged {
        /// The input.
        name: String,
        /// The file.
        path: String,
        /// What is pinned.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// It could not be built.
    #[error(transparent)]
    Make(MakeError),
    /// What is built here is not what is pinned.
    #[error("what is built here is not what is locked ({why}); run `kiln lock` without --locked")]
    BuiltDiffers {
        /// What has moved.
        why: String,
    },
    /// Less trust than required.
    #[error("its trust is '{has}', but 'require: {needs}' asks for more; {fix}")]
    TooWeak {
        /// What it has.
        has: TrustLevel,
        /// What the manifest asks for.
        needs: TrustLevel,
        /// What to do.
        fix: String,
    },
    /// This machine's disk.
    #[error("{error}: {}", error.source)]
    File {
        /// What failed.
        error: FileError,
    },
    /// This machine's cache.
    #[error(transparent)]
    Cache(CacheError),
}

impl From<CacheError> for InputError {
    fn from(error: CacheError) -> Self {
        match error {
            CacheError::File(error) => Self::File { error },
            other => Self::Cache(other),
        }
    }
}

impl PinError {
    /// Returns what the program ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::NoLock | Self::Misfits(_) | Self::Moves(_) | Self::NoInput { .. } => Exit::Config,
            Self::Inputs(errors) if errors.iter().all(|(_, error)| error.may_pass()) => Exit::TryAgain,
            Self::Inputs(_) => Exit::Failed,
        }
    }
}

impl InputError {
    /// Tells whether trying again later may help without changing anything.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Download(error) if error.may_pass())
            || matches!(self, Self::Cache(CacheError::Busy { .. }))
    }
}

/// An error with all its reasons, in one line as far as they are.
fn whole(error: &InputError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(reason) = next {
        text += &format!(": {reason}");
        next = reason.source();
    }
    text
}

fn lines(all: impl Iterator<Item = impl ToString>) -> String {
    all.map(|it| it.to_string()).collect::<Vec<_>>().join("\n")
}
