// SPDX-License-Identifier: Apache-2.0
//! Shape: whether a tree of marks has the shape that the schema asks for, with every difference told at its place.
//!
//! Manifests have a schema made from their raw types, settings one made from their table of keys. Walks the words of JSON
//! schema that these make (and no others): type, properties, required,
//! additionalProperties, items, enum, const, bounds, and oneOf over required keys. What is wrong is pruned, so that
//! meaning can still be checked in what is left.

use serde_json::Value;
use serde_yaml::Value as Yaml;

use super::at::At;
use super::report::Report;
use super::{Entry, Kind, Node};
use crate::nearest::nearest;

/// Returns the part of the tree that fits `schema`, if the top fits at all.
pub fn check(at: &At<'_>, schema: &Value, report: &mut Report) -> Option<Node> {
    Shape { root: schema, report, is_lenient: false }.check(at, schema)
}

/// As [`check`], but a map that lacks a key is left in, so that what else is wrong with it is told as well: for types that can
/// be without every key.
pub fn check_leniently(at: &At<'_>, schema: &Value, report: &mut Report) -> Option<Node> {
    Shape { root: schema, report, is_lenient: true }.check(at, schema)
}

struct Shape<'s, 'r> {
    root: &'s Value,
    report: &'r mut Report,
    is_lenient: bool,
}

impl<'s> Shape<'s, '_> {
    fn check(&mut self, at: &At<'_>, schema: &'s Value) -> Option<Node> {
        let schema = self.resolve(schema);
        let node = at.node?;
        if !self.has_type(at, node, schema) || !self.is_listed(at, node, schema) {
            return None;
        }
        let kind = match &node.kind {
            Kind::Scalar(value) => self.is_within(at, value, schema).then(|| Kind::Scalar(value.clone())),
            Kind::List(items) => self.list(at, items, schema),
            Kind::Map(_) => self.map(at, schema),
        }?;
        Some(Node { place: node.place, kind })
    }

    fn resolve(&self, schema: &'s Value) -> &'s Value {
        match schema["$ref"].as_str().and_then(|link| self.root.pointer(link.strip_prefix('#')?)) {
            Some(target) => target,
            None => schema,
        }
    }

    fn has_type(&mut self, at: &At<'_>, node: &Node, schema: &Value) -> bool {
        let wanted: Vec<&str> = match &schema["type"] {
            Value::String(one) => vec![one],
            Value::Array(some) => some.iter().filter_map(Value::as_str).collect(),
            // An enum with descriptions ("oneOf" of constants) is of texts.
            _ if schema["oneOf"][0]["const"].is_string() => vec!["string"],
            _ => return true,
        };
        let found = type_of(node);
        if wanted.contains(&found) {
            return true;
        }
        let fix = match &node.kind {
            Kind::Scalar(Yaml::Null) => format!("give it {}, or remove the key", words(&wanted)),
            Kind::Scalar(_) if wanted.contains(&"string") => format!("put it in quotes: \"{}\"", shown(node)),
            _ if wanted == ["array"] => "write '- ' before each item, or put them in [ ]".to_owned(),
            _ => format!("give it {}", words(&wanted)),
        };
        let what = if found == "null" {
            "has no value".to_owned()
        } else {
            format!("is {}, not {}", word(found), words(&wanted))
        };
        self.report.wrong(at, what, fix);
        false
    }

    /// Checks against an enumeration or a constant.
    fn is_listed(&mut self, at: &At<'_>, node: &Node, schema: &Value) -> bool {
        let constant = schema.get("const").into_iter();
        let listed: Vec<&Value> = constant.chain(schema["enum"].as_array().into_iter().flatten()).collect();
        let described =
            schema["oneOf"].as_array().into_iter().flatten().filter_map(|choice| choice.get("const"));
        let allowed: Vec<String> = listed.into_iter().chain(described).map(plain).collect();
        let found = shown(node);
        if allowed.is_empty() || allowed.contains(&found) {
            return true;
        }
        let fix = match nearest(&found, allowed.iter().map(String::as_str)) {
            _ if allowed.len() == 1 => format!("the only value that this kiln knows is {}", allowed[0]),
            Some(meant) => format!("did you mean '{meant}'?"),
            None => format!("use one of: {}", allowed.join(", ")),
        };
        self.report.wrong(at, format!("'{found}' is not known here"), fix);
        false
    }

    fn is_within(&mut self, at: &At<'_>, value: &Yaml, schema: &Value) -> bool {
        let Some(number) = value.as_i64() else { return true };
        let (least, most) = (schema["minimum"].as_i64(), schema["maximum"].as_i64());
        // 32 bits are what unsigned numbers without a stated maximum hold (format uint32).
        let most = most.or((schema["format"] == "uint32").then_some(i64::from(u32::MAX)));
        if least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most) {
            return true;
        }
        let fix = format!("give it a number from {} to {}", least.unwrap_or(0), most.unwrap_or(i64::MAX));
        self.report.wrong(at, format!("{number} is out of range"), fix);
        false
    }

    fn list(&mut self, at: &At<'_>, items: &[(usize, Node)], schema: &'s Value) -> Option<Kind> {
        let len = items.len();
        let bound = |name: &str| schema[name].as_u64().and_then(|n| usize::try_from(n).ok());
        if bound("minItems").is_some_and(|least| len < least) {
            self.report.wrong(at, "is an empty list".to_owned(), "give it at least one item".to_owned());
            return None;
        }
        if let Some(most) = bound("maxItems").filter(|most| len > *most) {
            self.report.wrong(at, format!("has {len} items"), format!("give it at most {most}"));
            return None;
        }
        let indices = items.iter().map(|(index, _)| *index);
        let kept = indices
            .zip(at.items())
            .filter_map(|(index, item)| Some((index, self.check(&item, &schema["items"])?)));
        Some(Kind::List(kept.collect()))
    }

    fn map(&mut self, at: &At<'_>, schema: &'s Value) -> Option<Kind> {
        let mut kept = Vec::new();
        let mut meant = Vec::new();
        for (key, value) in at.entries() {
            let known = schema["properties"]
                .get(key)
                .or_else(|| schema.get("additionalProperties").filter(|any| any.is_object()));
            match known {
                Some(known) => {
                    let node = self.check(&value, known);
                    kept.extend(node.map(|node| Entry {
                        key: key.to_owned(),
                        place: value.key_place,
                        value: node,
                    }));
                }
                None => meant.extend(self.unknown(&value, key, schema)),
            }
        }
        let has_all = self.has_required(at, schema, &kept, &meant);
        let has_one = self.has_one_choice(at, schema, &meant);
        (has_all && has_one).then_some(Kind::Map(kept))
    }

    /// Tells of an unknown key and returns the key that was probably meant.
    fn unknown(&mut self, at: &At<'_>, key: &str, schema: &'s Value) -> Option<&'s str> {
        let known: Vec<&str> =
            schema["properties"].as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        let meant = nearest(key, known.iter().copied());
        let fix = match meant {
            Some(meant) => format!("did you mean '{meant}'?"),
            None => format!("known here: {}", known.join(", ")),
        };
        self.report.wrong_key(at, "unknown key".to_owned(), fix);
        meant
    }

    fn has_required(&mut self, at: &At<'_>, schema: &Value, kept: &[Entry], meant: &[&str]) -> bool {
        let mut has_all = true;
        for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            // The top is validated section by section, so a missing one does not hide the others.
            has_all &= self.is_lenient || at.path.is_empty() || kept.iter().any(|entry| entry.key == key);
            let child = at.key(key);
            if child.node.is_none() && !meant.contains(&key) {
                let description = self.resolve(&schema["properties"][key])["description"].as_str();
                let description = schema["properties"][key]["description"].as_str().or(description);
                self.report.wrong(
                    &child,
                    "is missing".to_owned(),
                    format!("add it: {}", first_sentence(description)),
                );
            }
        }
        has_all
    }

    /// Checks that one of several keys is there, where the schema says "oneOf" over required keys.
    fn has_one_choice(&mut self, at: &At<'_>, schema: &Value, meant: &[&str]) -> bool {
        let choices = schema["oneOf"].as_array().map_or(&[] as &[Value], Vec::as_slice);
        let keys: Vec<&str> = choices.iter().filter_map(|choice| choice["required"][0].as_str()).collect();
        let given: Vec<&str> = keys.iter().copied().filter(|key| at.key(key).node.is_some()).collect();
        let may_be_none =
            keys.is_empty() || keys.len() < choices.len() || keys.iter().any(|key| meant.contains(key));
        match given.as_slice() {
            [_] => true,
            [] if may_be_none => true,
            [] => {
                let what = "lacks the key that says where it comes from".to_owned();
                self.report.wrong_key(at, what, format!("add one of: {}", keys.join(", ")));
                false
            }
            [first, second, ..] => {
                let what = format!("'{second}' is given beside '{first}'");
                self.report.wrong_key(&at.key(second), what, format!("keep one of: {}", given.join(", ")));
                false
            }
        }
    }
}

