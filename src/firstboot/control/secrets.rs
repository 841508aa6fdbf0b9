// SPDX-License-Identifier: Apache-2.0
//! Keys without a certificate: that of service accounts, and the one that secrets are encrypted with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::Step;
use super::authority::{alone, lost};
use super::place;
use super::round::{PUBLIC, Round, SECRET};
use super::trouble::Trouble;
use crate::firstboot::file::File;
use crate::firstboot::pki::Key;

/// Sees to sa.key and sa.pub. Tokens that were signed with another key would be worth nothing.
pub(super) fn settle_accounts(round: &mut Round<'_>) {
    let (key_path, path) = (place::key(place::ACCOUNTS), format!("{}.pub", place::ACCOUNTS));
    let Some(texts) = round.texts(&key_path, &path) else { return };
    match texts {
        (None, _) if round.seen.etcd_data => round.wrong(lost(&key_path)),
        (None, Some(_)) => round.wrong(alone(&path, &key_path)),
        (None, None) => round.write(&key_path, SECRET, round.chance.key_pem.clone()),
        (Some(key), public) => match Key::parse(key) {
            Err(misfit) => round.wrong(Trouble::misfit(&key_path, &misfit, "put the right key there")),
            Ok(key) => settle_public(round, &path, public, &key),
        },
    }
}

fn settle_public(round: &mut Round<'_>, path: &str, found: Option<&str>, key: &Key) {
    match found {
        None => round.write(path, PUBLIC, key.public_pem()),
        Some(found) if found.trim() != key.public_pem().trim() => round.wrong(Trouble::new(
            path,
            format!("is not the public half of {}", place::key(place::ACCOUNTS)),
            "remove it; it is made from the key again",
        )),
        Some(_) => {}
    }
}

/// What the API server would refuse to start with is found here, with a better word.
#[derive(Deserialize)]
struct Encryption {
    kind: String,
}

/// Sees to the key that secrets are encrypted with in etcd. secretbox (XSalsa20 and Poly1305): of the providers without
/// a key server, the one that upstream's documentation calls strong.
pub(super) fn settle_encryption(round: &mut Round<'_>) {
    let path = place::ENCRYPTION;
    match round.text(path, SECRET) {
        None if round.is_there(path) => {}
        None if round.seen.etcd_data => round.wrong(lost(path)),
        None => round.missing(|round| {
            let text = encryption(&round.chance.bytes);
            Ok(Step::Write(File { path: path.to_owned(), mode: SECRET, text }))
        }),
        Some(text) => {
            let read: Option<Encryption> = serde_yaml::from_str(text).ok();
            if read.is_none_or(|read| read.kind != "EncryptionConfiguration") {
                let fix = "put the file back that the cluster's secrets were written with";
                round.wrong(Trouble::new(path, "holds no EncryptionConfiguration", fix));
            }
        }
    }
}

fn encryption(key: &[u8; 32]) -> String {
    // No `identity` after it: there has never been a secret in the clear, and none shall be read.
    format!(
        "# Made on this machine by kiln-firstboot. Whoever loses it loses the cluster's secrets: keep a copy.\n\
        apiVersion: apiserver.config.k8s.io/v1\n\
        kind: EncryptionConfiguration\n\
        resources:\n\
        - resources:\n  \
          - secrets\n  \
          providers:\n  \
          - secretbox:\n      \
              keys:\n      \
              - name: first\n        \
                secret: {}\n",
        STANDARD.encode(key)
    )
}
