// SPDX-License-Identifier: Apache-2.0
//! Problems of an input, all of them at once: each with its place, what is wrong and what would be right.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// One thing that is wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The file it stands in, or what another input is called: "kernel command line".
    pub file: PathBuf,
    /// Line from 1 and column from 1, where there is a place in a text.
    pub place: Option<(u32, u32)>,
    /// The key, path or name concerned: `cluster.pods[0]`.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// What would be right, as an instruction.
    pub fix: Option<String>,
}

/// One or more problems; the order is that of the input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.what)?;
        self.fix.iter().try_for_each(|fix| write!(f, "; {fix}"))
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Problem::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Problems {}
