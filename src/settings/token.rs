// SPDX-License-Identifier: Apache-2.0
//! The bootstrap token: the one secret that a machine is handed, and what looks like one where none may be.
//!
//! It is no part of [`super::Settings`] and never shows itself.

use std::fmt;
use std::path::PathBuf;

/// `[a-z0-9]{6}.[a-z0-9]{16}` (kubernetes.io, "Authenticating with Bootstrap Tokens").
const ID_LEN: usize = 6;
const SECRET_LEN: usize = 16;
const LEN: usize = ID_LEN + 1 + SECRET_LEN;

/// What stands where a token stood.
const HIDDEN: &str = "(a token)";

/// A bootstrap token. Neither `Debug` nor `Display` shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// A text that is no bootstrap token. It does not say what the text was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no bootstrap token: six letters or digits, a dot, sixteen letters or digits, all lower case"
)]
pub struct NoToken;

/// A token, and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The token.
    pub token: Token,
    /// Where it was.
    pub source: Source,
    /// Whether others than its owner may read the file.
    pub is_exposed: bool,
}

/// Where a token was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// systemd's credential `kiln.token`, which goes away by itself.
    Credential,
    /// A provisioner's file (`node.token_file`), as the node sees it; to be unlinked once the certificate is safe.
    File(PathBuf),
}

impl Token {
    /// Reads a token; white space around it, such as the end of a line, does not matter.
    ///
    /// # Errors
    /// When the text is not in the form of a bootstrap token.
    pub fn parse(text: &str) -> Result<Self, NoToken> {
        let text = text.trim_ascii();
        if is_token(text.as_bytes()) { Ok(Self(text.to_owned())) } else { Err(NoToken) }
    }

    /// Returns the public part, which names the token's Secret: `bootstrap-token-ID`.
    pub fn id(&self) -> &str {
        &self.0[..ID_LEN]
    }

    /// Returns the whole, for the one request that carries it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

fn is_token(text: &[u8]) -> bool {
    let is_plain = |part: &[u8]| part.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    text.len() == LEN && text[ID_LEN] == b'.' && is_plain(&text[..ID_LEN]) && is_plain(&text[ID_LEN + 1..])
}

/// What may stand beside a token in a text.
fn is_edge(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b",;='\"`()[]{}<>#&?".contains(&byte)
}

/// Whether what stands beside the window from `at` lets it be a word of its own. The host of an address may well have the form
/// of a token, so '://' before it, or ':', '/' and '.' after it make it none; a part of a path is one.
fn is_free(bytes: &[u8], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map(|at| bytes[at]);
    let after = |on: usize| bytes.get(at + LEN + on).copied();
    let is_host = before(1) == Some(b'/') && before(2) == Some(b'/') && before(3) == Some(b':');
    let is_part = matches!(before(1), Some(b'/' | b':')) && !is_host;
    let begins = is_part || before(1).is_none_or(is_edge);
    let ends = match after(0) {
        Some(b'.') => after(1).is_none_or(is_edge),
        Some(b'/') => is_part,
        byte => byte.is_none_or(is_edge),
    };
    begins && ends
}

/// Returns where a token starts in `text`, from `start` on.
fn find(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let windows = (start..).zip(bytes.get(start..)?.windows(LEN));
    windows.filter(|(_, window)| is_token(window)).map(|(at, _)| at).find(|at| is_free(bytes, *at))
}

/// Returns whether the text is a bootstrap token or holds one as a word of its own.
pub fn looks_like_one(text: &str) -> bool {
    find(text, 0).is_some()
}

/// Returns the text with every token in it replaced, for messages that quote what somebody wrote.
pub fn redacted(text: &str) -> String {
    let mut shown = String::new();
    let mut end = 0;
    while let Some(at) = find(text, end) {
        shown.push_str(&text[end..at]);
        shown.push_str(HIDDEN);
        end = at + LEN;
    }
    shown + &text[end..]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "abcdef.0123456789abcdef";

    #[test]
    fn a_token_is_read_and_never_shown() {
        let token = Token::parse(&format!("{TOKEN}\n")).unwrap();
        assert_eq!((token.id(), token.reveal()), ("abcdef", TOKEN));
        let found = Found { token, source: Source::Credential, is_exposed: false };
        let shown = format!("{found:?} {}", found.token);
        assert!(!shown.contains("0123456789abcdef"), "{shown}");
    }

    #[test]
    fn what_is_no_token_is_not_repeated() {
        for text in
            ["", "abcdef", "ABCDEF.0123456789abcdef", "abcdef.0123456789abcde", "abcdef-0123456789abcdef"]
        {
            let error = Token::parse(text).unwrap_err();
            assert!(text.is_empty() || !error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn a_token_is_found_as_a_word_and_not_in_the_host_of_an_address() {
        for text in [
            TOKEN,
            "--token abcdef.0123456789abcdef",
            "token=abcdef.0123456789abcdef,",
            "ü \"abcdef.0123456789abcdef\"",
            "aws:///x/abcdef.0123456789abcdef",
            "aws:///abcdef.0123456789abcdef/x",
            "token:abcdef.0123456789abcdef",
            "[abcdef.0123456789abcdef]",
            "# it is abcdef.0123456789abcdef.",
        ] {
            assert!(looks_like_one(text), "{text}");
            assert!(!looks_like_one(&redacted(text)) && redacted(text).contains(HIDDEN));
        }
        for text in [
            "https://master.internalcompany1:6443",
            "master.internalcompany1:6443",
            "https://master.internalcompany1",
            "images.internalcompany1/pause:3.10",
            "abcdef.0123456789abcdef.example.org",
            "",
            "abcdef.0123456789abcdef0",
            "a.b",
            "ü",
        ] {
            assert!(!looks_like_one(text), "{text}");
            assert_eq!(redacted(text), text);
        }
        assert_eq!(redacted(&format!("{TOKEN} {TOKEN}")), "(a token) (a token)");
    }
}
