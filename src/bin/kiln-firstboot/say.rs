// SPDX-License-Identifier: Apache-2.0
//! What is said on both streams. One that nobody can write to (a full disk, a pipe without a reader) is no reason to leave
//! work half done: lines about it are lost, and only a word whose result *is* its output fails.

use std::fmt;
use std::io::{self, Write as _};

/// One line about the work.
pub fn tell(line: impl fmt::Display) {
    // Whoever reads none of it has the ledger, the report and the exit code.
    let _ = writeln!(io::stderr().lock(), "kiln-firstboot: {line}");
}

/// What was asked for.
pub fn give(text: impl fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    write!(out, "{text}").and_then(|()| out.flush())
}
