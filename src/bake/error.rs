// SPDX-License-Identifier: Apache-2.0
//! Why there is no image.

use std::path::{Path, PathBuf};

use crate::base::UnknownLayout;
use crate::digest::Digest;
use crate::exit::Exit;
use crate::gpt::GrowError;
use crate::host::cache::{Cache, CacheError, Found};
use crate::host::decode::DecodeError;
use crate::host::disk::{OpenError, WriteError};
use crate::host::files::FileError;
use crate::host::unpack::UnpackError;
use crate::pin::{InputError, PinError};
use crate::problem::Problems;
use crate::{ext4, gpt, read};

/// Why a bake ended without an image.
#[derive(Debug, thiserror::Error)]
pub enum BakeError {
    /// Manifest, tree or checks.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// Lock and inputs.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// Upstreams that can't be asked.
    #[error(transparent)]
    Newest(#[from] InputError),
    /// The cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no manifest of that name.
    #[error("there is no manifest {}{}", path.display(), hint(nearest.as_deref()))]
    NoManifest {
        /// The name.
        path: PathBuf,
        /// A file of its folder whose name is much like it.
        nearest: Option<PathBuf>,
    },
    /// An input that the lock names has left the cache meanwhile.
    #[error("{input} has left the cache while it was used; run again")]
    Gone {
        /// The input.
        input: String,
    },
    /// A file of the cache was found damaged while it was used.
    #[error("{input}: {} is damaged: its bytes are not those of its name; run again, and it is fetched or made anew", path.display())]
    Damaged {
        /// The input.
        input: String,
        /// The file.
        path: PathBuf,
    },
    /// An archive.
    #[error("can't unpack {input}")]
    Unpack {
        /// The component.
        input: String,
        /// Why not.
        #[source]
        source: UnpackError,
    },
    /// The archive of a container image.
    #[error("can't write the archive of image {name}")]
    Image {
        /// The image's name in the manifest.
        name: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The compressed base.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The base as a disk.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its partition table.
    #[error(transparent)]
    Gpt(#[from] gpt::Error),
    /// Its layout.
    #[error(transparent)]
    Layout(#[from] UnknownLayout),
    /// The new size.
    #[error("outputs.size")]
    Size(#[from] GrowError),
    /// A filesystem of the base.
    #[error("can't read the base's {partition}")]
    Base {
        /// The partition's label.
        partition: &'static str,
        /// Why not.
        #[source]
        source: read::Fault,
    },
    /// The base's ROOT is not as the vendor ships it.
    #[error(
        "the base's ROOT holds what the vendor does not ship, so kiln does not replace it:\n  {}\nname an image that was never booted",
        found.join("\n  ")
    )]
    Foreign {
        /// Paths, sorted.
        found: Vec<String>,
    },
    /// The base could not be read.
    #[error("can't read the base image")]
    Read(#[source] std::io::Error),
    /// The new ROOT.
    #[error("can't lay out ROOT")]
    Root(#[from] ext4::Error),
    /// The system extension.
    #[error(transparent)]
    Pack(#[from] super::sysext::PackError),
    /// The output.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Something else lies where an output would go.
    #[error("{} is there already and is not what this bake makes; name another folder, or --force to replace it", path.display())]
    InTheWay {
        /// The file.
        path: PathBuf,
    },
    /// What lies where an output would go can't be replaced by a file.
    #[error("{} is there already and is no file; name another folder, or remove it", path.display())]
    NoFile {
        /// The folder or device.
        path: PathBuf,
    },
    /// An output would go where the manifest takes something from.
    #[error("{} is what the image is made from; name another folder for the outputs", path.display())]
    OwnInput {
        /// The file.
        path: PathBuf,
    },
}

fn hint(nearest: Option<&Path>) -> String {
    nearest.map(|path| format!("; did you mean {}?", path.display())).unwrap_or_default()
}

impl BakeError {
    /// Says why the cache has no blob of `digest`, which was there when `input` was pinned.
    pub(super) fn lost(cache: &Cache, digest: &Digest, input: &str) -> Self {
        let input = input.to_owned();
        match cache.look(digest) {
            Found::Damaged(path) => Self::Damaged { input, path },
            Found::Sound(_) | Found::Nothing => Self::Gone { input },
        }
    }

    /// Returns the exit code that fits.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Problems(_) | Self::Size(_) | Self::Root(_) => Exit::Config,
            Self::Pin(error) => error.exit(),
            Self::Newest(error) if error.may_pass() => Exit::TryAgain,
            Self::Cache(CacheError::Busy { .. }) | Self::Gone { .. } | Self::Damaged { .. } => Exit::TryAgain,
            _ => Exit::Failed,
        }
    }
}
