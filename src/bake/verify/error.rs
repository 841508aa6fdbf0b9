// SPDX-License-Identifier: Apache-2.0
//! Why an image can't be verified: it can't be read, or can't be baked again here.

use std::io;
use std::path::PathBuf;

use super::moved::Moved;
use crate::bake::BakeError;
use crate::bake::provenance::IMAGE_PATH;
use crate::digest::Digest;
use crate::exit::Exit;
use crate::host::cache::CacheError;
use crate::pin::PinError;
use crate::{gpt, read};

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The image's bytes.
    #[error("can't read {}", image.display())]
    Read {
        /// The image.
        image: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Both copies of its partition table are damaged.
    #[error(transparent)]
    Table(gpt::Error),
    /// kiln has not baked it.
    #[error("it can't be baked again: it has no {IMAGE_PATH} on ROOT, so kiln has not baked it")]
    NoAccount,
    /// It is of a kiln that left the manifest out.
    #[error("it can't be baked again: it carries no manifest; it was baked by kiln {kiln}")]
    NoManifest {
        /// The version of that kiln.
        kiln: String,
    },
    /// The account can't be read.
    #[error("it can't be baked again")]
    Account(#[source] read::Error),
    /// The account can't be understood.
    #[error("it can't be baked again: can't understand its {path}")]
    Garbled {
        /// The file.
        path: &'static str,
        /// Why not.
        #[source]
        source: serde_json::Error,
    },
    /// Another kiln baked it.
    #[error(
        "it can't be baked again: it was baked by kiln {baked}, and this is kiln {running}, which may lay the same things \
         out in another way; verify it with kiln {baked}"
    )]
    OtherKiln {
        /// The version that baked.
        baked: String,
        /// The running version.
        running: String,
    },
    /// The account contradicts itself.
    #[error(
        "it can't be baked again: its account was changed after the bake: it says that its plan is {said}, but its manifest \
         and lock make {made}"
    )]
    Plan {
        /// What stands there.
        said: Digest,
        /// What it should be.
        made: Digest,
    },
    /// Local files that are not there any more, or not what they were.
    #[error("it can't be baked again from the files of this machine, and the cache has no copy of what they were:\n  {}\nname the folder of its manifest with --folder, in the state that was baked",
        lines(.0))]
    Moved(Vec<Moved>),
    /// Inputs that the lock pins and that can't be had.
    #[error("it can't be baked again: {0}")]
    Pin(PinError),
    /// The cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The bake itself.
    #[error("it can't be baked again")]
    Rebake(#[source] BakeError),
    /// What goes into the image can't be read from the cache.
    #[error("can't read what the image is made of")]
    Inputs(#[source] io::Error),
}

fn lines(moved: &[Moved]) -> String {
    moved.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  ")
}

impl VerifyError {
    /// Returns the exit code that fits: wrong configuration for what can't be baked again, unless that may pass.
    pub fn exit(&self) -> Exit {
        match self {
            // What lies far away and did not answer; see `crate::cloud`.
            Self::Read { source, .. } if source.kind() == io::ErrorKind::TimedOut => Exit::TryAgain,
            // A damaged file of the cache: it is fetched or made again.
            Self::Inputs(source) if source.kind() == io::ErrorKind::InvalidData => Exit::TryAgain,
            Self::Read { .. } | Self::Inputs(_) | Self::Cache(_) => Exit::Failed,
            Self::Pin(error) if error.exit() == Exit::TryAgain => Exit::TryAgain,
            Self::Rebake(error) if error.exit() == Exit::TryAgain => Exit::TryAgain,
            _ => Exit::Config,
        }
    }
}
