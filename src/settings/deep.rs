// SPDX-License-Identifier: Apache-2.0
//! One tree over another: maps are merged deeply, lists and texts are replaced whole.

use std::collections::HashMap;

use crate::marks::report::Report;
use crate::marks::{Entry, Kind, Node};

/// Merges two trees; a map and something else under one key is a problem of the latter.
pub(super) fn deep(earlier: Node, later: Node, report: &mut Report) -> Node {
    deep_at("", earlier, later, report)
}

fn deep_at(path: &str, earlier: Node, later: Node, report: &mut Report) -> Node {
    match (earlier, later) {
        (Node { place, kind: Kind::Map(mut entries) }, Node { kind: Kind::Map(later), .. }) => {
            let known: HashMap<String, usize> =
                entries.iter().enumerate().map(|(index, entry)| (entry.key.clone(), index)).collect();
            for entry in later {
                match known.get(&entry.key) {
                    Some(index) => replace(&mut entries[*index], path, entry, report),
                    None => entries.push(entry),
                }
            }
            Node { place, kind: Kind::Map(entries) }
        }
        (map @ Node { kind: Kind::Map(_), .. }, other) | (other, map @ Node { kind: Kind::Map(_), .. }) => {
            let what = format!("is no map, as it is in {}", report.file(map.place.text).display());
            report.add(other.place, path, what, Some("write keys below it".to_owned()));
            map
        }
        (_, later) => later,
    }
}

fn replace(slot: &mut Entry, path: &str, later: Entry, report: &mut Report) {
    let path = crate::marks::step(path, &slot.key);
    let nothing = Node { place: slot.place, kind: Kind::List(Vec::new()) };
    let earlier = std::mem::replace(&mut slot.value, nothing);
    slot.value = deep_at(&path, earlier, later.value, report);
    slot.place = later.place;
}
