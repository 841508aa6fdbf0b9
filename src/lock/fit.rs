// SPDX-License-Identifier: Apache-2.0
//! Whether a lock fits its manifest: the same inputs, each wanted the same way.

use std::fmt;

use super::{Input, Lock};

/// One way in which a lock does not fit its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The input.
    pub name: String,
    /// What the lock pins; none: it does not know the input.
    pub locked: Option<String>,
    /// What the manifest asks for; none: it does not any more.
    pub wanted: Option<String>,
}

/// Returns all misfits, sorted by name.
pub fn misfits(inputs: &[Input<'_>], lock: &Lock) -> Vec<Misfit> {
    let mut misfits = Vec::new();
    for input in inputs {
        let (wanted, locked) = (input.want(), lock.inputs.get(input.name).map(|locked| locked.want.clone()));
        if locked.as_ref() != Some(&wanted) {
            misfits.push(Misfit { name: input.name.to_owned(), locked, wanted: Some(wanted) });
        }
    }
    for (name, locked) in &lock.inputs {
        if !inputs.iter().any(|input| input.name == name) {
            misfits.push(Misfit { name: name.clone(), locked: Some(locked.want.clone()), wanted: None });
        }
    }
    misfits.sort_by(|a, b| a.name.cmp(&b.name));
    misfits
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.locked, &self.wanted) {
            (Some(locked), Some(wanted)) => {
                write!(f, "{}: the manifest asks for '{wanted}', the lock pins '{locked}'", self.name)
            }
            (None, _) => write!(f, "{}: the lock does not know it", self.name),
            (_, None) => write!(f, "{}: the manifest has it no more", self.name),
        }
    }
}
