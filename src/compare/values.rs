// SPDX-License-Identifier: Apache-2.0
//! How one JSON value differs from another, key by key. Members of lists are known by their name, path or member, not by
//! their place.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

/// One difference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// Where: `components[kubelet].version`.
    pub key: String,
    /// The first value; none: it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<Value>,
    /// The second value; none: it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second: Option<Value>,
}

/// What members of lists are known by.
const NAMES: [&str; 3] = ["name", "path", "member"];

/// Returns all differences between two values.
pub(super) fn changes(first: &Value, second: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    walk("", Some(first), Some(second), &mut found);
    found
}

fn walk(key: &str, first: Option<&Value>, second: Option<&Value>, found: &mut Vec<Change>) {
    if first == second {
        return;
    }
    let before = found.len();
    match (first, second) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for name in keys {
                walk(&below(key, name), one.get(name), other.get(name), found);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            if let Some((one, other)) = by_name(one).zip(by_name(other)) {
                let names: BTreeSet<&str> = one.keys().chain(other.keys()).copied().collect();
                for name in names {
                    let (one, other) = (one.get(name).copied(), other.get(name).copied());
                    walk(&format!("{key}[{name}]"), one, other, found);
                }
            }
        }
        _ => {}
    }
    // What has no parts that differ differs as a whole: also the order of a list.
    if found.len() == before {
        found.push(Change { key: key.to_owned(), first: first.cloned(), second: second.cloned() });
    }
}

fn below(key: &str, name: &str) -> String {
    if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") }
}

/// Returns the members of a list by name; none: some have none, or several have the same.
fn by_name(list: &[Value]) -> Option<BTreeMap<&str, &Value>> {
    let mut named = BTreeMap::new();
    for member in list {
        let name = NAMES.iter().find_map(|name| member.get(name)?.as_str())?;
        if named.insert(name, member).is_some() {
            return None;
        }
    }
    Some(named)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_known_by_name() {
        let first = json!({"a": 1, "list": [{"name": "x", "v": 1}, {"name": "y"}], "plain": [1, 2]});
        let second = json!({"b": 2, "list": [{"name": "z"}, {"name": "x", "v": 2}], "plain": [1, 3]});
        let keys: Vec<String> = changes(&first, &second).into_iter().map(|change| change.key).collect();
        assert_eq!(keys, ["a", "b", "list[x].v", "list[y]", "list[z]", "plain"]);
        assert!(changes(&first, &first).is_empty());
    }

    #[test]
    fn another_order_is_a_difference_of_the_list() {
        let (first, second) =
            (json!({"l": [{"name": "x"}, {"name": "y"}]}), json!({"l": [{"name": "y"}, {"name": "x"}]}));
        let found = changes(&first, &second);
        assert_eq!((found.len(), found[0].key.as_str()), (1, "l"));
        // Names that are not unique are no names.
        let twice = json!({"l": [{"name": "x"}, {"name": "x", "v": 1}]});
        assert_eq!(changes(&first, &twice)[0].key, "l");
    }
}
