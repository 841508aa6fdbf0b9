// SPDX-License-Identifier: Apache-2.0
//! Reference: the whole name of a container image, `kiln.local/pause:1`, as runtimes keep it.
//!
//! The grammar is that of the reference implementation (github.com/distribution/reference, `regexp.go`). Short names, which
//! each tool completes in its own way, and digests, which the lock pins, are not taken.

use std::fmt;
use std::str::FromStr;

/// As long as a name without its tag may be (`NameTotalLengthMax`).
const NAME_MAX: usize = 255;
const TAG_MAX: usize = 128;

/// The whole name of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    whole: String,
    tag_start: usize,
}

/// Why a text is no whole name; the rest of a sentence that begins with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Docker would take it for one of docker.io/library, containerd for none.
    #[error("names no registry")]
    NoRegistry,
    /// It would mean `latest` today and something else tomorrow.
    #[error("has no tag")]
    NoTag,
    /// `@sha256:...`.
    #[error("names a digest, which the lock does already")]
    Digest,
    /// Anything else.
    #[error("is no name of a container image")]
    Grammar,
}

impl Reference {
    /// Returns what stands after the last colon.
    pub fn tag(&self) -> &str {
        &self.whole[self.tag_start..]
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.whole)
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.contains('@') {
            return Err(ReferenceError::Digest);
        }
        // A colon before a slash is a registry's port.
        let colon = text.rfind(':').filter(|colon| !text[*colon..].contains('/'));
        let (name, tag) = colon.map_or((text, None), |colon| (&text[..colon], Some(&text[colon + 1..])));
        let (_, path) = name
            .split_once('/')
            .filter(|(registry, _)| is_registry(registry))
            .ok_or(if is_path(name) { ReferenceError::NoRegistry } else { ReferenceError::Grammar })?;
        if name.len() > NAME_MAX || !is_path(path) {
            return Err(ReferenceError::Grammar);
        }
        match tag {
            None => Err(ReferenceError::NoTag),
            Some(tag) if is_tag(tag) => Ok(Self { whole: text.to_owned(), tag_start: name.len() + 1 }),
            Some(_) => Err(ReferenceError::Grammar),
        }
    }
}

/// A host is told from the first part of a path by a dot or a port, or is this machine.
fn is_registry(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let is_part = |part: &str| {
        let is_inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        !part.is_empty() && part.bytes().all(is_inner) && !part.starts_with('-') && !part.ends_with('-')
    };
    host.split('.').all(is_part)
        && port.is_none_or(is_port)
        && (text.contains(['.', ':']) || text == "localhost")
}

/// Parts of lower-case letters and digits, with one of `.`, `_`, `__` or any number of `-` between them.
fn is_path(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_part = |part: &str| {
        let separators = part.split(|c: char| c.is_ascii() && is_word(c as u8)).filter(|it| !it.is_empty());
        let are_fine =
            separators.into_iter().all(|it| matches!(it, "." | "_" | "__") || it.bytes().all(|b| b == b'-'));
        let ends = [part.bytes().next(), part.bytes().last()];
        are_fine && ends.into_iter().all(|end| end.is_some_and(is_word))
    };
    text.split('/').all(is_part)
}

fn is_tag(text: &str) -> bool {
    let is_first = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=TAG_MAX).contains(&text.len())
        && text.bytes().all(|b| is_first(b) || b"-.".contains(&b))
        && text.bytes().next().is_some_and(is_first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_names_are_taken_and_others_told_apart() {
        for (text, tag) in [
            ("kiln.local/pause:1", "1"),
            ("registry.example:5000/a/b__c-d.e:v1.2_3-X", "v1.2_3-X"),
            ("localhost/x:latest", "latest"),
            ("docker.io/library/nginx:1.27", "1.27"),
        ] {
            assert_eq!(
                text.parse::<Reference>().map(|name| name.tag().to_owned()),
                Ok(tag.to_owned()),
                "{text}"
            );
        }
        for (text, why) in [
            ("pause:1", ReferenceError::NoRegistry),
            ("library/nginx:1", ReferenceError::NoRegistry),
            ("kiln.local/pause", ReferenceError::NoTag),
            ("registry.example:5000/a", ReferenceError::NoTag),
            ("kiln.local/pause@sha256:00", ReferenceError::Digest),
            ("kiln.local/Pause:1", ReferenceError::Grammar),
            ("kiln.local/a___b:1", ReferenceError::Grammar),
            ("kiln.local/a..b:1", ReferenceError::Grammar),
            ("kiln.local/:1", ReferenceError::Grammar),
            ("kiln.local/-a:1", ReferenceError::Grammar),
            ("kiln.local/a:", ReferenceError::Grammar),
            ("kiln.local/a:.1", ReferenceError::Grammar),
            ("kiln_.local/a:1", ReferenceError::Grammar),
            ("", ReferenceError::Grammar),
            ("ü/a:1", ReferenceError::Grammar),
        ] {
            assert_eq!(text.parse::<Reference>(), Err(why), "{text}");
        }
    }
}
