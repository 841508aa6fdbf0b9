// SPDX-License-Identifier: Apache-2.0
//! What was done on this machine, when, and by which boot. It is told, never believed: what holds is looked up.
//!
//! One line of JSON is one entry, so that an entry is one write at the end of the file and nothing that stands there is at
//! risk. A kill costs no entry; a power cut may cost those since the last sync, and may tear the last one.

use serde::{Deserialize, Serialize};

/// Where it lies.
pub const LEDGER: &str = "/var/lib/kiln/ledger.jsonl";

/// A birth has some 30 entries; the last ten births of a machine are more than anybody asks for.
const ENTRIES_MAX: usize = 300;

/// What was done, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// The last [`ENTRIES_MAX`].
    pub entries: Vec<Entry>,
}

/// One step, or the end of a run that was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

impl Entry {
    /// Returns its line.
    pub fn line(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers") + "\n"
    }
}

impl Ledger {
    /// Reads a ledger; what is no entry is passed over, for nothing depends on it.
    pub fn parse(text: &str) -> Self {
        let mut entries: Vec<Entry> =
            text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let surplus = entries.len().saturating_sub(ENTRIES_MAX);
        entries.drain(..surplus);
        Self { entries }
    }

    /// Returns the text to go on from, where `text` can't be: its last line was torn, or it has grown too long.
    pub fn begun_anew(text: &str) -> Option<String> {
        let is_torn = !text.is_empty() && !text.ends_with('\n');
        let is_long = text.lines().count() > ENTRIES_MAX;
        (is_torn || is_long).then(|| Self::parse(text).entries.iter().map(Entry::line).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at_s: u64) -> String {
        let text = || "x".to_owned();
        Entry { at_s, boot: text(), step: text(), what: text(), took_ms: 1 }.line()
    }

    #[test]
    fn it_keeps_the_newest_and_survives_nonsense() {
        let text: String = (0..ENTRIES_MAX as u64 + 5).map(line).collect();
        let ledger = Ledger::parse(&text);
        assert_eq!((ledger.entries.len(), ledger.entries[0].at_s), (ENTRIES_MAX, 5));
        assert_eq!(Ledger::begun_anew(&text).map(|text| Ledger::parse(&text)), Some(ledger));
        for nonsense in ["", "{", "{}\n", "null\n"] {
            assert_eq!(Ledger::parse(nonsense), Ledger::default());
        }
    }

    #[test]
    fn a_torn_line_is_let_go_of() {
        let whole = line(1) + &line(2);
        assert_eq!(Ledger::begun_anew(&whole), None);
        let torn = &whole[..whole.len() - 3];
        assert_eq!(Ledger::parse(torn).entries.len(), 1);
        assert_eq!(Ledger::begun_anew(torn), Some(line(1)));
        assert_eq!(Ledger::begun_anew(""), None);
    }
}
