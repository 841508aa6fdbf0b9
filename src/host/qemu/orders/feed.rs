// SPDX-License-Identifier: Apache-2.0
//! What goes on the line: a program's input, sent by a thread of its own for as long as the program wants it.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is sent of an input at a time.
const CHUNK: usize = 64 << 10;

/// The way of a program's input, in pieces that each come after their length in eight digits; a last one has none. To a
/// terminal it goes as it is.
#[derive(Clone)]
pub(super) struct Feed {
    line: Arc<Mutex<Fed>>,
    /// Whether nobody wants more. Apart, so that whoever says so need not wait for its turn.
    is_enough: Arc<AtomicBool>,
    is_raw: bool,
}

struct Fed {
    stream: UnixStream,
    is_over: bool,
}

impl Feed {
    pub fn new(stream: UnixStream, is_over: bool, is_raw: bool) -> Self {
        let line = Arc::new(Mutex::new(Fed { stream, is_over }));
        Self { line, is_enough: Arc::default(), is_raw }
    }

    /// Sends all of an input, beside whoever reads the machine's answers.
    pub fn begin(&self, input: Box<dyn Read + Send>) {
        let feed = self.clone();
        std::thread::spawn(move || feed_all(&feed, input));
    }

    fn line(&self) -> MutexGuard<'_, Fed> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends one piece; an empty one is the last.
    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let mut line = self.line();
        match (line.is_over, self.is_raw) {
            (true, _) => return Ok(()),
            (false, true) => line.stream.write_all(bytes)?,
            (false, false) => {
                line.stream.write_all(&[format!("{:08}", bytes.len()).as_bytes(), bytes].concat())?;
            }
        }
        line.is_over = bytes.is_empty();
        Ok(())
    }

    pub fn end(&self) -> io::Result<()> {
        self.is_enough.store(true, Ordering::Relaxed);
        self.send(&[])
    }
}

/// A machine that is gone is told of by whoever reads its answer.
fn feed_all(feed: &Feed, mut input: Box<dyn Read + Send>) {
    let mut bytes = vec![0; CHUNK];
    loop {
        let count = input.read(&mut bytes).unwrap_or(0);
        if feed.is_enough.load(Ordering::Relaxed) || feed.send(&bytes[..count]).is_err() || count == 0 {
            return;
        }
    }
}
