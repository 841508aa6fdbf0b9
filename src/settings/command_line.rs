// SPDX-License-Identifier: Apache-2.0
//! The kernel command line: words `kiln.KEY.PATH=VALUE`, for what a boot menu or a hypervisor wants to say.
//!
//! Everybody on the machine can read it, so no secret may stand there: a token is refused, in whatever word.

use serde_yaml::Value;

use super::deep::deep;
use super::keys::{self, Kind as Takes};
use super::secret::TOKEN_KEYS;
use super::{layer, token};
use crate::marks::report::Report;
use crate::marks::{Entry, Kind, Node, Place};

/// How kiln's words start.
const PREFIX: &str = "kiln.";
/// systemd.system-credentials(7) and kernel-command-line(7): words that carry credentials.
const CREDENTIALS: [&str; 2] = ["systemd.set_credential", "systemd.set_credential_binary"];

/// One word, without its quotes.
#[derive(Debug, PartialEq, Eq)]
struct Word {
    /// In bytes, from 1.
    column: usize,
    key: String,
    value: Option<String>,
}

/// Splits as the kernel does (lib/cmdline.c, `next_arg`): a quote anywhere keeps spaces together, quotes around the value
/// or around the whole word go, and what follows a lone `--` is for init.
fn words(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = 0;
    while let Some(skipped) = text[rest..].find(|letter: char| !letter.is_ascii_whitespace()) {
        let start = rest + skipped;
        let mut is_quoted = false;
        let end = text[start..].find(|letter: char| {
            is_quoted ^= letter == '"';
            letter.is_ascii_whitespace() && !is_quoted
        });
        let end = end.map_or(text.len(), |len| start + len);
        if &text[start..end] == "--" {
            break;
        }
        words.push(word(&text[start..end], start + 1));
        rest = end;
    }
    words
}

fn word(text: &str, column: usize) -> Word {
    let text = text.strip_prefix('"').map_or(text, |rest| rest.strip_suffix('"').unwrap_or(rest));
    match text.split_once('=') {
        None => Word { column, key: text.to_owned(), value: None },
        Some((key, value)) => {
            let value = value.strip_prefix('"').map_or(value, |rest| rest.strip_suffix('"').unwrap_or(rest));
            Word { column, key: key.to_owned(), value: Some(value.to_owned()) }
        }
    }
}

/// Returns what kiln's words say as a tree; the last of two equal words counts.
pub fn tree(text: &str, number: u16, report: &mut Report) -> Node {
    let mut tree = layer::empty(number);
    for word in words(text) {
        let place = Place { text: number, line: 0, column: u32::try_from(word.column).unwrap_or(u32::MAX) };
        if let Some(found) = entry(&word, place, report) {
            tree = deep(tree, Node { place, kind: Kind::Map(vec![found]) }, report);
        }
    }
    tree
}

/// Returns what one word says; nothing if it is not kiln's, or refused.
fn entry(word: &Word, place: Place, report: &mut Report) -> Option<Entry> {
    let value = word.value.as_deref();
    let carries_token = value.is_some_and(|value| value.split(':').next() == Some(super::TOKEN_CREDENTIAL));
    if CREDENTIALS.contains(&word.key.as_str()) && carries_token {
        refuse_token(&word.key, place, report);
        return None;
    }
    let path = Path::of(word.key.strip_prefix(PREFIX)?);
    if TOKEN_KEYS.contains(&path.shown().as_str()) || value.is_some_and(token::looks_like_one) {
        refuse_token(&word.key, place, report);
        return None;
    }
    let Some(value) = value else {
        report.add(
            place,
            &path.shown(),
            "has no value".to_owned(),
            Some(format!("write {}=VALUE", word.key)),
        );
        return None;
    };
    let Path { section, name, label } = path;
    let value = match label {
        Some(label) => map(label, text(value, place), place),
        None => read(keys::find(&section, &name).map(|key| key.kind), value, place),
    };
    if section.is_empty() {
        return Some(Entry { key: name, place, value });
    }
    Some(Entry { key: section, place, value: map(&name, value, place) })
}

