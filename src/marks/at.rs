// SPDX-License-Identifier: Apache-2.0
//! At: a position in the tree of marks, present or not, that knows its path and its place.
//!
//! Checks walk with it, so that a problem always names the key and the nearest place in the text.

use super::{Kind, Node, Place, step};

/// A position in a tree.
#[derive(Debug, Clone)]
pub struct At<'a> {
    /// The value, if it is there.
    pub node: Option<&'a Node>,
    /// Its path: `units[2].name`.
    pub path: String,
    /// Where its value stands, or else the nearest thing above it.
    pub place: Place,
    /// Where its key stands, or else its value.
    pub key_place: Place,
}

impl<'a> At<'a> {
    /// Returns the position of the whole tree.
    pub fn root(node: &'a Node) -> Self {
        Self { node: Some(node), path: String::new(), place: node.place, key_place: node.place }
    }

    /// Returns the position of `key` in this map.
    pub fn key(&self, key: &str) -> Self {
        let path = step(&self.path, key);
        let entry = match self.node.map(|node| &node.kind) {
            Some(Kind::Map(entries)) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        };
        match entry {
            Some(entry) => {
                Self { node: Some(&entry.value), path, place: entry.value.place, key_place: entry.place }
            }
            None => Self { node: None, path, place: self.key_place, key_place: self.key_place },
        }
    }

    /// Returns the text that stands here, if it is one.
    pub fn text(&self) -> Option<&'a str> {
        match &self.node?.kind {
            Kind::Scalar(value) => value.as_str(),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// Returns the whole number that stands here, if it is one.
    pub fn whole(&self) -> Option<u32> {
        match &self.node?.kind {
            Kind::Scalar(value) => u32::try_from(value.as_u64()?).ok(),
            Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// Returns the positions of this list's items, with the indices that they have in the text.
    pub fn items(&self) -> Vec<Self> {
        let Some(Kind::List(items)) = self.node.map(|node| &node.kind) else { return Vec::new() };
        let at = |(index, node): &'a (usize, Node)| Self {
            node: Some(node),
            path: format!("{}[{index}]", self.path),
            place: node.place,
            key_place: node.place,
        };
        items.iter().map(at).collect()
    }

    /// Returns this map's keys and their positions, in the order of the text.
    pub fn entries(&self) -> Vec<(&'a str, Self)> {
        let Some(Kind::Map(entries)) = self.node.map(|node| &node.kind) else { return Vec::new() };
        let at = |entry: &'a super::Entry| {
            let path = step(&self.path, &entry.key);
            let at =
                Self { node: Some(&entry.value), path, place: entry.value.place, key_place: entry.place };
            (entry.key.as_str(), at)
        };
        entries.iter().map(at).collect()
    }
}