fn first_sentence(text: Option<&str>) -> String {
    let text = text.unwrap_or_default().replace('\n', " ");
    let end = text.find(". ").unwrap_or(text.len());
    let mut letters = text[..end].trim_end_matches('.').chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

fn type_of(node: &Node) -> &'static str {
    match &node.kind {
        Kind::List(_) => "array",
        Kind::Map(_) => "object",
        Kind::Scalar(Yaml::Null) => "null",
        Kind::Scalar(Yaml::Bool(_)) => "boolean",
        Kind::Scalar(Yaml::Number(number)) if number.is_f64() => "number",
        Kind::Scalar(Yaml::Number(_)) => "integer",
        Kind::Scalar(_) => "string",
    }
}

fn word(kind: &str) -> &str {
    match kind {
        "array" => "a list",
        "object" => "a map",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        _ => "a text",
    }
}

fn words(kinds: &[&str]) -> String {
    kinds.iter().map(|kind| word(kind)).collect::<Vec<_>>().join(" or ")
}

fn shown(node: &Node) -> String {
    match &node.kind {
        Kind::Scalar(Yaml::String(text)) => text.chars().take(80).collect(),
        Kind::Scalar(value) => serde_yaml::to_string(value).unwrap_or_default().trim_end().to_owned(),
        Kind::List(_) | Kind::Map(_) => String::new(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
