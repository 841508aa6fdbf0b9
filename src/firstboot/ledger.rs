// SPDX-License-Identifier: Apache-2.0
//! What was done on this machine, when, and by which boot. It is told, never believed: what holds is looked up.

use serde::{Deserialize, Serialize};

/// Where it lies.
pub const LEDGER: &str = "/var/lib/kiln/ledger.json";

/// A birth has some 30 entries; the last ten births of a machine are more than anybody asks for.
const ENTRIES_MAX: usize = 300;

/// What was done, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// 1; another version's ledger is begun anew.
    pub version: u32,
    /// The last [`ENTRIES_MAX`].
    pub entries: Vec<Entry>,
}

/// One step, or the end of a run that was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Seconds since 1970, by this machine's clock.
    pub at_s: u64,
    /// The kernel's boot id.
    pub boot: String,
    /// The step's word.
    pub step: String,
    /// The step as a sentence, and what went wrong with it.
    pub what: String,
    /// Milliseconds.
    pub took_ms: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { version: 1, entries: Vec::new() }
    }
}

impl Ledger {
    /// Reads a ledger; one that can't be read is begun anew, for nothing depends on it.
    pub fn parse(text: &str) -> Self {
        let ledger: Option<Self> = serde_json::from_str(text).ok();
        ledger.filter(|ledger| ledger.version == 1).unwrap_or_default()
    }

    /// Adds an entry, and lets go of the oldest.
    pub fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
        let surplus = self.entries.len().saturating_sub(ENTRIES_MAX);
        self.entries.drain(..surplus);
    }

    /// Returns the text to write.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("texts and numbers") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_newest_and_survives_nonsense() {
        let mut ledger = Ledger::default();
        for at_s in 0..ENTRIES_MAX as u64 + 5 {
            let text = || "x".to_owned();
            ledger.push(Entry { at_s, boot: text(), step: text(), what: text(), took_ms: 1 });
        }
        assert_eq!((ledger.entries.len(), ledger.entries[0].at_s), (ENTRIES_MAX, 5));
        assert_eq!(Ledger::parse(&ledger.text()), ledger);
        for nonsense in ["", "{", r#"{"version": 2, "entries": []}"#] {
            assert_eq!(Ledger::parse(nonsense), Ledger::default());
        }
    }
}
