// SPDX-License-Identifier: Apache-2.0
//! A detached signature itself: its form, its dates, its hash; not yet whose it is.

use std::io::{self, Read};

use pgp::composed::{Deserializable, DetachedSignature};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType, SignatureVersion};

use super::{OpenpgpError, SKEW_MAX_S};

/// More than anybody puts into one file.
const SIGNATURES_MAX: usize = 16;

/// Parses the signatures of one file, binary or armored. Those that can't be read are left out, as long as one can.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Signature>, OpenpgpError> {
    let malformed = |error: pgp::errors::Error| OpenpgpError::MalformedSignature(error.to_string());
    let (signatures, _) = DetachedSignature::from_reader_many_buf(bytes).map_err(malformed)?;
    let (good, bad): (Vec<_>, Vec<_>) = signatures.take(SIGNATURES_MAX).partition(Result::is_ok);
    match bad.into_iter().next() {
        Some(Err(error)) if good.is_empty() => Err(malformed(error)),
        _ => Ok(good.into_iter().flatten().map(|parsed| parsed.signature).collect()),
    }
}

/// Checks what can be judged without a key, and returns the time of the signature.
pub(super) fn check_form(signature: &Signature, now_s: u64) -> Result<u64, OpenpgpError> {
    let malformed = |why: &str| OpenpgpError::MalformedSignature(why.to_owned());
    if !matches!(signature.version(), SignatureVersion::V4 | SignatureVersion::V6) {
        return Err(malformed(&format!("version {:?} is not supported", signature.version())));
    }
    match signature.typ() {
        Some(SignatureType::Binary) => {}
        Some(other) => return Err(OpenpgpError::WrongType(format!("{other:?}"))),
        None => return Err(malformed("it has no type")),
    }
    check_hash(signature).map_err(OpenpgpError::Weak)?;
    let signed_at_s = created(signature).ok_or_else(|| malformed("it has no date"))?;
    if signed_at_s > now_s + SKEW_MAX_S {
        return Err(OpenpgpError::Future { signed_at_s, now_s });
    }
    match signature.signature_expiration_time().map(|time| u64::from(time.as_secs())) {
        Some(time) if time > 0 && signed_at_s + time < now_s => {
            Err(OpenpgpError::Expired(signed_at_s + time))
        }
        _ => Ok(signed_at_s),
    }
}

/// Returns the time of a signature from the part of it that is signed, in seconds since 1970.
pub(super) fn created(signature: &Signature) -> Option<u64> {
    signature.created().map(|time| u64::from(time.as_secs()))
}

/// Refuses hashes for which two texts of one hash can be made (RFC 9580 section 9.5); the error is the hash's name.
pub(super) fn check_hash(signature: &Signature) -> Result<(), String> {
    match signature.hash_alg() {
        Some(
            HashAlgorithm::Sha224
            | HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512,
        ) => Ok(()),
        Some(other) => Err(other.to_string()),
        None => Err("an unknown hash".to_owned()),
    }
}

/// Remembers why reading failed: the OpenPGP library tells a bad disk like a bad signature.
pub(super) struct Reading {
    data: Box<dyn Read>,
    error: Option<io::Error>,
}

impl Reading {
    pub(super) fn new(data: Box<dyn Read>) -> Self {
        Self { data, error: None }
    }

    pub(super) fn error(self) -> Option<io::Error> {
        self.error
    }
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.data.read(buffer).map_err(|error| {
            let kind = error.kind();
            if kind == io::ErrorKind::Interrupted {
                return error;
            }
            self.error = Some(error);
            kind.into()
        })
    }
}
