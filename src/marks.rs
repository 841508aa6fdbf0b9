// SPDX-License-Identifier: Apache-2.0
//! Marks: a YAML text as a tree in which every node knows its place.
//!
//! Structure and places come from saphyr-parser's events, the meaning of plain scalars from serde_yaml. Bounds are checked
//! event by event, so a bomb costs no more than its text. Anchors, aliases and tags are refused: a text that
//! repeats itself is clearer when it says so, and nothing can then grow beyond what is written. Manifests and layers of settings are read with it.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};
use serde_yaml::Value;

pub mod at;
pub mod index;
pub mod report;
pub mod shape;

/// A place in one of the texts that are read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Which of the texts, from 0; a manifest is the only one.
    pub text: u16,
    /// From 1; 0 where a text has no lines worth naming.
    pub line: u32,
    /// From 1.
    pub column: u32,
}

/// More text than this is no manifest and no layer of settings; the parser's work grows with it.
pub const TEXT_MAX: usize = 1 << 20;
/// Far more than the format's own depth (6), and small enough for every recursion over the tree.
const DEPTH_MAX: usize = 64;
/// A manifest of a thousand files has some ten thousand nodes.
const NODES_MAX: usize = 100_000;
/// The longest name of a file on Linux, the longest thing that is ever a key.
const KEY_MAX: usize = 255;
/// More duplicate keys than a person would read.
const FAULTS_MAX: usize = 100;

/// A value in the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where the value starts.
    pub place: Place,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Neither list nor map.
    Scalar(Value),
    /// Items with their index in the text (pruning leaves gaps).
    List(Vec<(usize, Node)>),
    /// Entries in the order of the text.
    Map(Vec<Entry>),
}

/// One key of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub place: Place,
    /// Its value.
    pub value: Node,
}

/// Something that no text may have, whatever its keys mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// The key, if it is about one.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub fix: Option<String>,
}

impl Node {
    /// Returns the values without their places.
    pub fn value(&self) -> Value {
        match &self.kind {
            Kind::Scalar(value) => value.clone(),
            Kind::List(items) => items.iter().map(|(_, item)| item.value()).collect(),
            Kind::Map(entries) => {
                let pairs =
                    entries.iter().map(|entry| (Value::from(entry.key.as_str()), entry.value.value()));
                Value::Mapping(pairs.collect())
            }
        }
    }
}

