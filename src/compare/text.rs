// SPDX-License-Identifier: Apache-2.0
//! A comparison as text for people. Names of files are shown so that they can't play tricks on a terminal.

use std::fmt::{self, Write as _};

use serde_json::Value;

use super::files::{Aspect, FileChange, Files, What};
use super::report::{Contents, Diff, Level, PartitionDiff};
use super::transfer::Transfer;
use super::values::Change;
use crate::read::{printable, size};

impl Diff {
    /// Renders it for people; the images are called `names`.
    pub fn render(&self, names: [&str; 2]) -> String {
        let mut text = String::new();
        for (title, level) in [("lock", &self.lock), ("manifest", &self.manifest)] {
            line(&mut text, 0, title);
            level.render(&mut text, names);
        }
        line(&mut text, 0, "files");
        self.files.iter().for_each(|partition| partition.render(&mut text));
        line(&mut text, 0, "blocks");
        self.blocks.render(&mut text, names);
        text
    }
}

fn line(text: &mut String, depth: usize, words: &str) {
    writeln!(text, "{:width$}{}", "", printable(words.as_bytes()), width = 2 * depth)
        .expect("a String takes everything");
}

impl Level {
    fn render(&self, text: &mut String, names: [&str; 2]) {
        match self {
            Self::Changes(changes) if changes.is_empty() => line(text, 1, "no difference"),
            Self::Changes(changes) => changes.iter().for_each(|change| line(text, 1, &words(change))),
            Self::Missing { first, second } => {
                for (name, why) in names.iter().zip([first, second]) {
                    why.iter().for_each(|why| line(text, 1, &format!("missing in {name}: {why}")));
                }
            }
        }
    }
}

fn words(Change { key, first, second }: &Change) -> String {
    match (first, second) {
        (Some(Value::String(one)), Some(Value::String(other)))
            if one.contains('\n') || other.contains('\n') =>
        {
            let place = one.lines().zip(other.lines()).take_while(|(a, b)| a == b).count();
            let nth = |text: &str| text.lines().nth(place).unwrap_or("(its end)").to_owned();
            format!("{key}: line {}: {} -> {}", place + 1, cut(&nth(one)), cut(&nth(other)))
        }
        (Some(first), Some(second)) => format!("{key}: {} -> {}", value(key, first), value(key, second)),
        (Some(first), None) => format!("removed {key}: {}", value(key, first)),
        (None, Some(second)) => format!("added {key}: {}", value(key, second)),
        (None, None) => key.clone(),
    }
}

fn value(key: &str, value: &Value) -> String {
    match value {
        // Permission bits are numbers to programs alone.
        Value::Number(mode) if key.ends_with(".mode") => format!("{:04o}", mode.as_u64().unwrap_or(0)),
        Value::String(text) => cut(text),
        other => cut(&other.to_string()),
    }
}

/// Cuts what would fill a screen; `--format json` has all of it.
fn cut(text: &str) -> String {
    const MOST: usize = 100;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text.to_owned(),
    }
}

impl PartitionDiff {
    fn render(&self, text: &mut String) {
        let label = &self.label;
        let whole = match &self.contents {
            Contents::Files(files) => return files.render(text, label),
            Contents::Same => "the same bytes",
            Contents::NoFilesystem => "other bytes, and no filesystem that kiln knows",
            Contents::FilesystemOnlyInFirst => "only the first has a filesystem that kiln knows",
            Contents::FilesystemOnlyInSecond => "only the second has a filesystem that kiln knows",
            Contents::OnlyInFirst => "only the first has this partition",
            Contents::OnlyInSecond => "only the second has this partition",
        };
        line(text, 1, &format!("{label}: {whole}"));
    }
}

impl Files {
    fn render(&self, text: &mut String, label: &str) {
        let xattrs = if self.with_xattrs { "" } else { " (extended attributes can't be read here)" };
        let count = match self.changes.len() {
            0 => "the same files in other bytes".to_owned(),
            1 => "1 path differs".to_owned(),
            count => format!("{count} paths differ"),
        };
        line(text, 1, &format!("{label}: {count}{xattrs}"));
        self.changes
            .iter()
            .for_each(|FileChange { path, what }| line(text, 2, &format!("{what} {path}{}", details(what))));
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Added { .. } => "added  ",
            Self::Removed { .. } => "removed",
            Self::Changed { .. } => "changed",
        })
    }
}

fn details(what: &What) -> String {
    match what {
        What::Added { kind } | What::Removed { kind } => format!(" ({})", kind.name()),
        What::Changed { aspects } => {
            let aspects: Vec<String> = aspects.iter().map(ToString::to_string).collect();
            format!(": {}", aspects.join(", "))
        }
    }
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind { first, second } => write!(f, "{} -> {}", first.name(), second.name()),
            Self::Mode { first, second } => write!(f, "mode {first} -> {second}"),
            Self::Owner { first, second } => write!(f, "owner {first} -> {second}"),
            Self::Link { first, second } => write!(f, "link {first} -> {second}"),
            Self::Xattr { name, first, second } => {
                let shown = |value: &Option<String>| value.as_deref().map_or("none".to_owned(), cut);
                write!(f, "{name} {} -> {}", shown(first), shown(second))
            }
            Self::Content { first, second, offset } if first == second => {
                write!(f, "content ({first} bytes, from byte {offset} on)")
            }
            Self::Content { first, second, offset } => {
                write!(f, "content ({first} -> {second} bytes, from byte {offset} on)")
            }
        }
    }
}

impl Transfer {
    fn render(&self, text: &mut String, [first, second]: [&str; 2]) {
        let Self { sizes, blocks, zeroed, bytes, whole_blocks, whole_bytes, .. } = self;
        if sizes[0] != sizes[1] {
            line(text, 1, &format!("disks of {} and {} bytes", sizes[0], sizes[1]));
        }
        line(text, 1, &format!("{blocks} blocks of 512 KiB differ, {zeroed} of them became zero"));
        for (label, count) in &self.partitions {
            let label = if label.is_empty() { "outside all partitions" } else { label };
            line(text, 2, &format!("{label}: {count}"));
        }
        let on_top = match self.is_possible {
            true => format!("would send {blocks} blocks, {}", size(*bytes)),
            false => "is impossible: the disk is smaller".to_owned(),
        };
        line(text, 1, &format!("publishing {second} on {first} {on_top}"));
        line(text, 1, &format!("without {first} {whole_blocks} blocks, {}", size(*whole_bytes)));
    }
}
