// SPDX-License-Identifier: Apache-2.0
//! Version: upstream's version numbers, as far as rules between versions need them.

use std::fmt;

/// MAJOR.MINOR.PATCH; what follows a '-' (rc.1) does not matter to the rules here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// 1 in v1.36.3.
    pub major: u32,
    /// 36 in v1.36.3.
    pub minor: u32,
    /// 3 in v1.36.3.
    pub patch: u32,
}

impl Version {
    /// Reads `v1.36.3` or `v1.36.3-rc.1`; nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_bare(text.strip_prefix('v')?)
    }

    /// Reads `1.36.3` or `1.36.3-rc.1`; nothing else.
    pub fn parse_bare(text: &str) -> Option<Self> {
        let (numbers, label) =
            text.split_once('-').map_or((text, None), |(numbers, label)| (numbers, Some(label)));
        let is_label =
            |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
        let mut parts = numbers.split('.').map(number);
        let version = Self { major: parts.next()??, minor: parts.next()??, patch: parts.next()?? };
        (parts.next().is_none() && label.is_none_or(is_label)).then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Digits without sign or leading zero.
fn number(text: &str) -> Option<u32> {
    let is_number = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_versions_are_read() {
        assert_eq!(Version::parse("v1.36.3"), Some(Version { major: 1, minor: 36, patch: 3 }));
        assert_eq!(Version::parse("v1.36.0-rc.1").map(|v| v.minor), Some(36));
        for text in
            ["1.36.3", "v1.36", "v1.36.3.1", "v1.036.3", "v1.+6.3", "v1.36.3-", "v1.36.3-a/b", "v", "v1..3"]
        {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
