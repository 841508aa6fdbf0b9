// SPDX-License-Identifier: Apache-2.0
//! The authorities: made once, never again.

use super::place;
use super::round::{PUBLIC, Round, SECRET};
use super::table::{Authority, CLUSTER};
use super::trouble::Trouble;
use crate::firstboot::pki::{self, Key};

/// Sees to an authority. A certificate without a key is one whose key is kept elsewhere; its leaves must then be there.
pub(super) fn settle(round: &mut Round<'_>, authority: &Authority) {
    let (key_path, path) = (place::key(authority.base), place::certificate(authority.base));
    let Some(texts) = round.texts(&key_path, &path) else { return };
    match texts {
        (_, None) if round.seen.etcd_data => round.wrong(lost(&path)),
        (None, None) => round.write(&key_path, SECRET, round.chance.key_pem.clone()),
        (Some(key), None) => round.missing(|round| {
            let made =
                Key::parse(key).map_err(|misfit| Trouble::misfit(&key_path, &misfit, put_back(&key_path)))?;
            let made = pki::authority(authority.name, &made, round.now_s);
            let text = made.map_err(|misfit| Trouble::misfit(&path, &misfit, put_back(&path)))?;
            Ok(super::Step::Write(crate::firstboot::file::File { path, mode: PUBLIC, text }))
        }),
        (key, Some(certificate)) => {
            check(round, &path, certificate, key.map(|key| (key_path.as_str(), key)));
            if key.is_none() && authority.base == CLUSTER.base {
                require_signing(round);
            }
        }
    }
}

/// Sees to the pair that signs instead of the cluster CA. It is optional, and never made here.
pub(super) fn settle_signing(round: &mut Round<'_>) {
    let (key_path, path) = (place::key(place::SIGNING), place::certificate(place::SIGNING));
    let Some(texts) = round.texts(&key_path, &path) else { return };
    match texts {
        (Some(key), Some(certificate)) => {
            check(round, &path, certificate, Some((&key_path, key)));
            // Nodes and API server trust what stands in ca.crt: what this pair signs must lead there without more.
            let trusted = round.trusted(&CLUSTER);
            if trusted.is_some_and(|trusted| !pki::holds(trusted, certificate)) {
                let ca = place::certificate(CLUSTER.base);
                round.wrong(Trouble::new(&path, format!("is not one of {ca}"), format!("append it to {ca}")));
            }
        }
        (None, Some(_)) => round.wrong(alone(&path, &key_path)),
        (Some(_), None) => round.wrong(alone(&key_path, &path)),
        (None, None) => {}
    }
}

fn check(round: &mut Round<'_>, path: &str, certificate: &str, key: Option<(&str, &str)>) {
    let parsed = match key.map(|(key_path, key)| Key::parse(key).map_err(|misfit| (key_path, misfit))) {
        Some(Err((key_path, misfit))) => {
            return round.wrong(Trouble::misfit(key_path, &misfit, put_back(key_path)));
        }
        Some(Ok(key)) => Some(key),
        None => None,
    };
    if let Err(misfit) = pki::judge_authority(certificate, parsed.as_ref(), round.now_s) {
        let fix =
            if misfit.is_of_time() { "check the clock, or renew it".to_owned() } else { put_back(path) };
        round.wrong(Trouble::misfit(path, &misfit, fix));
    }
}

/// Without the key or a pair in its place the controller manager could not sign the certificates of nodes.
fn require_signing(round: &mut Round<'_>) {
    let has =
        [place::key(place::SIGNING), place::certificate(place::SIGNING)].map(|path| round.is_there(&path));
    if has == [false, false] {
        let what =
            format!("is missing, and so is a pair that signs instead ({}.crt and .key)", place::SIGNING);
        let fix = "put the key there, or such a pair whose certificate is in ca.crt as well";
        round.wrong(Trouble::new(&place::key(CLUSTER.base), what, fix));
    }
}

/// The trouble of a file that the cluster in etcd was made with.
pub(super) fn lost(path: &str) -> Trouble {
    Trouble::new(
        path,
        format!("is missing, and {} holds a cluster that was made with it", place::ETCD_MEMBER),
        "restore it from a backup; kiln never makes a second one for the same data",
    )
}

/// The trouble of one half of a pair.
pub(super) fn alone(path: &str, missing: &str) -> Trouble {
    Trouble::new(path, format!("is there without {missing}"), "put the other half there, or remove this one")
}

fn put_back(path: &str) -> String {
    format!("put the right {path} there, or remove it with what belongs to it if there is no cluster yet")
}
