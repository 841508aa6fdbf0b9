// SPDX-License-Identifier: Apache-2.0
//! Aliases: the words that provisioners of older systems write, and the keys that they stand for.
//!
//! Each works with a warning. One that contradicts its key, or another spelling of itself, is refused: nobody could tell
//! which was meant. Unlike a key, an alias never overrides an earlier layer.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use serde_yaml::Value;
use url::Url;

use crate::marks::at::At;
use crate::marks::report::Report;
use crate::marks::{Entry, Kind, Node};
use crate::problem::Problem;

/// Where a seed's API server is if its word names no port: kubeadm's `bindPort`.
const API_PORT: u16 = 6443;

/// What a word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Says {
    /// A range, in a list.
    Range,
    /// An IPv4 address, in a list.
    Address,
    /// A whole number.
    Whole,
    /// An address of API servers, often without `https://`.
    Endpoint,
    /// Nothing that this kiln takes.
    Refused(&'static str, &'static str),
}

/// Words, the keys they stand for, and what they say (seeds, sections 1.1, 2.2 and 4, and trap T4 for the two spellings).
const ALIASES: [(&str, (&str, &str), Says); 8] = [
    ("KUBE_NODE_IP_CIDRS", ("cluster", "pods"), Says::Range),
    ("KUBE_NODE_IP_CIDRS_SUBDIVIDER", ("cluster", "block_prefix"), Says::Whole),
    ("KUBE_NODE_SERVICE_IP_CIDRS", ("cluster", "pods"), Says::Range),
    ("KUBE_NODE_SERVICE_IP_CIDRS_SUBDIVIDER", ("cluster", "block_prefix"), Says::Whole),
    ("LEADER_ENDPOINT", ("api", "endpoint"), Says::Endpoint),
    ("DEFAULT_IPV4", ("node", "addresses"), Says::Address),
    ("FLANNEL_MTU", ("network", "mtu"), Says::Whole),
    (
        "FLANNEL_SUBNET",
        ("node", "index"),
        Says::Refused(
            "a node's block is claimed from the cluster's pool, not handed over",
            "remove it, or let addressing be static and give node.index",
        ),
    ),
];

/// Returns all words.
pub fn words() -> impl Iterator<Item = &'static str> {
    ALIASES.iter().map(|(word, ..)| *word)
}

/// Returns whether a word of older systems is known.
pub fn is_known(word: &str) -> bool {
    words().any(|known| known == word)
}

/// Returns the key that a word stands for: `api.endpoint`.
pub fn key_of(word: &str) -> Option<String> {
    let (_, target, _) = ALIASES.iter().find(|(known, ..)| *known == word)?;
    Some(format!("{}.{}", target.0, target.1))
}

/// Returns the tree with keys in place of their aliases.
pub fn replaced(mut tree: Node, report: &mut Report, warnings: &mut Vec<Problem>) -> Node {
    for (word, target, says) in ALIASES {
        let Some(entry) = taken(&mut tree, word) else { continue };
        if let Says::Refused(what, fix) = says {
            report.add(entry.place, word, what.to_owned(), Some(fix.to_owned()));
        } else if let Some(text) = text(&entry, says, report) {
            let key = format!("{}.{}", target.0, target.1);
            let place = (entry.place.line > 0).then_some((entry.place.line, entry.place.column));
            warnings.push(Problem {
                file: report.file(entry.place.text),
                place,
                key: word.to_owned(),
                what: format!("is a word of older systems and stands for {key}"),
                fix: Some(format!(
                    "write {key}: {}",
                    if is_list(says) { format!("[{text}]") } else { text.clone() }
                )),
            });
            put(&mut tree, &entry, (target, says), &text, report);
        }
    }
    tree
}

fn is_list(says: Says) -> bool {
    matches!(says, Says::Range | Says::Address)
}

