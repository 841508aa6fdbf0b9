// SPDX-License-Identifier: Apache-2.0
//! Why somebody else's archive does not have the image.

/// Why there is no such image in the archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TakenError {
    /// The older form of `docker save`.
    #[error(
        "is a Docker archive; kiln takes OCI archives (skopeo copy docker-archive:FILE oci-archive:FILE)"
    )]
    Docker,
    /// No layout in it.
    #[error("is no OCI archive: it has no {0}")]
    Missing(String),
    /// A text that makes no sense.
    #[error("is no OCI archive: {path}: {why}")]
    Malformed {
        /// Which.
        path: String,
        /// In a few words.
        why: String,
    },
    /// A file that is not what its name says.
    #[error("is damaged: {path} has the digest {found} and {size} bytes")]
    Damaged {
        /// Which.
        path: String,
        /// Its digest.
        found: String,
        /// Its size in bytes.
        size: u64,
    },
    /// Several images, and nobody says which.
    #[error("holds several images; let 'name' be one of: {0}")]
    Several(String),
    /// An image without a name.
    #[error("holds an image without a whole name; add 'name', as in registry.example/app:1")]
    Nameless,
    /// Images for other machines.
    #[error("holds no image for linux/{wanted}, but for {found}")]
    Arch {
        /// The image's architecture.
        wanted: &'static str,
        /// What there is.
        found: String,
    },
}

pub(super) fn malformed(path: &str, why: String) -> TakenError {
    TakenError::Malformed { path: path.to_owned(), why }
}
