// SPDX-License-Identifier: Apache-2.0
//! Why a library's error came about: its chain of sources, searched and followed to the end.
//!
//! It knows no kind of error; what a cause means is decided where the error is sorted.

use std::error::Error;
use std::io;

/// Returns the first error of type `T` in the chain that begins with `error`.
pub fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An io::Error hides what it wraps from `source`.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = inner.map(|inner| inner as &(dyn Error + 'static)).or(error.source());
    }
    None
}

/// Returns the innermost reason, which says the most.
pub fn root_of(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
