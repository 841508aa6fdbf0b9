// SPDX-License-Identifier: Apache-2.0
//! How the program fails: one message with its chain of causes, printed once, and an exit code.

use std::error::Error;

use kiln::exit::Exit;
use kiln::problem::Problems;

use crate::cli::Format;

/// Why the program ends without having done what was asked.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    error: Box<dyn Error>,
}

impl Failure {
    /// Fails with `exit` because of `error`.
    pub fn with(exit: Exit, error: impl Into<Box<dyn Error>>) -> Self {
        Self { exit, error: error.into() }
    }

    /// Prints the message to standard error.
    pub fn print(&self, format: Format) {
        match format {
            Format::Text => self.print_text(),
            Format::Json => {
                let problems = self.error.downcast_ref::<Problems>();
                eprintln!("{}", serde_json::json!({"event": "failed", "error": self.chain(), "problems": problems}));
            }
        }
    }

    fn print_text(&self) {
        for line in self.chain().lines() {
            eprintln!("kiln: {line}");
        }
    }

    fn chain(&self) -> String {
        let mut text = self.error.to_string();
        let mut cause = self.error.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        let exit = if (&error as &dyn Error).is::<Problems>() { Exit::Config } else { Exit::Failed };
        Self { exit, error: Box::new(error) }
    }
}
