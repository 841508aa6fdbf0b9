// SPDX-License-Identifier: Apache-2.0
//! What a person has to mend: the file, what is wrong with it, and what to do.

use std::fmt;

use crate::firstboot::pki::Misfit;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The file, or the settings' key.
    pub place: String,
    /// What is wrong, in words that follow the place.
    pub what: String,
    /// What to do.
    pub fix: String,
    /// Whether only the time is wrong: the machine's clock may be to blame.
    pub is_of_time: bool,
}

impl Trouble {
    /// Returns a trouble that has nothing to do with the time.
    pub(super) fn new(place: &str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { place: place.to_owned(), what: what.into(), fix: fix.into(), is_of_time: false }
    }

    /// Returns the trouble with a key or certificate.
    pub(super) fn misfit(place: &str, misfit: &Misfit, fix: impl Into<String>) -> Self {
        Self { is_of_time: misfit.is_of_time(), ..Self::new(place, misfit.to_string(), fix) }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}: {}", self.place, self.what, self.fix)
    }
}
