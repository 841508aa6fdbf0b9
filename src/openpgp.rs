// SPDX-License-Identifier: Apache-2.0
//! OpenPGP: whether a detached signature over a file counts, and whose it is (RFC 9580).
//!
//! Only keys whose primary fingerprint is known beforehand count; a subkey counts by its binding signatures. Keys are
//! judged at the time of the signature, so that an image signed before a key expired stays good. It fetches nothing,
//! has no keyring, and knows no web of trust.

mod cert;
mod date;
mod judge;
mod signature;

use std::io::Read;

use pgp::packet::Signature;

pub use cert::Keys;
pub use date::date;

/// How far a signature may lie in the future, in seconds: clocks that NTP keeps differ by less.
pub const SKEW_MAX_S: u64 = 300;

/// Larger than any key file (Flatcar's has about 20 KiB).
pub const KEY_MAX_BYTES: u64 = 1 << 20;

/// Larger than any detached signature.
pub const SIGNATURE_MAX_BYTES: u64 = 64 << 10;

/// A primary fingerprint that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// 40 upper-case hex digits.
    pub fingerprint: String,
    /// Whether it is named in the manifest instead of compiled in.
    pub by_manifest: bool,
}

/// Whose good signature a file carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Primary fingerprint.
    pub key: String,
    /// Fingerprint of the (sub)key that signed.
    pub signer: String,
    /// Time of the signature, seconds since 1970.
    pub signed_at_s: u64,
    /// Whether the key is named in the manifest instead of compiled in.
    pub by_manifest: bool,
}

/// Why a signature or key does not count.
#[derive(Debug, thiserror::Error)]
pub enum OpenpgpError {
    /// The key file is no key file.
    #[error("no OpenPGP key could be read: {0}")]
    MalformedKey(String),
    /// The signature file is no signature file.
    #[error("no OpenPGP signature could be read: {0}")]
    MalformedSignature(String),
    /// The key file holds none of the accepted keys.
    #[error("the key file holds {found}, but only {accepted} counts")]
    NotAccepted {
        /// Primary fingerprints in the file.
        found: String,
        /// Primary fingerprints that count.
        accepted: String,
    },
    /// Made by somebody else.
    #[error("it is signed by {issuer}, which belongs to no accepted key ({accepted})")]
    UnknownSigner {
        /// Fingerprint or key ID in the signature.
        issuer: String,
        /// Primary fingerprints that count.
        accepted: String,
    },
    /// Not a signature over a file's bytes.
    #[error("it is a {0} signature, not one over a file's bytes")]
    WrongType(String),
    /// Made with a hash for which collisions can be made.
    #[error("it is made with {0}, which is too weak to count")]
    Weak(String),
    /// Dated later than now.
    #[error("it is dated {}, which is in the future (now is {})", date(*.signed_at_s), date(*.now_s))]
    Future {
        /// Time of the signature.
        signed_at_s: u64,
        /// Time now.
        now_s: u64,
    },
    /// The signature has an end, which is over.
    #[error("it has expired on {}", date(*.0))]
    Expired(u64),
    /// The key may not sign, or was not bound to its primary key properly.
    #[error("key {signer} may not sign: {why}")]
    Unfit {
        /// The (sub)key's fingerprint.
        signer: String,
        /// What is missing.
        why: &'static str,
    },
    /// Signed before the key was made or after it expired.
    #[error("key {key} was not valid on {}, when it signed: {why} {}", date(*.signed_at_s), date(*.at_s))]
    OutOfTime {
        /// The primary's or the subkey's fingerprint.
        key: String,
        /// Time of the signature.
        signed_at_s: u64,
        /// "expired on", "made on" or "withdrawn on".
        why: &'static str,
        /// When that was.
        at_s: u64,
    },
    /// The owner says that others may have had the key.
    #[error("key {0} has been revoked by its owner")]
    Revoked(String),
    /// Signature, key and file don't fit.
    #[error("the file is not what {signer} signed on {}", date(*.signed_at_s))]
    Wrong {
        /// The (sub)key's fingerprint.
        signer: String,
        /// Time of the signature.
        signed_at_s: u64,
    },
    /// The file could not be read.
    #[error("the signed file can't be read: {0}")]
    Read(std::io::Error),
}

/// Checks the detached signature `signature` (binary or armored) over all that `data` gives, which is read in pieces.
///
/// Of several signatures one good one will do; if none is, the error is that of the last.
///
/// # Errors
/// If no signature counts at `now_s` (seconds since 1970); see [`OpenpgpError`].
pub fn verify(
    keys: &Keys,
    signature: &[u8],
    now_s: u64,
    open: &mut dyn FnMut() -> std::io::Result<Box<dyn Read>>,
) -> Result<Signed, OpenpgpError> {
    let mut last = OpenpgpError::MalformedSignature("the file is empty".to_owned());
    for signature in signature::parse(signature)? {
        match verify_one(keys, &signature, now_s, open) {
            Ok(signed) => return Ok(signed),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn verify_one(
    keys: &Keys,
    signature: &Signature,
    now_s: u64,
    open: &mut dyn FnMut() -> std::io::Result<Box<dyn Read>>,
) -> Result<Signed, OpenpgpError> {
    let signed_at_s = signature::check_form(signature, now_s)?;
    let signer = keys.signer(signature, signed_at_s)?;
    let mut data = signature::Reading::new(open().map_err(OpenpgpError::Read)?);
    let result = signer.verify(signature, &mut data);
    if let Some(error) = data.error() {
        return Err(OpenpgpError::Read(error));
    }
    let fingerprint = signer.fingerprint();
    result.map_err(|_| OpenpgpError::Wrong { signer: fingerprint.clone(), signed_at_s })?;
    let Accepted { fingerprint: key, by_manifest } = signer.accepted.clone();
    Ok(Signed { key, signer: fingerprint, signed_at_s, by_manifest })
}
