// SPDX-License-Identifier: Apache-2.0
//! Why a keyless signature does not count, and whose would.

use crate::openpgp::date;

/// Whose signature counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signer {
    /// Mail address of the person or service.
    pub identity: &'static str,
    /// Address of the OpenID Connect server that knows them.
    pub issuer: &'static str,
}

/// Why certificate or signature don't count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigstoreError {
    /// The list of authorities can't be read.
    #[error("no certificates of authorities could be read: {0}")]
    Authority(String),
    /// None of its roots counts.
    #[error("it holds {found}, but only {accepted} counts")]
    NotAccepted {
        /// SHA-256 of each certificate in it.
        found: String,
        /// Those that count.
        accepted: String,
    },
    /// The certificate can't be read.
    #[error("no certificate could be read: {0}")]
    Malformed(String),
    /// Issued later than now.
    #[error("it was issued at {}, which is in the future (now is {})", date(*.issued_at_s), date(*.now_s))]
    Future {
        /// Time of the certificate.
        issued_at_s: u64,
        /// Time now.
        now_s: u64,
    },
    /// No accepted root stands behind it.
    #[error("no accepted root certifies it for signing code: {0}")]
    Chain(String),
    /// It is somebody else's.
    #[error("it is {found}'s, known to {issuer}, and not {}'s, known to {}", .wanted.identity, .wanted.issuer)]
    Other {
        /// Whose.
        found: String,
        /// Known to whom.
        issuer: String,
        /// Whose it should be.
        wanted: Signer,
    },
    /// The signature can't be read.
    #[error("no signature could be read")]
    MalformedSignature,
    /// It is not over this file.
    #[error("the file was changed after it was signed, or the signature is another file's")]
    WrongFile,
}
