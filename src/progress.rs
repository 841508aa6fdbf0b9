// SPDX-License-Identifier: Apache-2.0
//! What long work tells while it goes on. Work speaks through [`Progress`]; only the programs decide how it looks.

use std::fmt;
use std::sync::Arc;

/// Listens to long work. Calls come from several threads at once.
pub trait Progress: Sync {
    /// A piece of work begins. `total` is its size in bytes (or steps), where that is known.
    fn begin(&self, id: &str, what: &str, total: Option<u64>);
    /// `amount` more bytes (or steps) of the piece are done.
    fn advance(&self, id: &str, amount: u64);
    /// The piece goes on to its next part; `what` says which, in a few words ("its certificate is issued").
    /// Who shows pieces only by their beginning and end passes it over.
    fn now(&self, _id: &str, _what: &str) {}
    /// The piece ended well; `note` says how, in a few words ("already there", "12 MB").
    fn end(&self, id: &str, note: &str);
    /// A sentence for the person that fits no piece of work, such as a retry or a warning.
    fn say(&self, text: &str);
}

/// Tells a person, while they wait, why a request takes long. Ports have one; by itself it tells nobody.
#[derive(Clone, Default)]
pub struct Teller(Option<Arc<Tell>>);

type Tell = dyn Fn(&str) + Send + Sync;

impl Teller {
    /// Returns one that hands each sentence to `tell`.
    pub fn new(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    /// Tells a sentence.
    pub fn tell(&self, text: &str) {
        self.0.iter().for_each(|tell| tell(text));
    }
}

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Teller(..)" } else { "Teller" })
    }
}

/// Says nothing: for tests and for callers that don't care.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _id: &str, _what: &str, _total: Option<u64>) {}
    fn advance(&self, _id: &str, _amount: u64) {}
    fn end(&self, _id: &str, _note: &str) {}
    fn say(&self, _text: &str) {}
}