/// Returns the path of `key` in the map at `path`.
pub fn step(path: &str, key: &str) -> String {
    let is_plain =
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let key = if is_plain { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// Parses `text`, the `number`th of those read together, or tells everything that is wrong with it as YAML; duplicate keys
/// come all at once, with the tree of the first ones. An empty text is no tree and no fault.
pub fn parse(text: &str, number: u16) -> (Option<Node>, Vec<Fault>) {
    if text.len() > TEXT_MAX {
        let start = Place { text: number, line: 1, column: 1 };
        return (None, vec![too_large(start, "the file has more than 1 MiB")]);
    }
    let mut builder = Builder { number, ..Builder::default() };
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let step = event.map_err(|error| broken(place(number, error.marker()), error.info()));
        if let Err(fault) = step.and_then(|(event, span)| builder.take(event, span)) {
            builder.faults.push(fault);
            return (None, builder.faults);
        }
    }
    (builder.root, builder.faults)
}

#[derive(Default)]
struct Builder {
    /// Which text it is.
    number: u16,
    open: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
    faults: Vec<Fault>,
}

/// A list or map whose end has not come yet.
struct Open {
    place: Place,
    body: Body,
}

enum Body {
    List(Vec<(usize, Node)>),
    /// The entries, where each key was first seen, and the key that waits for its value.
    Map(Vec<Entry>, HashMap<String, Place>, Option<(String, Place)>),
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Fault> {
        let place = place(self.number, &span.start);
        match event {
            Event::Alias(_) => return Err(no_alias(place)),
            Event::Scalar(text, style, anchor, tag) => {
                self.admit(place, anchor, tag.is_some())?;
                self.add(place, Kind::Scalar(scalar(&text, style)))?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.admit(place, anchor, tag.is_some())?;
                self.open(place, Body::List(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                self.admit(place, anchor, tag.is_some())?;
                self.open(place, Body::Map(Vec::new(), HashMap::new(), None))?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Open { place, body } = self.open.pop().expect("the parser closes what it opened");
                let kind = match body {
                    Body::List(items) => Kind::List(items),
                    Body::Map(entries, ..) => Kind::Map(entries),
                };
                self.add(place, kind)?;
            }
            Event::DocumentStart(_) if self.root.is_some() => {
                let (what, fix) = ("the file holds a second document", "keep one document in a file");
                return Err(fault(place, what, fix));
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd => {}
            Event::DocumentStart(_) | Event::DocumentEnd => {}
        }
        Ok(())
    }

    /// Counts a node and refuses what none may carry.
    fn admit(&mut self, place: Place, anchor: usize, is_tagged: bool) -> Result<(), Fault> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(too_large(place, "the file has more than 100000 values"));
        }
        if anchor != 0 {
            return Err(no_alias(place));
        }
        if is_tagged {
            return Err(fault(place, "tags are not used here", "remove what starts with '!'"));
        }
        Ok(())
    }

    fn open(&mut self, place: Place, body: Body) -> Result<(), Fault> {
        if let Some(Open { body: Body::Map(_, _, None), .. }) = self.open.last() {
            return Err(fault(place, "a key is a list or a map", "use a text as key"));
        }
        if self.open.len() == DEPTH_MAX {
            return Err(too_large(place, "values lie deeper than 64 levels"));
        }
        self.open.push(Open { place, body });
        Ok(())
    }

    fn add(&mut self, place: Place, kind: Kind) -> Result<(), Fault> {
        let node = Node { place, kind };
        match self.open.last_mut().map(|open| &mut open.body) {
            None => self.root = Some(node),
            Some(Body::List(items)) => items.push((items.len(), node)),
            Some(Body::Map(_, seen, pending @ None)) => {
                let key = key(node)?;
                let first = *seen.entry(key.clone()).or_insert(place);
                *pending = Some((key, place));
                if first != place {
                    self.faults.push(duplicate(place, self.path(), first));
                }
            }
            Some(Body::Map(entries, seen, pending)) => {
                let (key, place) = pending.take().expect("matched above");
                if seen.get(&key) == Some(&place) {
                    entries.push(Entry { key, place, value: node });
                }
            }
        }
        if self.faults.len() > FAULTS_MAX {
            Err(too_large(place, "more keys than that are given twice"))
        } else {
            Ok(())
        }
    }

    /// Returns the path of the key that was read last.
    fn path(&self) -> String {
        self.open.iter().fold(String::new(), |path, open| match &open.body {
            Body::List(items) => format!("{path}[{}]", items.len()),
            Body::Map(_, _, Some((key, _))) => step(&path, key),
            Body::Map(..) => path,
        })
    }
}

/// Reads a plain scalar as serde_yaml does; a quoted or block scalar is a text.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    // 40 bytes hold every number and word that is not simply a text.
    if style != ScalarStyle::Plain || text.len() > 40 {
        return Value::from(text);
    }
    match serde_yaml::from_str(text) {
        Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => value,
        _ => Value::from(text),
    }
}

fn key(node: Node) -> Result<String, Fault> {
    let text = match node.kind {
        Kind::Scalar(Value::String(text)) => text,
        Kind::Scalar(Value::Number(number)) => number.to_string(),
        Kind::Scalar(Value::Bool(is_true)) => is_true.to_string(),
        _ => return Err(fault(node.place, "a key is empty", "write a key before the ':'")),
    };
    if text.len() > KEY_MAX {
        return Err(too_large(node.place, "a key has more than 255 bytes"));
    }
    Ok(text)
}

fn place(text: u16, marker: &Marker) -> Place {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Place { text, line: number(marker.line()), column: number(marker.col() + 1) }
}

fn fault(place: Place, what: &str, fix: &str) -> Fault {
    Fault { place, key: String::new(), what: what.to_owned(), fix: Some(fix.to_owned()) }
}

fn too_large(place: Place, what: &str) -> Fault {
    fault(place, what, "nobody needs that; move long texts into files of their own")
}

fn no_alias(place: Place) -> Fault {
    fault(
        place,
        "anchors and aliases ('&' and '*') are not used here",
        "write the value out, or quote it if it is a text",
    )
}

fn broken(place: Place, info: &str) -> Fault {
    Fault { place, key: String::new(), what: format!("this is not YAML: {info}"), fix: None }
}

fn duplicate(place: Place, key: String, first: Place) -> Fault {
    let what = format!("the key is given twice, first in line {}", first.line);
    Fault { place, key, what, fix: Some("keep one of them".to_owned()) }
}
