// SPDX-License-Identifier: Apache-2.0
//! Keys: which (sub)key made a signature, and whether it was fit to at that time.

use pgp::composed::{Deserializable, SignedPublicKey, SignedPublicSubKey};
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, Tag};

use super::judge::{check_revocations, check_times, has_flags, in_effect};
use super::signature::check_hash;
use super::{Accepted, OpenpgpError};

/// More than any key file holds.
const CERTS_MAX: usize = 64;

/// The accepted keys of a key file.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    certs: Vec<(SignedPublicKey, Accepted)>,
}

/// The (sub)key that a signature was made with.
#[derive(Debug)]
pub(super) struct Signer<'a> {
    cert: &'a SignedPublicKey,
    /// None: the primary key itself.
    subkey: Option<&'a SignedPublicSubKey>,
    /// By which accepted fingerprint it counts.
    pub(super) accepted: &'a Accepted,
}

impl Keys {
    /// Reads a key file (binary or armored) and keeps the keys whose primary fingerprint is among `accepted`.
    ///
    /// # Errors
    /// If it can't be parsed or holds none of the accepted keys.
    pub fn parse(bytes: &[u8], accepted: &[Accepted]) -> Result<Self, OpenpgpError> {
        let malformed = |error: pgp::errors::Error| OpenpgpError::MalformedKey(error.to_string());
        let (parsed, _) = SignedPublicKey::from_reader_many_buf(bytes).map_err(malformed)?;
        let parsed = parsed.take(CERTS_MAX).collect::<Result<Vec<_>, _>>().map_err(malformed)?;
        let found: Vec<String> = parsed.iter().map(fingerprint).collect();
        let certs = parsed.into_iter().filter_map(|cert| {
            let fingerprint = fingerprint(&cert);
            let accepted = accepted.iter().find(|accepted| accepted.fingerprint == fingerprint)?;
            Some((cert, accepted.clone()))
        });
        let certs: Vec<_> = certs.collect();
        if certs.is_empty() {
            let found = if found.is_empty() { "no key".to_owned() } else { found.join(", ") };
            return Err(OpenpgpError::NotAccepted { found, accepted: names(accepted.iter()) });
        }
        Ok(Self { certs })
    }

    /// Returns the keys of several files as one.
    pub fn merged(files: &[Self]) -> Self {
        Self { certs: files.iter().flat_map(|keys| keys.certs.iter().cloned()).collect() }
    }

    /// Finds the key that says it made `signature` and judges it at `at_s`.
    pub(super) fn signer(&self, signature: &Signature, at_s: u64) -> Result<Signer<'_>, OpenpgpError> {
        let signer = self.certs.iter().find_map(|(cert, accepted)| {
            if is_issuer(signature, &cert.primary_key) {
                return Some(Signer { cert, subkey: None, accepted });
            }
            let subkey = cert.public_subkeys.iter().find(|subkey| is_issuer(signature, &subkey.key))?;
            Some(Signer { cert, subkey: Some(subkey), accepted })
        });
        let signer = signer.ok_or_else(|| OpenpgpError::UnknownSigner {
            issuer: issuer(signature),
            accepted: names(self.certs.iter().map(|(_, accepted)| accepted)),
        })?;
        signer.check_primary(at_s)?;
        signer.check_subkey(at_s)?;
        Ok(signer)
    }
}

