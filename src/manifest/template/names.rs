// SPDX-License-Identifier: Apache-2.0
//! Names: which names a template uses, whether each is known where it stands, and the guards to put around them.
//!
//! Knows tera's grammar as far as it tells names from keywords, filters, tests, functions and arguments. What a unit or a
//! settings file has no use for is refused instead of understood.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::scan::{Tag, Token, TokenKind};
use super::{Fault, fault};
use crate::nearest::nearest;

/// Filters whose result is no longer than what goes in, or that `render` replaces by bounded ones.
const FILTERS: [&str; 13] = [
    "default", "first", "float", "int", "join", "last", "length", "lower", "nth", "str", "trim", "unique",
    "upper",
];
const FUNCTIONS: [&str; 2] = ["range", "throw"];
const KEYWORDS: [&str; 17] = [
    "and", "or", "not", "is", "in", "if", "else", "for", "true", "True", "false", "False", "none", "None",
    "null", "loop", "self",
];
/// Tags by which a template could come to contain another.
const CONTAINING: [&str; 6] = ["block", "component", "extends", "import", "include", "macro"];
const PLAIN_TAGS: [&str; 5] = ["else", "endif", "break", "continue", "endfor"];

/// A template whose names are all known.
#[derive(Debug)]
pub struct Checked {
    /// Texts to put in, by offset in the template, in order.
    pub guards: Vec<(usize, String)>,
    /// The first word of every name that was found.
    pub roots: BTreeSet<String>,
    /// Where each guarded name starts, by its end.
    pub starts: BTreeMap<usize, usize>,
}

/// Finds and checks every name in `tags`.
///
/// # Errors
/// Each name that is not known and each construct that is not available.
pub fn check(text: &str, tags: &[Tag], values: &Value) -> Result<Checked, Vec<Fault>> {
    let mut names = Names {
        text,
        values,
        scopes: vec![BTreeSet::new()],
        uses: Vec::new(),
        tested: BTreeSet::new(),
        checked: Checked { guards: Vec::new(), roots: BTreeSet::new(), starts: BTreeMap::new() },
        faults: Vec::new(),
    };
    tags.iter().for_each(|tag| names.tag(tag));
    names.finish()
}

/// A name that must be defined.
struct Use {
    path: String,
    offset: usize,
    is_local: bool,
}

struct Names<'t> {
    text: &'t str,
    values: &'t Value,
    /// Names set so far: the template's own, and those of each open loop.
    scopes: Vec<BTreeSet<String>>,
    uses: Vec<Use>,
    /// Names that the template itself asks about.
    tested: BTreeSet<String>,
    checked: Checked,
    faults: Vec<Fault>,
}

