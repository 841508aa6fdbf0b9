// SPDX-License-Identifier: Apache-2.0
//! Leaves in files of their own: the key first, then the certificate.

use super::Step;
use super::authority::alone;
use super::place;
use super::round::{PUBLIC, Round, SECRET};
use super::table::{Authority, Pair};
use super::trouble::Trouble;
use crate::firstboot::file::File;
use crate::firstboot::pki::{self, Key, LEAF_LIFETIME_S, Leaf, Misfit, Validity};

/// A leaf that expires within this time is renewed: a machine may well run for a month without a boot.
const RENEW_S: u64 = 30 * 24 * 60 * 60;

/// Sees to a key and its certificate.
///
/// A crash leaves nothing, a key, or both: a certificate is never there before its key, and a key is never replaced. So a
/// certificate alone, or one of another key, is not kiln's doing and is left to people.
pub(super) fn settle(round: &mut Round<'_>, wanted: &Pair) {
    let (key_path, path) = (place::key(wanted.base), place::certificate(wanted.base));
    let Some(texts) = round.texts(&key_path, &path) else { return };
    // Without the authority there is nothing to sign or to judge by; that one is missing first.
    let Some(trusted) = round.trusted(wanted.signer) else { return };
    match texts {
        (None, None) => round.missing(|round| {
            // Not a key that nobody here can sign for.
            require_signer(round, wanted.signer, &path)?;
            let text = round.chance.key_pem.clone();
            Ok(Step::Write(File { path: key_path, mode: SECRET, text }))
        }),
        (None, Some(_)) => round.wrong(alone(&path, &key_path)),
        (Some(key), None) => sign(round, wanted, key, &path),
        (Some(key), Some(certificate)) => match judged(round, wanted, key, certificate, trusted) {
            Ok(Verdict::Fits) => {}
            Ok(Verdict::Renew) => sign(round, wanted, key, &path),
            Err(Misfit::NotAKey) => {
                round.wrong(Trouble::misfit(&key_path, &Misfit::NotAKey, remake(wanted.base)));
            }
            Err(misfit) => round.wrong(Trouble::misfit(&path, &misfit, mend(&misfit, wanted.base))),
        },
    }
}

/// What becomes of a certificate without a fault but perhaps its age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It stays.
    Fits,
    /// It is made again.
    Renew,
}

fn judged(
    round: &Round<'_>,
    wanted: &Pair,
    key: &str,
    certificate: &str,
    trusted: &str,
) -> Result<Verdict, Misfit> {
    let judge = |key: Key| pki::judge_leaf(&wanted.leaf, certificate, &key, trusted, round.now_s);
    age(round, wanted.signer, Key::parse(key).and_then(judge))
}

/// Tells a leaf that is old from one that is wrong. It is renewed only where that gains time: not without the
/// authority's key, and not when the authority itself ends then.
pub(super) fn age(
    round: &Round<'_>,
    signer: &Authority,
    judged: Result<Validity, Misfit>,
) -> Result<Verdict, Misfit> {
    let until_s = match &judged {
        Ok(validity) => validity.until_s,
        Err(Misfit::Expired { until_s, .. }) => *until_s,
        Err(_) => return judged.map(|_| Verdict::Fits),
    };
    let end_s = round.signer(signer).and_then(|signer| {
        let validity = pki::judge_authority(signer.certificate, Some(&signer.key), round.now_s).ok()?;
        Some(validity.until_s.min(round.now_s + LEAF_LIFETIME_S))
    });
    let is_old = until_s < round.now_s + RENEW_S && end_s.is_some_and(|end_s| end_s > until_s);
    if is_old { Ok(Verdict::Renew) } else { judged.map(|_| Verdict::Fits) }
}

fn sign(round: &mut Round<'_>, wanted: &Pair, key: &str, path: &str) {
    round.missing(|round| {
        let signed = Key::parse(key)
            .map_err(|misfit| Trouble::misfit(&place::key(wanted.base), &misfit, remake(wanted.base)))?;
        let text = leaf(round, &wanted.leaf, wanted.signer, &signed, path)?;
        Ok(Step::Write(File { path: path.to_owned(), mode: PUBLIC, text }))
    });
}

/// Returns a new leaf's text; `path` is named where it can't be made.
pub(super) fn leaf(
    round: &Round<'_>,
    wanted: &Leaf,
    authority: &Authority,
    key: &Key,
    path: &str,
) -> Result<String, Trouble> {
    let signer = require_signer(round, authority, path)?;
    pki::leaf(wanted, key, signer.certificate, &signer.key, round.now_s)
        .map_err(|misfit| Trouble::misfit(path, &misfit, "mend the settings that it is made from"))
}

fn require_signer<'a>(
    round: &Round<'a>,
    authority: &Authority,
    path: &str,
) -> Result<super::round::Signer<'a>, Trouble> {
    round.signer(authority).ok_or_else(|| {
        let key = place::key(authority.base);
        let what = format!("is missing, and {key} that would sign it is kept elsewhere");
        Trouble::new(path, what, "put it there with its key, signed by that authority")
    })
}

fn mend(misfit: &Misfit, base: &str) -> String {
    if misfit.is_of_time() { "check the clock, or renew it".to_owned() } else { remake(base) }
}

fn remake(base: &str) -> String {
    format!("put the right pair there, or remove {base}.crt and {base}.key so that new ones are made")
}
