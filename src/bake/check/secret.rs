// SPDX-License-Identifier: Apache-2.0
//! Private keys and tokens never go into an image: whoever gets the image would have them.
//!
//! Programs hold the words "BEGIN PRIVATE KEY" without a key, so the rule is that a body follows which decodes. Tokens are
//! known by their shapes, bounded by what can't belong to a word, and not looked for in programs.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::GeneralPurposeConfig;
use base64::engine::{DecodePaddingMode, GeneralPurpose};
use memchr::memmem;

use super::facts::{BlobFacts, SECRETS_MAX, Secret, SecretKind};
use super::{Findings, Subject};
use crate::tree::TreePath;

mod token;

/// The longest secret that is recognised: a 16,384-bit RSA key in PEM, once more in base64, has some 17,000 bytes.
pub(super) const LENGTH_MAX: usize = 20 << 10;

/// Finds what begins in `range` of `window`, whose first byte is at `start` of the file.
pub(super) fn find(window: &[u8], range: Range<usize>, start: u64, facts: &mut BlobFacts) {
    let mut found = private_keys(window, &range);
    if facts.elf.is_none() {
        found.extend(token::find(window, &range));
    }
    found.sort_by_key(|(offset, _)| *offset);
    let room = SECRETS_MAX - facts.secrets.len();
    let secrets = found.into_iter().take(room);
    facts.secrets.extend(secrets.map(|(at, kind)| Secret { kind, offset: start + at as u64 }));
}

/// Judges one file.
pub(super) fn check(subject: &Subject<'_>, findings: &mut Findings, path: &TreePath, facts: &BlobFacts) {
    for secret in &facts.secrets {
        let (what, fix) = match secret.kind {
            SecretKind::PrivateKey => ("a private key", "let the machine make its own key at first boot"),
            SecretKind::BootstrapToken => ("a Kubernetes bootstrap token", "hand it over as user-data"),
            SecretKind::AwsAccessKey => ("an AWS access key", "give the instance a role"),
            SecretKind::JsonWebToken => ("a signed JSON web token", "hand it over as user-data"),
            SecretKind::GithubToken => ("a GitHub token", "fetch with it while baking, don't bake it in"),
        };
        let what = format!("holds {what} at byte {}", secret.offset);
        findings.errors.push(subject.problem(path, what, fix));
    }
}

const BEGIN: &[u8] = b"-----BEGIN ";
/// "-----BEGIN " in base64, as in a kubeconfig's client-key-data or a Secret's data.
const BEGIN_BASE64: &[u8] = b"LS0tLS1CRUdJTi";

fn private_keys(window: &[u8], range: &Range<usize>) -> Vec<(usize, SecretKind)> {
    let reach = (range.end + BEGIN_BASE64.len()).min(window.len());
    let area = &window[range.start..reach];
    let bounded = |at: usize| Some(range.start + at).filter(|at| *at < range.end);
    let plain =
        memmem::find_iter(area, BEGIN).filter_map(bounded).filter(|at| is_private_key(part(window, *at)));
    let wrapped = memmem::find_iter(area, BEGIN_BASE64).filter_map(bounded).filter(|at| {
        let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
        let text: Vec<u8> = part(window, *at).iter().copied().take_while(is_base64).collect();
        decoded(&text).is_some_and(|pem| is_private_key(&pem))
    });
    plain.chain(wrapped).map(|at| (at, SecretKind::PrivateKey)).collect()
}

fn part(window: &[u8], at: usize) -> &[u8] {
    &window[at..window.len().min(at + LENGTH_MAX)]
}

/// Tells whether a PEM private key stands at the start of `text` and its body is one.
fn is_private_key(text: &[u8]) -> bool {
    let Some(rest) = text.strip_prefix(BEGIN) else { return false };
    // The longest label is "PGP PRIVATE KEY BLOCK".
    let Some(label_end) = memmem::find(&rest[..rest.len().min(40)], b"-----") else { return false };
    let (label, body) = (&rest[..label_end], &rest[label_end + 5..]);
    let Some(body_end) = memmem::find(body, b"-----END ") else { return false };
    let is_private = memmem::find(label, b"PRIVATE KEY").is_some();
    is_private && is_key_body(&body[..body_end])
}

fn is_key_body(body: &[u8]) -> bool {
    // JSON and YAML write line ends as \n.
    let body = String::from_utf8_lossy(body).replace("\\r", "").replace("\\n", "\n");
    let lines: Vec<&str> = body.split(['\n', '\r']).map(str::trim).collect();
    let is_encrypted = lines.iter().any(|line| line.starts_with("Proc-Type:") && line.contains("ENCRYPTED"));
    // Headers have a colon; OpenPGP's checksum line begins with '='.
    let text: String =
        lines.iter().filter(|line| !line.contains(':') && !line.starts_with('=')).copied().collect();
    decoded(text.as_bytes()).is_some_and(|bytes| is_key(&bytes, is_encrypted))
}

fn is_key(bytes: &[u8], is_encrypted: bool) -> bool {
    // RFC 4880 4.2: packet tag 5 (secret key), in the old and the new format.
    let is_openpgp = matches!(bytes.first(), Some(0x94..=0x97 | 0xc5)) && bytes.len() > 16;
    // RFC 1423: nothing but whole cipher blocks; the smallest key (P-256) takes more than 100 bytes.
    let is_ciphertext = is_encrypted && bytes.len() >= 100 && bytes.len().is_multiple_of(8);
    bytes.starts_with(b"openssh-key-v1\0") || is_der_sequence(bytes) || is_openpgp || is_ciphertext
}

/// Tells whether `bytes` are exactly one DER SEQUENCE (X.690 8.1.3), long enough for an Ed25519 key (48 bytes).
fn is_der_sequence(bytes: &[u8]) -> bool {
    let (header, length) = match bytes {
        [0x30, length @ 0..=0x7f, ..] => (2, usize::from(*length)),
        [0x30, 0x81, length, ..] => (3, usize::from(*length)),
        [0x30, 0x82, high, low, ..] => (4, usize::from(u16::from_be_bytes([*high, *low]))),
        _ => return false,
    };
    bytes.len() == header + length && bytes.len() >= 40
}

fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&base64::alphabet::STANDARD, config).decode(text).ok()
}

#[cfg(test)]
mod tests;
