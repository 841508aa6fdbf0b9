// SPDX-License-Identifier: Apache-2.0
//! The terminal of kiln's input: as it was, since a program that changes it and crashes does not put it in order, and as a
//! mere line to a program elsewhere.

use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

/// How the terminal was; nothing, where there is none.
#[derive(Debug, Clone)]
pub struct Terminal(Option<Termios>);

impl Terminal {
    /// Looks at it.
    pub fn look() -> Self {
        Self(tcgetattr(std::io::stdin()).ok())
    }

    /// Puts it as it was.
    pub fn restore(&self) {
        if let Some(settings) = &self.0 {
            // A terminal that is gone needs no order.
            let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, settings);
        }
    }
}

/// The terminal as a mere line, until this is dropped: each key goes to the program at its other end.
#[derive(Debug)]
pub struct Raw {
    before: Terminal,
    size: (u16, u16),
}

impl Raw {
    /// Makes it so; nothing: input and output are not both a terminal.
    pub fn of_input_and_output() -> Option<Self> {
        let (columns, rows) = terminal_size::terminal_size_of(std::io::stdout())?;
        let mut settings = tcgetattr(std::io::stdin()).ok()?;
        let before = Terminal(Some(settings.clone()));
        cfmakeraw(&mut settings);
        tcsetattr(std::io::stdin(), SetArg::TCSANOW, &settings).ok()?;
        Some(Self { before, size: (rows.0, columns.0) })
    }

    /// Returns its rows and columns.
    pub fn size(&self) -> (u16, u16) {
        self.size
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.before.restore();
    }
}
