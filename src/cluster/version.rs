// SPDX-License-Identifier: Apache-2.0
//! Which servers this client is for, and whether this is one that is ready.

use std::fmt;
use std::ops::RangeInclusive;

use serde::Deserialize;

use super::Client;
use super::error::{ApiError, ApiErrorKind as Kind};
use super::request::Request;

/// The minor versions of Kubernetes 1 that kiln works with.
///
/// 1.30 is the first that serves ValidatingAdmissionPolicy as v1, without which nodes could take each other's blocks. 1.36
/// is the newest that kiln has been tried against.
pub const SUPPORTED_MINORS: RangeInclusive<u32> = 30..=36;

/// A server's version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// "v1.36.3", "v1.33.5-eks-3025e55".
    pub text: String,
    /// 1.
    pub major: u32,
    /// 36.
    pub minor: u32,
}

/// What a server's version means for kiln.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// Tried, or between two that were.
    Supported,
    /// Something that kiln relies on is missing.
    TooOld,
    /// Newer than any that was tried; it should work, and a warning is due.
    Untried,
}

impl Version {
    /// Returns whether kiln works with this server.
    pub fn support(&self) -> Support {
        match (self.major, self.minor) {
            (1, minor) if minor < *SUPPORTED_MINORS.start() => Support::TooOld,
            (1, minor) if minor <= *SUPPORTED_MINORS.end() => Support::Supported,
            (0, _) => Support::TooOld,
            _ => Support::Untried,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (SUPPORTED_MINORS.start(), SUPPORTED_MINORS.end());
        match self.support() {
            Support::Supported => f.write_str(&self.text),
            Support::TooOld => write!(f, "{}: too old, kiln works with 1.{first} to 1.{last}", self.text),
            Support::Untried => write!(f, "{}: newer than what kiln was tried with (1.{last})", self.text),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    major: String,
    minor: String,
    git_version: String,
}

impl TryFrom<Wire> for Version {
    type Error = String;

    fn try_from(Wire { major, minor, git_version }: Wire) -> Result<Self, String> {
        // Some distributions write "27+".
        let number = |text: &str| {
            let digits = text.trim_end_matches(|char: char| !char.is_ascii_digit());
            digits.parse().map_err(|_| format!("{text:?} is no version"))
        };
        let text = super::status::clean(&git_version);
        Ok(Self { major: number(&major)?, minor: number(&minor)?, text })
    }
}

impl Client {
    /// Asks the server for its version; servers of kiln's own tell it to whoever they know.
    ///
    /// # Errors
    /// As any request.
    pub async fn version(&self) -> Result<Version, ApiError> {
        self.read::<Wire, _>(Request::get(&["version"])).await
    }

    /// Asks the server whether it is ready; anybody may.
    ///
    /// # Errors
    /// [`Kind::Server`] with what is not, and as any request.
    pub async fn readyz(&self) -> Result<(), ApiError> {
        let request = Request::get(&["readyz"]);
        let asked = async { self.exchange(&request).await?.all(request.answer_max_bytes).await };
        asked.await.map(drop).map_err(|kind: Kind| ApiError { kind, request: self.line(&request) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(minor: &str) -> Version {
        let wire =
            Wire { major: "1".to_owned(), minor: minor.to_owned(), git_version: format!("v1.{minor}.1") };
        Version::try_from(wire).unwrap()
    }

    #[test]
    fn the_range_of_servers_is_stated_and_checked() {
        assert_eq!(version("29").support(), Support::TooOld);
        assert_eq!(version("30+").support(), Support::Supported);
        assert_eq!(version("36").support(), Support::Supported);
        assert_eq!(version("37").support(), Support::Untried);
        assert_eq!(version("29").to_string(), "v1.29.1: too old, kiln works with 1.30 to 1.36");
        assert_eq!(version("36").to_string(), "v1.36.1");
    }
}
