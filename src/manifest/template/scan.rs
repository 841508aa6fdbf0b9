// SPDX-License-Identifier: Apache-2.0
//! Scan: where a template's tags are and which words each is made of, as tera's own lexer cuts them.
//!
//! It knows no grammar; `names` does, as far as names go.

use std::ops::Range;

use super::{Fault, fault};

/// Templates of units and settings are a few KiB.
const TEXT_MAX_BYTES: usize = 64 << 10;
/// One tag; bounds the work of one expression.
const TAG_MAX_BYTES: usize = 1 << 10;

/// `{{ ... }}` or `{% ... %}`.
#[derive(Debug)]
pub struct Tag {
    /// Whether it is a `{% ... %}`.
    pub is_block: bool,
    /// Whether it ends in `-%}` and takes the white space behind it away.
    pub trims_behind: bool,
    /// What stands between the delimiters.
    pub tokens: Vec<Token>,
    /// Its place in the text, with the delimiters.
    pub range: Range<usize>,
}

/// A word of an expression.
#[derive(Debug, Clone)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Its place in the text.
    pub range: Range<usize>,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A name or a keyword.
    Word,
    /// A text or a number.
    Literal,
    /// Anything else.
    Sign,
}

/// Returns the tags of `text`, in order; comments and raw parts are not tags.
pub fn scan(text: &str) -> Result<Vec<Tag>, Fault> {
    if text.len() > TEXT_MAX_BYTES {
        return Err(fault(
            text,
            0,
            "the template has more than 64 KiB",
            "use a plain file for what needs no template",
        ));
    }
    let mut tags = Vec::new();
    let mut from = 0;
    while let Some(start) = next_start(text, from) {
        from = match &text[start..start + 2] {
            "{#" => {
                text[start..].find("#}").map(|end| start + end + 2).ok_or_else(|| open(text, start, "#}"))?
            }
            "{%" if is_raw(&text[start + 2..], "raw") => end_of_raw(text, start)?,
            delimiter => {
                let tag = tag(text, start, delimiter == "{%")?;
                let end = tag.range.end;
                tags.push(tag);
                end
            }
        };
    }
    Ok(tags)
}

fn next_start(text: &str, from: usize) -> Option<usize> {
    let pairs = text.as_bytes()[from..].windows(2);
    pairs.into_iter().position(|pair| matches!(pair, b"{{" | b"{%" | b"{#")).map(|at| from + at)
}

/// Returns whether `rest`, which follows a `{%`, is the whole tag of that one word.
fn is_raw(rest: &str, word: &str) -> bool {
    let trimmed = rest.trim_start_matches('-').trim_ascii_start();
    let behind = trimmed.strip_prefix(word).map(|behind| behind.trim_ascii_start().trim_start_matches('-'));
    behind.is_some_and(|behind| behind.starts_with("%}"))
}

fn end_of_raw(text: &str, start: usize) -> Result<usize, Fault> {
    let mut ends = text[start + 2..].match_indices("{%").map(|(at, _)| start + 2 + at);
    let end =
        ends.find(|at| is_raw(&text[at + 2..], "endraw")).ok_or_else(|| open(text, start, "{% endraw %}"))?;
    let close = text[end..].find("%}").expect("is_raw saw it");
    Ok(end + close + 2)
}

fn tag(text: &str, start: usize, is_block: bool) -> Result<Tag, Fault> {
    let close = if is_block { "%}" } else { "}}" };
    let mut at = start + 2 + usize::from(text[start + 2..].starts_with('-'));
    let mut tokens = Vec::new();
    loop {
        let rest = &text[at..];
        let blank = rest.len() - rest.trim_ascii_start().len();
        let rest = &rest[blank..];
        at += blank;
        let trims_behind = rest.strip_prefix('-').is_some_and(|rest| rest.starts_with(close));
        if trims_behind || rest.starts_with(close) {
            let range = start..at + 2 + usize::from(trims_behind);
            return Ok(Tag { is_block, trims_behind, tokens, range });
        }
        if rest.is_empty() {
            return Err(open(text, start, close));
        }
        let (kind, len) = token(rest).ok_or_else(|| open(text, at, "quote"))?;
        tokens.push(Token { kind, range: at..at + len });
        at += len;
        if at - start > TAG_MAX_BYTES {
            return Err(fault(text, start, "the tag has more than 1 KiB", "split it with 'set'"));
        }
    }
}

/// Returns the kind and length of the token that `rest` starts with; none if a text has no end.
fn token(rest: &str) -> Option<(TokenKind, usize)> {
    let bytes = rest.as_bytes();
    let run = |is_part: &dyn Fn(u8) -> bool| bytes.iter().take_while(|b| is_part(**b)).count();
    Some(match bytes[0] {
        b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
            (TokenKind::Word, run(&|b| b == b'_' || b.is_ascii_alphanumeric()))
        }
        b'0'..=b'9' => (TokenKind::Literal, number_len(bytes)),
        quote @ (b'"' | b'\'' | b'`') => (TokenKind::Literal, text_len(bytes, quote)?),
        _ => {
            let is_pair = ["//", "**", "==", "!=", ">=", "<=", "</", "?.", "?["]
                .iter()
                .any(|pair| rest.starts_with(pair));
            let len = if rest.starts_with("...") {
                3
            } else if is_pair {
                2
            } else {
                rest.chars().next()?.len_utf8()
            };
            (TokenKind::Sign, len)
        }
    })
}

fn number_len(bytes: &[u8]) -> usize {
    let mut has_point = false;
    let is_part = |b: &&u8| b.is_ascii_digit() || (**b == b'.' && !std::mem::replace(&mut has_point, true));
    bytes.iter().take_while(is_part).count()
}

fn text_len(bytes: &[u8], quote: u8) -> Option<usize> {
    let mut is_escaped = false;
    let end = bytes.iter().skip(1).position(|b| {
        let is_end = *b == quote && !is_escaped;
        is_escaped = *b == b'\\' && !is_escaped;
        is_end
    })?;
    Some(end + 2)
}

fn open(text: &str, start: usize, close: &str) -> Fault {
    fault(text, start, "what starts here has no end", format!("add the missing {close}"))
}
