// SPDX-License-Identifier: Apache-2.0
//! Whether a key was good at a time, as its own signatures tell.
//!
//! What a primary key says about itself and its subkeys is taken from the newest self-signature that was made before
//! the moment in question, or, where a trimmed key file has none so old, from the oldest.

use pgp::packet::{RevocationCode, Signature, SubpacketData};
use pgp::types::KeyDetails;

use super::OpenpgpError;
use super::signature::created;

/// Refuses what its owner has withdrawn. A key that was merely replaced or retired stays good for what it signed before;
/// any other reason means that somebody else may have dated a signature back (RFC 9580 section 5.2.3.31).
pub(super) fn check_revocations<'a>(
    key: &str,
    revocations: impl Iterator<Item = &'a Signature>,
    at_s: u64,
) -> Result<(), OpenpgpError> {
    for revocation in revocations {
        let is_soft = matches!(
            revocation.revocation_reason_code(),
            Some(RevocationCode::KeySuperseded | RevocationCode::KeyRetired)
        );
        match created(revocation) {
            Some(since_s) if is_soft && since_s > at_s => {}
            Some(since_s) if is_soft => {
                let why = "withdrawn on";
                return Err(OpenpgpError::OutOfTime {
                    key: key.to_owned(),
                    signed_at_s: at_s,
                    why,
                    at_s: since_s,
                });
            }
            _ => return Err(OpenpgpError::Revoked(key.to_owned())),
        }
    }
    Ok(())
}

/// Refuses a signature from before the key was made or after it expired, as `current` says.
pub(super) fn check_times(
    key: &str,
    details: &impl KeyDetails,
    current: &Signature,
    signed_at_s: u64,
) -> Result<(), OpenpgpError> {
    let out_of_time =
        |why, at_s| Err(OpenpgpError::OutOfTime { key: key.to_owned(), signed_at_s, why, at_s });
    let made_s = u64::from(details.created_at().as_secs());
    if signed_at_s < made_s {
        return out_of_time("made on", made_s);
    }
    let life_s = current.key_expiration_time().map_or(0, |life| u64::from(life.as_secs()));
    if life_s > 0 && signed_at_s > made_s + life_s {
        return out_of_time("expired on", made_s + life_s);
    }
    Ok(())
}

pub(super) fn in_effect(mut signatures: Vec<&Signature>, at_s: u64) -> Option<&Signature> {
    signatures.sort_by_key(|signature| created(signature));
    let newest_before = signatures.iter().rfind(|signature| created(signature).is_some_and(|it| it <= at_s));
    newest_before.or(signatures.first()).copied()
}

pub(super) fn has_flags(signature: &Signature) -> bool {
    let is_flags = |data: &SubpacketData| matches!(data, SubpacketData::KeyFlags(_));
    signature.config().is_some_and(|config| config.hashed_subpackets().any(|it| is_flags(&it.data)))
}
