// SPDX-License-Identifier: Apache-2.0
//! Secrets where none may be: private keys and bootstrap tokens in a layer. They are told by key and place, never by value,
//! and taken out before anything else looks at the values.

use std::collections::HashSet;

use super::layer::Layer;
use super::token;
use crate::marks::at::At;
use crate::marks::report::Report;
use crate::marks::{Entry, Kind, Node, Place, step};

/// In the first line of every private key in PEM (RFC 7468; also "RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY").
const PRIVATE_KEY: &str = "PRIVATE KEY";
/// Keys that could only hold a token, whatever it looks like.
pub const TOKEN_KEYS: [&str; 4] = ["token", "node.token", "api.token", "bootstrap_token"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Secret {
    PrivateKey,
    Token,
}

impl Secret {
    fn of(text: &str) -> Option<Self> {
        if text.contains(PRIVATE_KEY) {
            Some(Self::PrivateKey)
        } else {
            token::looks_like_one(text).then_some(Self::Token)
        }
    }

    fn tell(self, place: Place, path: &str, report: &mut Report) {
        let (what, fix) = match self {
            Self::PrivateKey => (
                "holds a private key, which no settings may",
                "remove it and take it for known to others; machines make their own keys",
            ),
            Self::Token => (
                "holds a token, which no settings may",
                "hand it over as systemd credential kiln.token, or in a file that node.token_file names",
            ),
        };
        report.add(place, path, what.to_owned(), Some(fix.to_owned()));
    }
}

/// Returns what stands at `at` without its secrets, each of which is reported.
pub fn pruned(at: &At<'_>, report: &mut Report) -> Option<Node> {
    let mut search = Search { root: &at.path, found: HashSet::new(), report };
    search.look(at);
    let found = search.found;
    at.node.map(|node| without(node.clone(), &at.path, &found))
}

/// Tells of a secret that stands in a layer but in none of its values: in a comment, or in a text that is no YAML.
pub(super) fn beside_values(layer: &Layer, number: u16, report: &mut Report) {
    for (secret, words) in [(Secret::PrivateKey, "private key"), (Secret::Token, "token")] {
        let mut lines = layer.text.iter().flat_map(|text| text.lines());
        let line = lines.position(|line| Secret::of(line) == Some(secret));
        if let Some(line) = line
            && !report.tells_of(number, words)
        {
            let line = u32::try_from(line + 1).unwrap_or(u32::MAX);
            secret.tell(Place { text: number, line, column: 1 }, "", report);
        }
    }
}

struct Search<'a, 'r> {
    root: &'a str,
    /// Paths of values to take out.
    found: HashSet<String>,
    report: &'r mut Report,
}

impl Search<'_, '_> {
    fn look(&mut self, at: &At<'_>) {
        let relative = at.path.strip_prefix(self.root).unwrap_or(&at.path).trim_start_matches('.');
        let secret = match at.node.map(|node| &node.kind) {
            _ if TOKEN_KEYS.contains(&relative) => Some(Secret::Token),
            Some(Kind::Scalar(value)) => value.as_str().and_then(Secret::of),
            _ => None,
        };
        if let Some(secret) = secret {
            secret.tell(at.key_place, &at.path, self.report);
            self.found.insert(at.path.clone());
            return;
        }
        at.items().iter().for_each(|item| self.look(item));
        for (key, value) in at.entries() {
            match Secret::of(key) {
                // The key is the secret: told without it.
                Some(secret) => {
                    secret.tell(value.key_place, &at.path, self.report);
                    self.found.insert(value.path);
                }
                None => self.look(&value),
            }
        }
    }
}

fn without(node: Node, path: &str, found: &HashSet<String>) -> Node {
    let kind = match node.kind {
        Kind::Scalar(value) => Kind::Scalar(value),
        Kind::List(items) => {
            let kept = items.into_iter().filter_map(|(index, item)| {
                let path = format!("{path}[{index}]");
                (!found.contains(&path)).then(|| (index, without(item, &path, found)))
            });
            Kind::List(kept.collect())
        }
        Kind::Map(entries) => {
            let kept = entries.into_iter().filter_map(|Entry { key, place, value }| {
                let path = step(path, &key);
                (!found.contains(&path)).then(|| Entry { key, place, value: without(value, &path, found) })
            });
            Kind::Map(kept.collect())
        }
    };
    Node { place: node.place, kind }
}
