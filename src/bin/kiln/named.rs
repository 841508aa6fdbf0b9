// SPDX-License-Identifier: Apache-2.0
//! Files of settings that a person names: their text, and which one was meant where there is none of that name.

use std::io::ErrorKind;
use std::path::Path;

use kiln::exit::Exit;
use kiln::host::files;

use crate::failure::Failure;

/// Returns the text of a file of at most `most` bytes.
pub fn text(file: &Path, most: u64) -> Result<String, Failure> {
    let bytes = files::read(file, most).map_err(|error| match error.source.kind() {
        ErrorKind::NotFound => Failure::with(Exit::Config, missing(file)),
        _ => Failure::with(Exit::Config, error),
    })?;
    let wrong = |_| Failure::with(Exit::Config, format!("{}: it is no text", file.display()));
    String::from_utf8(bytes).map_err(wrong)
}

fn missing(file: &Path) -> String {
    let meant = files::neighbour(file, &[".yaml", ".yml"]);
    let hint = meant.map(|meant| format!("; did you mean {}?", meant.display())).unwrap_or_default();
    format!("there is no file {}{hint}", file.display())
}