impl<'t> Names<'t> {
    fn word(&self, token: &Token) -> &'t str {
        &self.text[token.range.clone()]
    }

    fn is(&self, token: Option<&Token>, word: &str) -> bool {
        token.is_some_and(|token| token.kind != TokenKind::Literal && self.word(token) == word)
    }

    fn tag(&mut self, tag: &Tag) {
        let Some((first, rest)) = tag.tokens.split_first().filter(|_| tag.is_block) else {
            return self.expression(&tag.tokens);
        };
        match self.word(first) {
            "if" | "elif" => self.expression(rest),
            "for" => self.for_loop(rest, tag),
            "set" => self.set(first, rest),
            "endfor" if self.scopes.len() > 1 => drop(self.scopes.pop()),
            word if PLAIN_TAGS.contains(&word) => {}
            word => {
                let reason = if CONTAINING.contains(&word) {
                    ": a template stands alone and can't contain itself"
                } else {
                    ""
                };
                let fix = "use if, for, set and raw".to_owned();
                self.wrong(first, format!("'{word}' is not available{reason}"), fix);
            }
        }
    }

    fn for_loop(&mut self, tokens: &[Token], tag: &Tag) {
        let split = tokens.iter().position(|token| self.is(Some(token), "in")).unwrap_or(tokens.len());
        self.expression(tokens.get(split + 1..).unwrap_or_default());
        let targets = tokens[..split].iter().filter(|token| token.kind == TokenKind::Word);
        self.scopes.push(targets.map(|token| self.word(token).to_owned()).collect());
        // White space that the tag takes away must be taken away by what now follows it.
        let turn = if tag.trims_behind { "{{ kiln_turn() -}}" } else { "{{ kiln_turn() }}" };
        self.checked.guards.push((tag.range.end, turn.to_owned()));
    }

    fn set(&mut self, tag: &Token, tokens: &[Token]) {
        let [target, equals, value @ ..] = tokens else { return self.no_set(tag) };
        let (Some(first), Some(last)) = (value.first(), value.last()) else { return self.no_set(tag) };
        if target.kind != TokenKind::Word || self.word(equals) != "=" {
            return self.no_set(tag);
        }
        self.checked.guards.push((first.range.start, "((".to_owned()));
        self.expression(value);
        self.checked.guards.push((last.range.end, ") | kiln_kept)".to_owned()));
        let name = self.word(target).to_owned();
        self.scopes.last_mut().expect("the template's own scope stays").insert(name);
    }

    fn no_set(&mut self, tag: &Token) {
        self.wrong(
            tag,
            "this 'set' is not available".to_owned(),
            "write it as {% set name = value %}".to_owned(),
        );
    }

    fn expression(&mut self, tokens: &[Token]) {
        let mut index = 0;
        while let Some(token) = tokens.get(index) {
            let before = index.checked_sub(1).and_then(|index| tokens.get(index));
            let next = tokens.get(index + 1);
            index = match token.kind {
                TokenKind::Literal => index + 1,
                TokenKind::Sign => self.sign(token, index),
                TokenKind::Word if self.is(before, "|") => self.listed(token, index, "filter", &FILTERS),
                TokenKind::Word if self.is_test(tokens, index) => index + 1,
                TokenKind::Word if KEYWORDS.contains(&self.word(token)) => self.keyword(token, tokens, index),
                TokenKind::Word if self.is(next, "(") => self.listed(token, index, "function", &FUNCTIONS),
                TokenKind::Word if self.is(next, "=") => index + 1,
                TokenKind::Word => self.name(tokens, index),
            };
        }
    }

    fn sign(&mut self, token: &Token, index: usize) -> usize {
        if ["{", "}", "...", "@", "</"].contains(&self.word(token)) {
            let what = format!("'{}' is not available", self.word(token));
            self.wrong(token, what, "give values in 'variables' of the manifest".to_owned());
        }
        index + 1
    }

    fn listed(&mut self, token: &Token, index: usize, kind: &str, list: &[&str]) -> usize {
        let word = self.word(token);
        if !list.contains(&word) {
            let fix = match nearest(word, list.iter().copied()) {
                Some(meant) => format!("did you mean '{meant}'?"),
                None => format!("use one of: {}", list.join(", ")),
            };
            self.wrong(token, format!("there is no {kind} '{word}' here"), fix);
        }
        index + 1
    }

    /// Whether the word is the test in `x is test` or `x is not test`.
    fn is_test(&self, tokens: &[Token], index: usize) -> bool {
        let before = |steps: usize| index.checked_sub(steps).and_then(|index| tokens.get(index));
        self.word(&tokens[index]) != "not"
            && (self.is(before(1), "is") || self.is(before(1), "not") && self.is(before(2), "is"))
    }

    /// Returns the index behind a keyword, with the fields of `loop`, which tera checks itself.
    fn keyword(&mut self, token: &Token, tokens: &[Token], index: usize) -> usize {
        match self.word(token) {
            "for" => {
                let fix = "use {% for %} as a tag".to_owned();
                self.wrong(token, "a loop inside an expression is not available".to_owned(), fix);
                index + 1
            }
            "loop" if self.scopes.len() == 1 => self.name(tokens, index),
            "loop" if self.is(tokens.get(index + 1), ".") => index + 3,
            _ => index + 1,
        }
    }

    /// Takes a name with everything that hangs on it, and returns the index behind.
    fn name(&mut self, tokens: &[Token], start: usize) -> usize {
        let mut end = start + 1;
        let mut path = self.word(&tokens[start]).to_owned();
        let mut is_whole = true;
        loop {
            let next = tokens.get(end);
            if self.is(next, ".") || self.is(next, "?.") {
                let field = tokens.get(end + 1).map_or("", |token| self.word(token));
                path = if is_whole { format!("{path}.{field}") } else { path };
                end += 2;
            } else if self.is(next, "[") || self.is(next, "?[") {
                is_whole = false;
                end = self.bracket(tokens, end);
            } else {
                break;
            }
        }
        let end = end.min(tokens.len());
        self.add(tokens, start..end, path);
        end
    }

    /// Takes the expression in brackets, and returns the index behind it.
    fn bracket(&mut self, tokens: &[Token], open: usize) -> usize {
        let mut depth = 0_usize;
        let close = tokens[open..].iter().position(|token| {
            match self.word(token) {
                "[" | "?[" if token.kind == TokenKind::Sign => depth += 1,
                "]" if token.kind == TokenKind::Sign => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        let close = close.map_or(tokens.len(), |len| open + len);
        self.expression(&tokens[open + 1..close]);
        close + 1
    }

    fn add(&mut self, tokens: &[Token], range: std::ops::Range<usize>, path: String) {
        let root = path.split('.').next().unwrap_or_default().to_owned();
        let is_local = self.scopes.iter().any(|scope| scope.contains(&root));
        self.checked.roots.insert(root);
        let (start, end) = (tokens[range.start].range.start, tokens[range.end - 1].range.end);
        let behind = &tokens[range.end..];
        let is_negated = self.is(behind.first(), "is") && self.is(behind.get(1), "not");
        let test = behind.get(if is_negated { 2 } else { 1 }).map_or("", |token| self.word(token));
        let is_tested = self.is(behind.first(), "is") && ["defined", "undefined"].contains(&test)
            || self.is(behind.first(), "|") && test == "default";
        if is_tested {
            self.tested.insert(path);
            return;
        }
        // Only for the message, inside a text: quotes and backslashes would end or change it.
        let shown: String =
            self.text[start..end].chars().filter(|c| !"\"'`\\".contains(*c) && !c.is_control()).collect();
        self.checked.guards.push((start, "(".to_owned()));
        self.checked.guards.push((end, format!(" | kiln_defined(name=\"{shown}\"))")));
        self.checked.starts.insert(end, start);
        self.uses.push(Use { path, offset: start, is_local });
    }

    fn wrong(&mut self, token: &Token, what: String, fix: String) {
        self.faults.push(fault(self.text, token.range.start, what, fix));
    }

    fn finish(mut self) -> Result<Checked, Vec<Fault>> {
        for used in &self.uses {
            let is_tested = self.tested.iter().any(|tested| is_at_or_below(&used.path, tested));
            if !used.is_local
                && !is_tested
                && let Some(fix) = missing(self.values, &used.path)
            {
                self.faults.push(fault(
                    self.text,
                    used.offset,
                    format!("'{}' is not defined", used.path),
                    fix,
                ));
            }
        }
        self.faults.sort_by_key(|fault| fault.place);
        // Guards of one offset keep their order: what was opened first stands outside.
        self.checked.guards.sort_by_key(|(offset, _)| *offset);
        if self.faults.is_empty() { Ok(self.checked) } else { Err(self.faults) }
    }
}

fn is_at_or_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Returns what to do about a path that leads to no value, or nothing if it leads to one.
fn missing(values: &Value, path: &str) -> Option<String> {
    let mut at = values;
    let mut above = String::new();
    for field in path.split('.') {
        match at.get(field) {
            Some(value) => at = value,
            None => {
                let known: Vec<&str> =
                    at.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
                return Some(match nearest(field, known.iter().copied()) {
                    Some(meant) => format!("did you mean '{above}{meant}'?"),
                    None if known.is_empty() => {
                        "remove it, or add it to 'variables' of the manifest as vars.NAME".to_owned()
                    }
                    None => format!("known here: {above}{}", known.join(&format!(", {above}"))),
                });
            }
        }
        above = format!("{above}{field}.");
    }
    None
}
