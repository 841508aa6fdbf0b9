// SPDX-License-Identifier: Apache-2.0
//! Orders to a machine, on a serial line at whose other end a shell waits: a unix socket here, a terminal there. The shell
//! runs one program after the other; what they read and print passes as it is, between marks that nobody can guess.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

mod feed;
mod line;
mod script;

use feed::Feed;
use line::Line;
use script::{Mark, script};

/// A program that was ended in the machine has this long to be told of.
const GRACE: Duration = Duration::from_secs(10);

/// A program that is to run in a machine.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// Its words.
    pub words: &'a [String],
    /// The longest that it and the wait for the machine may take together; nothing: for ever.
    pub limit: Option<Duration>,
    /// Rows and columns of the terminal that it gets; nothing: it gets none.
    pub terminal: Option<(u16, u16)>,
}

/// Where its three streams lead.
#[expect(missing_debug_implementations, reason = "streams show nothing")]
pub struct Ends<'a> {
    /// What it reads; nothing: there is nothing to read.
    pub input: Option<Box<dyn Read + Send>>,
    /// What it prints, as it comes.
    pub output: &'a mut dyn Write,
    /// What it prints to standard error, once it has ended. With a terminal, that comes as output.
    pub error: &'a mut dyn Write,
}

/// Has the machine at `socket` run a program and returns its exit code. `secret` is the mark: another for each order.
///
/// # Errors
/// If nobody listens there, or the machine does not answer in time.
pub fn order(socket: &Path, secret: u128, order: &Order<'_>, ends: Ends<'_>) -> io::Result<i32> {
    let mark = Mark::new(secret);
    let until = order.limit.map(|limit| Instant::now() + limit);
    let mut line = Line::new(UnixStream::connect(socket)?, until);
    line.call(&mark)?;
    line.wait_longer(GRACE);
    line.say(&script(order, &mark, ends.input.is_some()))?;
    line.pass(&mark.seen("start"), &mut io::sink())?;
    let feed = Feed::new(line.same()?, ends.input.is_none(), order.terminal.is_some());
    if let Some(input) = ends.input {
        feed.begin(input);
    }
    line.pass(&mark.seen("error"), ends.output)?;
    line.pass(&mark.seen("end"), ends.error)?;
    let mut status = Vec::new();
    line.pass(b"\n", &mut status)?;
    feed.end()?;
    // The shell has read all that was sent, and waits for the next order.
    line.pass(&mark.seen("over"), &mut io::sink())?;
    String::from_utf8_lossy(&status).trim().parse().map_err(|_| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests;
