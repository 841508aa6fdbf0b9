// SPDX-License-Identifier: Apache-2.0
//! The terminal of kiln's input, as it was: a program that changes it and crashes does not put it in order.

use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};

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