fn taken(tree: &mut Node, word: &str) -> Option<Entry> {
    let Kind::Map(entries) = &mut tree.kind else { return None };
    let index = entries.iter().position(|entry| entry.key == word)?;
    Some(entries.remove(index))
}

/// Reads what the word says, as the key would spell it.
fn text(entry: &Entry, says: Says, report: &mut Report) -> Option<String> {
    let text = match &entry.value.kind {
        Kind::Scalar(Value::String(text)) => text.trim().to_owned(),
        Kind::Scalar(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let wanted = match says {
        Says::Range if text.parse::<IpNet>().is_err() => "a range such as 10.244.0.0/16",
        Says::Address if text.parse::<Ipv4Addr>().is_err() => "an IPv4 address such as 10.0.0.5",
        Says::Whole if text.parse::<u32>().is_err() => "a whole number",
        Says::Endpoint if text.is_empty() => "an address such as https://api.example.org:6443",
        Says::Endpoint => return Some(endpoint(&text)),
        _ => return Some(text),
    };
    report.add(
        entry.place,
        &entry.key,
        "has no value that it could stand for".to_owned(),
        Some(format!("give it {wanted}")),
    );
    None
}

/// The seeds wrote host or host:port and spoke http; this kiln speaks https only.
fn endpoint(text: &str) -> String {
    let has_port = |text: &str| text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    match text.parse::<IpAddr>() {
        _ if text.contains("://") => text.to_owned(),
        Ok(IpAddr::V6(address)) => format!("https://[{address}]:{API_PORT}"),
        Err(_) if has_port(text) => format!("https://{text}"),
        _ => format!("https://{text}:{API_PORT}"),
    }
}

/// Puts what a word says where its key would stand, or compares it with what stands there.
fn put(
    tree: &mut Node,
    entry: &Entry,
    (target, says): ((&str, &str), Says),
    text: &str,
    report: &mut Report,
) {
    let (section, name) = target;
    let standing = At::root(tree).key(section).key(name);
    if standing.node.is_some() {
        if !agrees(&standing, says, text) {
            let file = report.file(standing.place.text);
            let what = format!("says {text}, but {section}.{name} is another in {}", file.display());
            let fix = format!("remove '{}', or make both say the same", entry.key);
            report.add(entry.place, &entry.key, what, Some(fix));
        }
        return;
    }
    let place = entry.value.place;
    let scalar = |value: Value| Node { place, kind: Kind::Scalar(value) };
    let value = match says {
        Says::Whole => scalar(text.parse::<u32>().map_or_else(|_| Value::from(text), Value::from)),
        _ if is_list(says) => Node { place, kind: Kind::List(vec![(0, scalar(Value::from(text)))]) },
        _ => scalar(Value::from(text)),
    };
    let inner = Entry { key: name.to_owned(), place: entry.place, value };
    let Kind::Map(entries) = &mut tree.kind else { return };
    match entries.iter_mut().find(|entry| entry.key == section).map(|entry| &mut entry.value.kind) {
        Some(Kind::Map(entries)) => entries.push(inner),
        // What stands there is no map; the check of shapes tells.
        Some(_) => {}
        None => entries.push(Entry {
            key: section.to_owned(),
            place: entry.place,
            value: Node { place, kind: Kind::Map(vec![inner]) },
        }),
    }
}

/// A range or address agrees with a list that has it, however it is spelled there.
fn agrees(at: &At<'_>, says: Says, text: &str) -> bool {
    let items = at.items();
    let mut texts = items.iter().filter_map(At::text);
    match says {
        Says::Range => texts.any(|item| item.parse::<IpNet>().ok() == text.parse().ok()),
        Says::Address => texts.any(|item| item.parse::<IpAddr>().ok() == text.parse().ok()),
        Says::Whole => at.whole() == text.parse().ok(),
        Says::Endpoint => at.text().and_then(|text| Url::parse(text).ok()) == Url::parse(text).ok(),
        Says::Refused(..) => false,
    }
}