/// A key's path in the settings.
struct Path<'a> {
    /// Empty for the top.
    section: String,
    name: String,
    label: Option<&'a str>,
}

impl<'a> Path<'a> {
    /// As everywhere on this line, '-' and '_' are one in a key (lib/cmdline.c, `parameq`); labels are no keys.
    fn of(key: &'a str) -> Self {
        let (section, name) = key.split_once('.').unwrap_or(("", key));
        let label = name.strip_prefix("labels.");
        let name = if label.is_some() { "labels".to_owned() } else { name.replace('-', "_") };
        Self { section: section.replace('-', "_"), name, label }
    }

    fn shown(&self) -> String {
        if self.section.is_empty() { self.name.clone() } else { format!("{}.{}", self.section, self.name) }
    }
}

fn refuse_token(key: &str, place: Place, report: &mut Report) {
    let fix = "revoke it, make another with 'kiln token create', and hand that over as systemd credential \
               kiln.token or in a file that node.token_file names";
    let what = "a token stands here, and everybody on the machine can read this line".to_owned();
    report.add(place, key, what, Some(fix.to_owned()));
}

/// Reads a value as its key takes it; what does not fit stays a text, and the check of shapes tells.
fn read(takes: Option<Takes>, value: &str, place: Place) -> Node {
    let items = || value.split(',').filter(|item| !item.is_empty());
    match takes {
        Some(Takes::Whole(..) | Takes::Only(_)) => whole(value, place),
        Some(Takes::Texts(_)) => list(items().map(|item| text(item, place)), place),
        Some(Takes::Wholes) => list(items().map(|item| whole(item, place)), place),
        Some(Takes::Taints) => list(items().map(|item| taint(item, place)), place),
        Some(Takes::Text | Takes::Word(_) | Takes::Labels) | None => text(value, place),
    }
}

fn text(value: &str, place: Place) -> Node {
    Node { place, kind: Kind::Scalar(Value::from(value)) }
}

fn whole(value: &str, place: Place) -> Node {
    let number = value.parse::<u64>().ok().filter(|number| number.to_string() == value);
    Node { place, kind: Kind::Scalar(number.map_or_else(|| Value::from(value), Value::from)) }
}

fn list(items: impl Iterator<Item = Node>, place: Place) -> Node {
    Node { place, kind: Kind::List(items.enumerate().collect()) }
}

fn map(key: &str, value: Node, place: Place) -> Node {
    Node { place, kind: Kind::Map(vec![Entry { key: key.to_owned(), place, value }]) }
}

/// As kubelet spells it: `key=value:Effect` or `key:Effect`.
fn taint(item: &str, place: Place) -> Node {
    let Some((name, effect)) = item.rsplit_once(':') else { return text(item, place) };
    let (key, value) = name.split_once('=').unwrap_or((name, ""));
    let entry = |key: &str, value| Entry { key: key.to_owned(), place, value: text(value, place) };
    let entries = [("key", key), ("value", value), ("effect", effect)];
    Node { place, kind: Kind::Map(entries.map(|(key, value)| entry(key, value)).into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expectations were made with the kernel's own rule, word by word.
    #[test]
    fn words_are_those_of_the_kernel() {
        let found = |text: &str| -> Vec<(String, Option<String>)> {
            words(text).into_iter().map(|word| (word.key, word.value)).collect()
        };
        let some = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
        for (text, expected) in [
            ("", vec![]),
            ("  quiet\ta=b \n", vec![("quiet".to_owned(), None), some("a", "b")]),
            ("a=\"b c\" d=e", vec![some("a", "b c"), some("d", "e")]),
            ("\"a=b c\" d=e", vec![some("a", "b c"), some("d", "e")]),
            ("a=b\" \"c", vec![some("a", "b\" \"c")]),
            ("a=b=c", vec![some("a", "b=c")]),
            ("a=\"b c", vec![some("a", "b c")]),
            ("a= b", vec![some("a", ""), ("b".to_owned(), None)]),
            ("a=1 -- b=2", vec![some("a", "1")]),
            ("ä=ö ü", vec![some("ä", "ö"), ("ü".to_owned(), None)]),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
    }
}
