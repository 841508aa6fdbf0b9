// SPDX-License-Identifier: Apache-2.0
//! The program's own words on standard output and standard error.
//!
//! A macro of the standard library panics where nobody takes its words (`| head -1`, a full disk), in the worst case after
//! work that has long been done. Here the first failure of standard output is kept, work goes on, and the program says so
//! at its end ([`failed`]); what standard error does not take has nobody to read it.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};

static FAILED: OnceLock<io::Error> = OnceLock::new();

/// Standard output as a writer, which remembers that it failed.
pub struct Out;

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        keep(io::stdout().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        keep(io::stdout().flush())
    }
}

fn keep<T>(written: io::Result<T>) -> io::Result<T> {
    written.inspect_err(|error| {
        let _ = FAILED.set(io::Error::new(error.kind(), error.to_string()));
    })
}

/// Returns how standard output failed; none also where a reader has read enough, which is no failure.
pub fn failed() -> Option<&'static io::Error> {
    let _ = Out.flush();
    FAILED.get().filter(|error| error.kind() != ErrorKind::BrokenPipe)
}

/// Returns whether standard output takes no more.
pub fn is_closed() -> bool {
    FAILED.get().is_some()
}

/// Prints on standard output: see [`say!`].
pub fn put(words: Arguments<'_>) {
    if !is_closed() {
        let _ = Out.write_all(coloured(words, AutoStream::choice(&io::stdout())).as_bytes());
    }
}

/// Prints on standard error: see [`tell!`].
pub fn put_err(words: Arguments<'_>) {
    let _ = io::stderr().write_all(coloured(words, AutoStream::choice(&io::stderr())).as_bytes());
}

/// Drops colours where a stream is no terminal, or nobody wants them (NO_COLOR).
fn coloured(words: Arguments<'_>, choice: ColorChoice) -> String {
    let text = words.to_string();
    if choice == ColorChoice::Never { strip_str(&text).to_string() } else { text }
}

/// Prints a line of the result.
macro_rules! say {
    ($($words:tt)*) => { $crate::out::put(format_args!("{}\n", format_args!($($words)*))) };
}

/// Prints a line about the run.
macro_rules! tell {
    ($($words:tt)*) => { $crate::out::put_err(format_args!("{}\n", format_args!($($words)*))) };
}

pub(crate) use {say, tell};
