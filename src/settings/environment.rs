// SPDX-License-Identifier: Apache-2.0
//! Environment files: lines of `KEY=VALUE`, in which the seeds' provisioners write their words.
//!
//! The form is that of systemd's `EnvironmentFile=` as far as such files use it: comments, empty lines, one pair of
//! quotes around a value. Only words that [`super::alias`] knows have a meaning here.

use serde_yaml::Value;

use super::alias;
use super::layer;
use crate::marks::report::Report;
use crate::marks::{Entry, Kind, Node, Place};
use crate::nearest::nearest;

/// Returns the words of the file as a map.
pub fn tree(text: &str, number: u16, report: &mut Report) -> Node {
    let mut entries: Vec<Entry> = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        let place = Place { text: number, line, column: 1 };
        if text.is_empty() || text.starts_with(['#', ';']) {
            continue;
        }
        if let Some(entry) = entry(text, place, report) {
            // As in a shell, the last line counts.
            entries.retain(|other| other.key != entry.key);
            entries.push(entry);
        }
    }
    Node { place: layer::nowhere(number), kind: Kind::Map(entries) }
}

fn entry(text: &str, place: Place, report: &mut Report) -> Option<Entry> {
    let Some((key, value)) = text.split_once('=') else {
        report.add(place, "", "this line is no KEY=VALUE".to_owned(), Some("add the '='".to_owned()));
        return None;
    };
    if !alias::is_known(key) {
        let fix = match nearest(key, alias::words()) {
            Some(meant) => format!("did you mean '{meant}'?"),
            None => "settings go into a file in /etc/kiln/settings.d".to_owned(),
        };
        // A key may be longer than anybody reads.
        let shown: String = key.chars().take(80).collect();
        report.add(place, &shown, "unknown word".to_owned(), Some(fix));
        return None;
    }
    let value = Node { place, kind: Kind::Scalar(Value::from(unquoted(value.trim()))) };
    Some(Entry { key: key.to_owned(), place, value })
}

fn unquoted(value: &str) -> &str {
    let pair = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    pair('"').or_else(|| pair('\'')).unwrap_or(value)
}
