// SPDX-License-Identifier: Apache-2.0
//! Index: where things are named in a text, for what is found wrong when its tree is long gone.

use std::collections::HashMap;

use serde_yaml::Value;

use super::at::At;
use super::{Kind, Node};

/// Line and column, both from 1.
pub type Position = (u32, u32);

/// The positions of a text's keys, and of the texts that are its values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    keys: HashMap<String, Position>,
    values: HashMap<String, Position>,
}

impl Index {
    /// Reads a tree.
    pub fn of(tree: &Node) -> Self {
        let mut index = Self::default();
        index.read(&At::root(tree));
        index
    }

    fn read(&mut self, at: &At<'_>) {
        let place = if at.text().is_some() { at.place } else { at.key_place };
        self.keys.insert(at.path.clone(), (place.line, place.column));
        match at.node.map(|node| &node.kind) {
            Some(Kind::Scalar(Value::String(text))) => {
                // The first one that says it.
                self.values.entry(text.clone()).or_insert((at.place.line, at.place.column));
            }
            Some(Kind::List(_)) => at.items().iter().for_each(|item| self.read(item)),
            Some(Kind::Map(_)) => at.entries().iter().for_each(|(_, entry)| self.read(entry)),
            Some(Kind::Scalar(_)) | None => {}
        }
    }

    /// Finds a key by its path (`units[2].name`), otherwise a value by its text (`/opt/bin/tool`).
    pub fn find(&self, name: &str) -> Option<Position> {
        self.keys.get(name).or_else(|| self.values.get(name)).copied().filter(|_| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_by_their_paths_and_values_by_their_texts() {
        let text = "name: lab\nfiles:\n  - path: /etc/a\n    mode: 0644\n  - path: /etc/b\nunits:\n  - {name: a.service}\n";
        let index = Index::of(&crate::marks::parse(text, 0).0.unwrap());
        let expected = [
            ("name", Some((1, 7))),
            ("files", Some((2, 1))),
            ("files[1]", Some((5, 5))),
            ("/etc/b", Some((5, 11))),
            ("a.service", Some((7, 12))),
            ("/etc/c", None),
            ("", None),
        ];
        for (name, position) in expected {
            assert_eq!(index.find(name), position, "{name}");
        }
    }
}
