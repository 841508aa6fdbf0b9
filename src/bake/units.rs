// SPDX-License-Identifier: Apache-2.0
//! systemd units as text: a reader of the syntax they are written in.
//!
//! Knows sections, keys, continuations and comments (systemd.syntax(7)) and what follows from `[Install]`
//! ([`install`]); what a directive means stays systemd's business.

pub mod install;

/// A unit file's assignments in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitFile {
    /// Sections and assignments.
    pub items: Vec<Item>,
}

/// One assignment, `Key=value` in `[Section]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The section's name.
    pub section: String,
    /// The directive; empty for the section's header itself.
    pub key: String,
    /// The value, continuation lines joined by a space.
    pub value: String,
    /// Line of the key, from 1.
    pub line: u32,
}

/// A line that is not unit syntax.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct SyntaxError {
    /// Line from 1.
    pub line: u32,
    /// What is wrong with it.
    pub what: &'static str,
}

// man systemd.syntax: "lines are limited to 1 MB" (LONG_LINE_MAX).
const LINE_MAX_BYTES: usize = 1 << 20;

/// Reads a unit file; what is wrong in it is returned beside what could be read.
pub fn parse(text: &str) -> (UnitFile, Vec<SyntaxError>) {
    let (mut file, mut errors, mut section) = (UnitFile::default(), Vec::new(), None);
    for (line, text) in logical_lines(text) {
        match read_line(&text, section.as_deref()) {
            Ok(Line::Section(name)) => {
                file.items.push(Item {
                    section: name.clone(),
                    key: String::new(),
                    value: String::new(),
                    line,
                });
                section = Some(name);
            }
            Ok(Line::Assignment { section, key, value }) => {
                file.items.push(Item { section, key, value, line });
            }
            Err(what) => errors.push(SyntaxError { line, what }),
        }
    }
    (file, errors)
}

enum Line {
    Section(String),
    Assignment { section: String, key: String, value: String },
}

fn read_line(text: &str, section: Option<&str>) -> Result<Line, &'static str> {
    if text.len() > LINE_MAX_BYTES {
        return Err("line is longer than the 1 MiB that systemd reads");
    }
    if text.contains('\0') {
        return Err("line holds a NUL byte");
    }
    if let Some(rest) = text.strip_prefix('[') {
        let name = rest.strip_suffix(']').ok_or("section header lacks its ']'")?;
        return Ok(Line::Section(name.to_owned()));
    }
    let (key, value) = text.split_once('=').ok_or("neither a [Section] nor a Key=value")?;
    let (key, value) = (key.trim_end(), value.trim_start());
    if key.is_empty() {
        return Err("nothing stands before the '='");
    }
    let section = section.ok_or("assignment stands before the first [Section]")?;
    Ok(Line::Assignment { section: section.to_owned(), key: key.to_owned(), value: value.to_owned() })
}

/// Joins continuation lines and leaves out comments (also those between continued lines) and empty lines.
fn logical_lines(text: &str) -> Vec<(u32, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(u32, String)> = None;
    for (number, raw) in (1..).zip(text.lines()) {
        let line = raw.trim();
        if line.starts_with(['#', ';']) || (line.is_empty() && open.is_none()) {
            continue;
        }
        let (first, mut joined) = open.take().unwrap_or((number, String::new()));
        match line.strip_suffix('\\') {
            Some(start) => {
                joined.push_str(start);
                joined.push(' ');
                open = Some((first, joined));
            }
            None => {
                joined.push_str(line);
                lines.push((first, joined));
            }
        }
    }
    lines.extend(open);
    lines
}

impl UnitFile {
    /// Returns the words of a list directive; an empty assignment empties what stood before it.
    pub fn words(&self, section: &str, key: &str) -> Vec<&str> {
        let mut words = Vec::new();
        for item in self.items.iter().filter(|item| item.section == section && item.key == key) {
            if item.value.is_empty() {
                words.clear();
            }
            words.extend(item.value.split_ascii_whitespace());
        }
        words
    }

    /// Tells whether the file has a section of that name.
    pub fn has_section(&self, section: &str) -> bool {
        self.items.iter().any(|item| item.section == section)
    }
}

/// The suffixes of unit names (systemd.unit(5)) that a person may bake in.
const SUFFIXES: [&str; 9] =
    [".service", ".socket", ".mount", ".automount", ".swap", ".target", ".path", ".timer", ".slice"];

/// Tells whether `name` is a unit's name: at most 255 bytes of `A-Za-z0-9:-_.\@` with a known suffix.
pub fn is_unit_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
    let suffix = SUFFIXES.iter().find(|suffix| name.ends_with(**suffix));
    let Some(stem) = suffix.and_then(|suffix| name.strip_suffix(suffix)) else { return false };
    name.len() <= 255 && !stem.is_empty() && !stem.starts_with('@') && name.bytes().all(is_part)
}

/// Tells whether `name` is that of a drop-in, `UNIT.d/NAME.conf`.
pub fn is_drop_in_name(name: &str) -> bool {
    let Some((folder, file)) = name.split_once('/') else { return false };
    let plain = !file.contains('/') && file.len() > ".conf".len() && file.ends_with(".conf");
    // `service.d` holds drop-ins for all services.
    let unit = folder.strip_suffix(".d");
    plain && unit.is_some_and(|unit| is_unit_name(unit) || SUFFIXES.iter().any(|s| &s[1..] == unit))
}

/// Returns the template's name of an instance (`a@b.service` gives `a@.service`) and the instance (`b`).
pub fn template_of(name: &str) -> Option<(String, &str)> {
    let (prefix, rest) = name.split_once('@')?;
    let dot = rest.rfind('.')?;
    Some((format!("{prefix}@{}", &rest[dot..]), &rest[..dot]))
}

#[cfg(test)]
mod tests;
