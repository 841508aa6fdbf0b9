// SPDX-License-Identifier: Apache-2.0
//! Asks the person before something goes.

use std::io::{BufRead, IsTerminal, Write};

use kiln::exit::Exit;

use crate::failure::Failure;

/// Asks the person, who must be there to be asked.
pub fn is_confirmed(question: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::with(Exit::Usage, "nobody can be asked here; add --yes if it is meant"));
    }
    crate::out::put_err(format_args!("{question} [y/N] "));
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}
