// SPDX-License-Identifier: Apache-2.0
//! Layers: one text each, in one of three forms. `host::layers` finds them on the machine; later ones win.

use crate::marks::{Kind, Node, Place};

/// The name of the credential that holds a layer.
pub const CREDENTIAL: &str = "kiln.settings";

/// One layer as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// A path, or "credential kiln.settings", or "kernel command line".
    pub name: String,
    /// How to read it.
    pub form: Form,
    /// The text, or in words why there is none: "is not UTF-8".
    pub text: Result<String, String>,
}

/// How a layer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The settings' own keys.
    Yaml,
    /// Lines of `KEY=VALUE`, in the seeds' words.
    Environment,
    /// The kernel's, of which words `kiln.KEY.PATH=VALUE` count.
    CommandLine,
}

/// Returns a layer that says nothing.
pub(super) fn empty(number: u16) -> Node {
    Node { place: nowhere(number), kind: Kind::Map(Vec::new()) }
}

/// Returns the place of a whole text.
pub(super) fn nowhere(number: u16) -> Place {
    Place { text: number, line: 0, column: 0 }
}
