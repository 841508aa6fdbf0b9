// SPDX-License-Identifier: Apache-2.0
//! How a new lock differs from the old one, in words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use crate::lock::{Lock, Locked, Trust};

/// One input that has moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Move {
    /// The input.
    pub name: String,
    /// What has happened: "pinned", "dropped", or from what to what.
    pub what: String,
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.what)
    }
}

/// Returns what differs between an old lock, where there is one, and a new one, sorted by name.
pub fn moves(old: Option<&Lock>, new: &Lock) -> Vec<Move> {
    let none = BTreeMap::new();
    let old = old.map_or(&none, |old| &old.inputs);
    let mut moves = Vec::new();
    for (name, locked) in &new.inputs {
        let what = match old.get(name) {
            Some(before) if before == locked => continue,
            Some(before) => difference(before, locked),
            None => "pinned".to_owned(),
        };
        moves.push(Move { name: name.clone(), what });
    }
    let dropped = old.keys().filter(|name| !new.inputs.contains_key(*name));
    moves.extend(dropped.map(|name| Move { name: name.clone(), what: "dropped".to_owned() }));
    moves.sort_by(|a, b| a.name.cmp(&b.name));
    moves
}

/// The most telling differences between two pins of one input: version, tools, wish, trust, bytes.
pub(super) fn difference(old: &Locked, new: &Locked) -> String {
    let mut parts = Vec::from_iter(change("", old.version.as_ref(), new.version.as_ref()));
    if let (Trust::Built { from: old }, Trust::Built { from: new }) = (&old.trust, &new.trust) {
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        parts.extend(names.into_iter().filter_map(|name| change(name, old.get(name), new.get(name))));
    }
    if parts.is_empty() {
        parts.extend(change("", Some(&old.want), Some(&new.want)));
    }
    let (before, after) = (old.trust.level().to_string(), new.trust.level().to_string());
    parts.extend(change("trust", Some(&before), Some(&after)));
    if parts.is_empty() && old.files != new.files {
        parts.push("other bytes".to_owned());
    }
    match parts.len() {
        0 => "recorded anew".to_owned(),
        // A whole distribution may have moved; the lock has the full list.
        len if len > DIFFERENCES_MAX => {
            format!("{} and {} more", parts[..DIFFERENCES_MAX].join(", "), len - DIFFERENCES_MAX)
        }
        _ => parts.join(", "),
    }
}

fn change(what: &str, old: Option<&String>, new: Option<&String>) -> Option<String> {
    let or_none = |it: Option<&String>| it.map_or("none", String::as_str).to_owned();
    let what = if what.is_empty() { String::new() } else { format!("{} ", what.trim_end()) };
    (old != new).then(|| format!("{what}{} -> {}", or_none(old), or_none(new)))
}

/// As many as a person reads.
const DIFFERENCES_MAX: usize = 6;
