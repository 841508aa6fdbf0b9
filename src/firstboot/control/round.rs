// SPDX-License-Identifier: Apache-2.0
//! One look through the list: remembers the first thing that is missing and everything that is wrong.

use std::fmt;

use super::place;
use super::plane::Plane;
use super::seen::{Found, Seen};
use super::table::{self, Authority};
use super::trouble::Trouble;
use super::{Next, Step};
use crate::firstboot::file::File;
use crate::firstboot::pki::Key;

/// What was drawn for one step; a fresh one belongs to each.
#[derive(Clone)]
pub struct Chance {
    /// A new P-256 key in PEM (PKCS #8).
    pub key_pem: String,
    /// For a key that encrypts.
    pub bytes: [u8; 32],
}

impl fmt::Debug for Chance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Chance")
    }
}

/// An authority that can sign.
#[derive(Debug)]
pub(super) struct Signer<'a> {
    pub certificate: &'a str,
    pub key: Key,
}

/// Permission bits of files that hold a key.
pub(super) const SECRET: u32 = 0o600;
/// Permission bits of all others.
pub(super) const PUBLIC: u32 = 0o644;

pub(super) struct Round<'a> {
    pub plane: &'a Plane<'a>,
    pub seen: &'a Seen,
    pub now_s: u64,
    pub chance: &'a Chance,
    first: Option<Step>,
    troubles: Vec<Trouble>,
}

impl<'a> Round<'a> {
    pub(super) fn new(plane: &'a Plane<'a>, seen: &'a Seen, now_s: u64, chance: &'a Chance) -> Self {
        Self { plane, seen, now_s, chance, first: None, troubles: Vec::new() }
    }

    pub(super) fn end(self) -> Next {
        match (self.troubles.is_empty(), self.first) {
            (false, _) => Next::Stuck(self.troubles),
            (true, Some(step)) => Next::Do(step),
            (true, None) => Next::Done,
        }
    }

    /// Returns whether nothing is missing or wrong so far.
    pub(super) fn is_content(&self) -> bool {
        self.first.is_none() && self.troubles.is_empty()
    }

    /// Notes that something is missing. Only the first is made: what comes later is made from it.
    pub(super) fn missing(&mut self, make: impl FnOnce(&Self) -> Result<Step, Trouble>) {
        if self.first.is_none() {
            match make(self) {
                Ok(step) => self.first = Some(step),
                Err(trouble) => self.troubles.push(trouble),
            }
        }
    }

    pub(super) fn write(&mut self, path: &str, mode: u32, text: impl Into<String>) {
        let file = File { path: path.to_owned(), mode, text: text.into() };
        self.missing(|_| Ok(Step::Write(file)));
    }

    pub(super) fn wrong(&mut self, trouble: Trouble) {
        self.troubles.push(trouble);
    }

    /// Returns the text of a file, if one is there. Anything else at the path, and a secret that others can read, is
    /// noted as wrong.
    pub(super) fn text(&mut self, path: &str, mode: u32) -> Option<&'a str> {
        match self.seen.files.get(path)? {
            Found::File { text, mode: found } => {
                if mode == SECRET && found & 0o077 != 0 {
                    let what = format!("holds a key and others may read it (mode {found:04o})");
                    self.wrong(Trouble::new(path, what, format!("chmod 600 {path}")));
                }
                Some(text)
            }
            found => {
                let what = match found {
                    Found::Other(what) => format!("is {what}"),
                    _ => "is a symbolic link, not a file".to_owned(),
                };
                self.wrong(Trouble::new(path, what, "put the file itself there"));
                None
            }
        }
    }

    /// Returns the texts of two files that belong together; none where something else lies at a path, which is then
    /// noted as wrong and hides what would follow from it.
    pub(super) fn texts(&mut self, secret: &str, public: &str) -> Option<(Option<&'a str>, Option<&'a str>)> {
        let texts = (self.text(secret, SECRET), self.text(public, PUBLIC));
        let are_files =
            self.is_there(secret) == texts.0.is_some() && self.is_there(public) == texts.1.is_some();
        are_files.then_some(texts)
    }

    pub(super) fn is_there(&self, path: &str) -> bool {
        self.seen.files.contains_key(path)
    }

    /// Returns a file's text without a judgement.
    pub(super) fn plain(&self, path: &str) -> Option<&'a str> {
        match self.seen.files.get(path)? {
            Found::File { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Returns the certificates that an authority's leaves are checked against.
    pub(super) fn trusted(&self, authority: &Authority) -> Option<&'a str> {
        self.plain(&place::certificate(authority.base))
    }

    /// Returns what signs for an authority, where this machine can.
    pub(super) fn signer(&self, authority: &Authority) -> Option<Signer<'a>> {
        let own = [place::SIGNING, authority.base];
        let bases = if authority.base == table::CLUSTER.base { &own[..] } else { &own[1..] };
        bases.iter().find_map(|base| {
            let key = Key::parse(self.plain(&place::key(base))?).ok()?;
            Some(Signer { certificate: self.plain(&place::certificate(base))?, key })
        })
    }

    /// Sees to a text that only repeats the settings: the present one replaces any other.
    pub(super) fn settle_text(&mut self, file: File) {
        if self.text(&file.path, PUBLIC) != Some(&file.text) {
            self.missing(|_| Ok(Step::Write(file)));
        }
    }
}
