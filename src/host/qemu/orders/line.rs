// SPDX-License-Identifier: Apache-2.0
//! What comes on the line: a shell's answer to a call, and a program's bytes up to the mark that ends them.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use memchr::memmem;

use super::script::{Mark, RAW};

/// A machine that says nothing is called again after this, and later and later: its shell may not have been there yet, and
/// will answer each call.
const CALL_AGAIN: Duration = Duration::from_secs(3);

/// The serial line, from this end.
pub(super) struct Line {
    stream: UnixStream,
    /// When the machine is no longer waited for.
    until: Option<Instant>,
    come: Vec<u8>,
}

impl Line {
    pub fn new(stream: UnixStream, until: Option<Instant>) -> Self {
        Self { stream, until, come: Vec::new() }
    }

    pub fn wait_longer(&mut self, by: Duration) {
        self.until = self.until.map(|until| until + by);
    }

    pub fn say(&mut self, words: &str) -> io::Result<()> {
        self.stream.write_all(words.as_bytes())
    }

    /// The same line, for whoever writes to it meanwhile.
    pub fn same(&self) -> io::Result<UnixStream> {
        self.stream.try_clone()
    }

    /// Calls until the shell answers.
    pub fn call(&mut self, mark: &Mark) -> io::Result<()> {
        let (whole, mut pause) = (self.until, CALL_AGAIN);
        loop {
            self.say(&format!("\n{RAW}; {}\n", mark.printed("here")))?;
            let next = Instant::now() + pause;
            pause = (pause * 2).min(CALL_AGAIN * 10);
            self.until = Some(whole.map_or(next, |whole| whole.min(next)));
            let answer = self.pass(&mark.seen("here"), &mut io::sink());
            self.until = whole;
            match answer {
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
                answer => return answer,
            }
            if whole.is_some_and(|whole| Instant::now() >= whole) {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }

    /// Hands on what comes before `end`.
    pub fn pass(&mut self, end: &[u8], sink: &mut dyn Write) -> io::Result<()> {
        loop {
            if let Some(at) = memmem::find(&self.come, end) {
                sink.write_all(&self.come[..at])?;
                self.come.drain(..at + end.len());
                return sink.flush();
            }
            // What may be the beginning of it stays.
            let kept = (1..end.len()).rev().find(|len| self.come.ends_with(&end[..*len])).unwrap_or(0);
            let passed = self.come.len() - kept;
            sink.write_all(&self.come[..passed])?;
            sink.flush()?;
            self.come.drain(..passed);
            self.more()?;
        }
    }

    fn more(&mut self) -> io::Result<()> {
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(left)?;
        let mut bytes = [0; 16 << 10];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.come.extend_from_slice(&bytes[..count]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::ErrorKind::TimedOut.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}
