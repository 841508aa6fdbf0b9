// SPDX-License-Identifier: Apache-2.0
//! OCI: archives of container images, made here of one static program or taken from elsewhere, in one form.
//!
//! An archive that goes into an image is always of kiln's own writing: one image for one architecture, the same bytes for
//! the same contents, loadable by containerd and by Docker. What came from elsewhere keeps its manifest, configuration and
//! layers byte for byte, and so its digest. Formats: OCI image layout and image manifest (github.com/opencontainers/image-spec
//! 1.1), and Docker's `manifest.json` beside them, without which `docker load` takes no archive. No file is opened here.

mod archive;
mod json;
mod made;
mod taken;

use crate::digest::Digest;

pub use archive::{Member, members, write};
pub use made::{Program, layer, made};
pub use taken::{TEXT_MAX_BYTES, Taken, TakenError, Wanted, taken};

/// An image, ready to be written as an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Whole names, at least one.
    pub names: Vec<String>,
    /// The manifest.
    pub manifest: Text,
    /// Its configuration.
    pub config: Text,
    /// Its layers, the lowest first.
    pub layers: Vec<Blob>,
}

/// A small JSON text of an image, whose digest is over these bytes and no others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// `application/vnd.oci.image.manifest.v1+json` and the like.
    pub media_type: String,
    /// The text.
    pub bytes: Vec<u8>,
}

/// Something that is named by its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Blob {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

impl Text {
    /// Returns digest and size.
    pub fn blob(&self) -> Blob {
        Blob { digest: Digest::of(&self.bytes), size: self.bytes.len() as u64 }
    }
}
