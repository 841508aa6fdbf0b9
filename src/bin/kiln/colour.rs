// SPDX-License-Identifier: Apache-2.0
//! Colours: few, and only for people. Text with them is printed by anstream's macros, which drop them where the stream is
//! no terminal and where NO_COLOR is set (no-color.org).

use anstyle::{AnsiColor, Style};

/// Titles.
pub const TITLE: Style = Style::new().bold();
/// What stopped the program.
pub const ERROR: Style = AnsiColor::Red.on_default().bold();
/// What is worth a look.
pub const WARNING: Style = AnsiColor::Yellow.on_default();
/// What went well.
pub const GOOD: Style = AnsiColor::Green.on_default();
