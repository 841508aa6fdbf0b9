// SPDX-License-Identifier: Apache-2.0
//! Disk images as files: extents resolved to bytes, written as raw or qcow2, and images of others opened to read.
//!
//! What lies where was decided before ([`crate::disk::Disk`], [`crate::output`]); here bytes are moved, in bounded memory
//! and with holes kept. Nothing is put in place: that is [`crate::host::files::Pending::commit`]'s.

mod blockwise;
mod compare;
mod hash;
mod image;
mod qcow2;
mod raw;
mod reader;

use std::fs::File;
use std::io;

use super::cache::{Cache, Found};
use super::files::{self, FileError, Pending};
use crate::digest::Digest;
use crate::disk::ReadAt;

pub use compare::{CompareError, Compared, compare};
pub use hash::{Hashed, digests, digests_within, image_digests};
pub use image::{OpenError, RawFile, image_in, open_image};
pub use qcow2::{LEVEL, write_qcow2};
pub use raw::{write_raw, write_raw_ahead, write_raw_rest};
pub use reader::{DiskReader, Sources};

/// An image that is open to read.
pub trait Image: ReadAt {
    /// Returns the file whose bytes are the image's own, if there is one, so that the kernel can copy them.
    fn file(&self) -> Option<&File> {
        None
    }
}

/// Finds the files of the content-addressed store.
pub trait Blobs: Send + Sync {
    /// Opens the file with this digest. Its content has been verified.
    ///
    /// # Errors
    /// As the system says; not found, if the store does not have it.
    fn open(&self, digest: &Digest) -> io::Result<File>;
}

impl Blobs for Cache {
    fn open(&self, digest: &Digest) -> io::Result<File> {
        let blob = match self.look(digest) {
            Found::Sound(blob) => blob,
            Found::Damaged(path) => {
                let what =
                    format!("{} is damaged: its bytes are not those of its name; run again", path.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            Found::Nothing => return Err(io::ErrorKind::NotFound.into()),
        };
        files::open(&blob.path).map_err(|error| error.source)
    }
}

/// Why an image was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// What goes into it could not be read.
    #[error("can't read what goes into {image}")]
    Read {
        /// The image.
        image: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file could not be written.
    #[error(transparent)]
    Write(#[from] FileError),
}

impl WriteError {
    fn reading(pending: &Pending) -> impl Fn(io::Error) -> Self + '_ {
        |source| Self::Read { image: pending.path().display().to_string(), source }
    }
}

/// Returns whether all bytes are zero.
fn is_zero(bytes: &[u8]) -> bool {
    // Or-ing a page before looking lets the compiler use its widest registers.
    bytes.chunks(4096).all(|page| page.iter().fold(0, |all, byte| all | byte) == 0)
}
