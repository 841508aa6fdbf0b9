// SPDX-License-Identifier: Apache-2.0
//! A download that failed: which one, why, and what to do.

pub use super::kind::DownloadErrorKind;

/// A download that failed for good.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.text())]
pub struct DownloadError {
    /// What was to be fetched, without a password; empty if it was not about one file.
    pub url: String,
    /// What went wrong; its words are part of this error's.
    pub kind: Box<DownloadErrorKind>,
    /// How many attempts were made in a row.
    pub attempts: u32,
}

impl DownloadError {
    pub(super) fn new(url: &str, kind: DownloadErrorKind) -> Self {
        Self { url: shown(url), kind: Box::new(kind), attempts: 1 }
    }

    pub(super) fn after(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Whether trying again later may help without changing anything.
    pub fn may_pass(&self) -> bool {
        self.kind.may_pass()
    }

    fn text(&self) -> String {
        let tries = if self.attempts > 1 { format!(" ({} attempts)", self.attempts) } else { String::new() };
        let fix = self.kind.fix().map(|fix| format!("; {fix}")).unwrap_or_default();
        if self.url.is_empty() {
            return format!("{}{fix}", self.kind);
        }
        format!("can't fetch {}: {}{tries}{fix}", self.url, self.kind)
    }
}

/// Raised by the redirect policy.
#[derive(Debug, thiserror::Error)]
#[error("redirect to {to}")]
pub(super) struct PlainRedirect {
    pub(super) to: String,
}

/// Raised by the redirect policy.
#[derive(Debug, thiserror::Error)]
#[error("too many redirects")]
pub(super) struct TooManyRedirects;

/// Returns an address without the name and password that it may hold, for people and logs.
pub(super) fn shown(url: &str) -> String {
    let Ok(mut parsed) = reqwest::Url::parse(url) else { return url.to_owned() };
    if parsed.username().is_empty() && parsed.password().is_none() {
        return url.to_owned();
    }
    let _ = parsed.set_username("").and_then(|()| parsed.set_password(None));
    parsed.into()
}