impl Signer<'_> {
    /// Returns the (sub)key's fingerprint.
    pub(super) fn fingerprint(&self) -> String {
        self.subkey.map_or_else(|| fingerprint(&self.cert.primary_key), |subkey| fingerprint(&subkey.key))
    }

    /// Checks that `signature` is this key's over `data`.
    pub(super) fn verify(
        &self,
        signature: &Signature,
        data: impl std::io::Read,
    ) -> Result<(), pgp::errors::Error> {
        match self.subkey {
            Some(subkey) => signature.verify(&subkey.key, data),
            None => signature.verify(&self.cert.primary_key, data),
        }
    }

    fn check_primary(&self, at_s: u64) -> Result<(), OpenpgpError> {
        let primary = &self.cert.primary_key;
        let name = fingerprint(primary);
        let revocations = self.cert.details.revocation_signatures.iter();
        check_revocations(&name, revocations.filter(|it| it.verify_key(primary).is_ok()), at_s)?;
        let own = self.self_signatures();
        let unfit = |why| OpenpgpError::Unfit { signer: name.clone(), why };
        let current = in_effect(own, at_s).ok_or_else(|| unfit("it says nothing valid about itself"))?;
        check_times(&name, primary, current, at_s)?;
        if self.subkey.is_none() && has_flags(current) && !current.key_flags().sign() {
            return Err(unfit("its owner made it for other uses"));
        }
        Ok(())
    }

    fn check_subkey(&self, at_s: u64) -> Result<(), OpenpgpError> {
        let (Some(subkey), primary) = (self.subkey, &self.cert.primary_key) else { return Ok(()) };
        let name = fingerprint(&subkey.key);
        let good = |kind| {
            let signatures = subkey.signatures.iter().filter(move |it| it.typ() == Some(kind));
            signatures.filter(|it| it.verify_subkey_binding(primary, &subkey.key).is_ok())
        };
        check_revocations(&name, good(SignatureType::SubkeyRevocation), at_s)?;
        let unfit = |why| OpenpgpError::Unfit { signer: name.clone(), why };
        let bindings = good(SignatureType::SubkeyBinding).filter(|it| check_hash(it).is_ok());
        let binding = in_effect(bindings.collect(), at_s)
            .ok_or_else(|| unfit("its primary key has not bound it by a good signature"))?;
        check_times(&name, &subkey.key, binding, at_s)?;
        if !binding.key_flags().sign() {
            return Err(unfit("its owner made it for other uses"));
        }
        // Without the subkey's own consent anybody could claim somebody else's subkey (RFC 9580 section 5.2.1.8).
        let back = binding.embedded_signature().filter(|back| check_hash(back).is_ok());
        match back.map(|back| back.verify_primary_key_binding(&subkey.key, primary)) {
            Some(Ok(())) => Ok(()),
            _ => Err(unfit("it has not confirmed its primary key by a good signature")),
        }
    }

    /// Good self-signatures of the primary key, over itself or over a user's name.
    fn self_signatures(&self) -> Vec<&Signature> {
        let (primary, details) = (&self.cert.primary_key, &self.cert.details);
        let direct = details.direct_signatures.iter().filter(|it| it.verify_key(primary).is_ok());
        let users = details.users.iter().flat_map(|user| {
            let certifications = user.signatures.iter().filter(|it| it.is_certification());
            certifications
                .filter(|it| it.typ() != Some(SignatureType::CertRevocation))
                .filter(|it| it.verify_certification(primary, Tag::UserId, &user.id).is_ok())
        });
        direct.chain(users).filter(|it| check_hash(it).is_ok()).collect()
    }
}

fn is_issuer(signature: &Signature, key: &impl KeyDetails) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if fingerprints.is_empty() {
        return signature.issuer_key_id().into_iter().any(|id| *id == key.legacy_key_id());
    }
    fingerprints.into_iter().any(|fingerprint| *fingerprint == key.fingerprint())
}

fn issuer(signature: &Signature) -> String {
    let fingerprint = signature.issuer_fingerprint().first().map(|it| format!("{it:X}"));
    let id =
        || signature.issuer_key_id().first().map(|it| format!("key ID {}", it.to_string().to_uppercase()));
    fingerprint.or_else(id).unwrap_or_else(|| "nobody it names".to_owned())
}

fn fingerprint(key: &impl KeyDetails) -> String {
    format!("{:X}", key.fingerprint())
}

fn names<'a>(accepted: impl Iterator<Item = &'a Accepted>) -> String {
    accepted.map(|it| it.fingerprint.as_str()).collect::<Vec<_>>().join(", ")
}
