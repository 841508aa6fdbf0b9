// SPDX-License-Identifier: Apache-2.0
//! Why an image was not published, or not withdrawn. What was done by then is in the journal.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use super::journal::JournalError;
use crate::bake::BakeError;
use crate::cause;
use crate::cloud::CloudError;
use crate::exit::Exit;
use crate::gpt;
use crate::host::disk::OpenError;
use crate::host::files::FileError;
use crate::problem::Problems;
use crate::read;

/// Why there is no publication.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The target, the image, or what stands in the way in a region.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// Calls that failed, at most one for each region.
    #[error("{}", lines(.0))]
    Cloud(Vec<CloudError>),
    /// The image as a disk.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its partition table.
    #[error(transparent)]
    Gpt(#[from] gpt::Error),
    /// What it says of itself.
    #[error("can't read what the image says of itself; kiln publishes what kiln has baked")]
    Account(#[source] read::Error),
    /// What it says of itself is not understood.
    #[error("can't understand what the image says of itself")]
    Json(#[source] serde_json::Error),
    /// The base.
    #[error(transparent)]
    Base(Box<BakeError>),
    /// A file of this machine.
    #[error(transparent)]
    File(#[from] FileError),
    /// The journal is none.
    #[error("can't go on from {}", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// Why not.
        #[source]
        source: JournalError,
    },
    /// Another kiln holds the journal.
    #[error("another kiln publishes this image: it holds {}", .0.display())]
    Busy(PathBuf),
    /// The image could not be read.
    #[error("can't read {what}")]
    Read {
        /// The image or its base.
        what: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The image is not what it was, or not what its description says.
    #[error(
        "block {index} of {what} is not what was hashed before; bake the image again, or remove the description \
         beside it"
    )]
    Changed {
        /// The image or its base.
        what: String,
        /// The block.
        index: u64,
    },
    /// A snapshot went while it was written.
    #[error(
        "{snapshot} in {region} has expired or was deleted while it was written; run again, and its blocks are \
         sent anew"
    )]
    Expired {
        /// The region.
        region: String,
        /// `snap-...`
        snapshot: String,
    },
    /// A snapshot or an image failed at the service.
    #[error("{id} in {region} has failed: {reason}")]
    Failed {
        /// The region.
        region: String,
        /// What failed.
        id: String,
        /// The service's reason.
        reason: String,
    },
    /// Something was not ready in time.
    #[error("{what} in {region} is not ready after {limit_s} s; run again to go on waiting")]
    NotReady {
        /// The region.
        region: String,
        /// What was awaited.
        what: String,
        /// How long was waited.
        limit_s: u64,
    },
    /// The images' name is another image's.
    #[error("'{name}' is the name of another image in {region}, {image}; let {{{{ image }}}} be part of it")]
    NameTaken {
        /// The region.
        region: String,
        /// The name.
        name: String,
        /// Whose it is.
        image: String,
    },
    /// More than one of these.
    #[error("{}", chains(.0))]
    Several(Vec<Self>),
}

fn lines(errors: &[CloudError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Each with what it came from, since only one of several could hand its source on.
fn chains(errors: &[PublishError]) -> String {
    let chain = |error: &PublishError| match error.source() {
        Some(_) => format!("{error}: {}", cause::root_of(error)),
        None => error.to_string(),
    };
    errors.iter().map(chain).collect::<Vec<_>>().join("\n")
}

impl From<CloudError> for PublishError {
    fn from(error: CloudError) -> Self {
        Self::Cloud(vec![error])
    }
}

impl From<BakeError> for PublishError {
    fn from(error: BakeError) -> Self {
        Self::Base(Box::new(error))
    }
}

impl PublishError {
    /// Puts errors together; none of none.
    pub(super) fn all(mut errors: Vec<Self>) -> Result<(), Self> {
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(Self::Several(errors)),
        }
    }

    /// Returns what the program ends with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Problems(_) | Self::Account(_) | Self::Json(_) | Self::NameTaken { .. } => Exit::Config,
            Self::Cloud(errors) if errors.iter().all(CloudError::may_pass) => Exit::TryAgain,
            Self::Busy(_) | Self::Expired { .. } | Self::NotReady { .. } => Exit::TryAgain,
            Self::Several(errors) if errors.iter().all(|error| error.exit() == Exit::TryAgain) => {
                Exit::TryAgain
            }
            Self::Base(error) => error.exit(),
            _ => Exit::Failed,
        }
    }
}
