// SPDX-License-Identifier: Apache-2.0
//! Shapes of tokens: fixed prefixes and alphabets, bounded so that hashes, versions and words don't match.

use std::ops::Range;

use memchr::{memchr_iter, memmem};

use super::SecretKind;

/// Finds tokens that begin in `range` of `window`; what stands around them may lie outside.
pub(super) fn find(window: &[u8], range: &Range<usize>) -> Vec<(usize, SecretKind)> {
    let mut found = bootstrap_tokens(window, range);
    let prefixed = [
        (&b"AKIA"[..], SecretKind::AwsAccessKey),
        (b"ASIA", SecretKind::AwsAccessKey),
        (b"gh", SecretKind::GithubToken),
        (b"github_pat_", SecretKind::GithubToken),
        (b"eyJ", SecretKind::JsonWebToken),
    ];
    for (prefix, kind) in prefixed {
        let reach = (range.end + prefix.len()).min(window.len());
        let places = memmem::find_iter(&window[range.start..reach], prefix).map(|at| range.start + at);
        let tokens = places.filter(|at| *at < range.end && is_token(window, *at, prefix, kind));
        found.extend(tokens.map(|at| (at, kind)));
    }
    found
}

fn is_token(window: &[u8], at: usize, prefix: &[u8], kind: SecretKind) -> bool {
    let rest = &window[at + prefix.len()..];
    let length = match kind {
        SecretKind::AwsAccessKey => aws(rest),
        SecretKind::GithubToken if prefix == b"gh" => github_classic(rest),
        SecretKind::GithubToken => github_fine_grained(rest),
        SecretKind::JsonWebToken => json_web_token(rest),
        SecretKind::PrivateKey | SecretKind::BootstrapToken => None,
    };
    length.is_some_and(|length| is_bounded(window, at..at + prefix.len() + length))
}

/// 16 upper-case letters and digits (IAM user guide, "Unique identifiers").
fn aws(rest: &[u8]) -> Option<usize> {
    let length = run(rest, |byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    (length == 16).then_some(length)
}

/// `ghp_`, `gho_`, `ghu_`, `ghs_` or `ghr_` and 36 letters and digits (GitHub's announcement of token formats).
fn github_classic(rest: &[u8]) -> Option<usize> {
    let [b'p' | b'o' | b'u' | b's' | b'r', b'_', rest @ ..] = rest else { return None };
    let length = run(rest, |byte| byte.is_ascii_alphanumeric());
    (length >= 36).then_some(length + 2)
}

/// 22 letters and digits, `_`, 59 more.
fn github_fine_grained(rest: &[u8]) -> Option<usize> {
    let length = run(rest, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (length >= 82 && rest[22] == b'_').then_some(length)
}

/// Header and claims, both JSON objects in base64url (`{"` is `eyJ`), and a signature.
fn json_web_token(rest: &[u8]) -> Option<usize> {
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let header = run(rest, is_base64url);
    let rest = rest.get(header..)?.strip_prefix(b".eyJ")?;
    let claims = run(rest, is_base64url);
    let signature = run(rest.get(claims..)?.strip_prefix(b".")?, is_base64url);
    (header >= 10 && claims >= 10 && signature >= 20).then_some(header + 4 + claims + 1 + signature)
}

/// `[a-z0-9]{6}.[a-z0-9]{16}` (kubernetes.io, "Authenticating with Bootstrap Tokens").
///
/// The second half must hold a letter and a digit: of random ones 1 in 200 has none, of names (`system.slice`-like) and
/// decimal numbers nearly all.
fn bootstrap_tokens(window: &[u8], range: &Range<usize>) -> Vec<(usize, SecretKind)> {
    const ID: usize = 6;
    const SECRET: usize = 16;
    let is_part = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let reach = (range.end + ID).min(window.len());
    let dots = memchr_iter(b'.', &window[range.start..reach]).map(|at| range.start + at);
    dots.filter_map(|dot| {
        let start = dot.checked_sub(ID).filter(|start| range.contains(start))?;
        let secret = window.get(dot + 1..dot + 1 + SECRET)?;
        let shaped = window[start..dot].iter().all(is_part) && secret.iter().all(is_part);
        let mixed = secret.iter().any(u8::is_ascii_digit) && secret.iter().any(u8::is_ascii_lowercase);
        let bounded = shaped && mixed && is_bounded(window, start..dot + 1 + SECRET);
        bounded.then_some((start, SecretKind::BootstrapToken))
    })
    .collect()
}

fn run(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|byte| belongs(**byte)).count()
}

/// Tells whether no letter, digit or joining sign goes on before or after `range`; a full stop may end a sentence.
fn is_bounded(window: &[u8], range: Range<usize>) -> bool {
    let joins = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./+@".contains(&byte);
    let before = range.start.checked_sub(1).map(|at| window[at]);
    let after = window.get(range.end).copied();
    let ends_sentence =
        after == Some(b'.') && !window.get(range.end + 1).is_some_and(u8::is_ascii_alphanumeric);
    !before.is_some_and(joins) && (!after.is_some_and(joins) || ends_sentence)
}
