// SPDX-License-Identifier: Apache-2.0
//! Orders to a machine, on a serial line at whose other end a shell waits: a unix socket here, a terminal there. The shell
//! runs one program after the other; what they read and print passes as it is, between marks that nobody can guess.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use memchr::memmem;

/// A machine that says nothing is called again after this, and later and later: its shell may not have been there yet, and
/// will answer each call.
const CALL_AGAIN: Duration = Duration::from_secs(3);
/// A program that was ended in the machine has this long to be told of.
const GRACE: Duration = Duration::from_secs(10);
/// What is sent of an input at a time.
const CHUNK: usize = 64 << 10;

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
    let mark = Mark(format!("{secret:032x}"));
    let until = order.limit.map(|limit| Instant::now() + limit);
    let mut line = Line { stream: UnixStream::connect(socket)?, until, come: Vec::new() };
    line.call(&mark)?;
    line.until = line.until.map(|until| until + GRACE);
    line.stream.write_all(script(order, &mark, ends.input.is_some()).as_bytes())?;
    line.pass(&mark.seen("start"), &mut io::sink())?;
    let feed = Feed::new(line.stream.try_clone()?, ends.input.is_none(), order.terminal.is_some());
    if let Some(input) = ends.input {
        let feed = feed.clone();
        std::thread::spawn(move || feed_all(&feed, input));
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

/// What nobody else prints. It comes in two words, so that a terminal that repeats its input does not print it.
struct Mark(String);

impl Mark {
    fn printed(&self, what: &str) -> String {
        let (first, second) = self.0.split_at(16);
        format!("printf '%s%s' {first} {second}-{what}")
    }

    fn seen(&self, what: &str) -> Vec<u8> {
        format!("{}-{what}", self.0).into_bytes()
    }
}

/// Returns what the shell reads.
fn script(order: &Order<'_>, mark: &Mark, has_input: bool) -> String {
    let program = order.words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
    let [start, error, end, over] = ["start", "error", "end", "over"].map(|what| mark.printed(what));
    if let Some((rows, columns)) = order.terminal {
        return format!(
            "{start}; stty sane rows {rows} columns {columns}; {program} 2>&1; status=$?; {RAW}; {error}; {end}; \
             echo $status; {over}\n"
        );
    }
    // 0: no limit. What is not read goes nowhere, up to the last piece: the shell would take it for orders.
    let limit = order.limit.map_or(0, |limit| limit.as_secs().max(1));
    let (feed, nothing) = if has_input { (FEED, "") } else { ("", "</dev/null") };
    format!(
        "{start}; {feed} {{ timeout -k 5 {limit} {program} 2>/run/{0} {nothing}; status=$?; {error}; cat /run/{0}; \
         rm -f /run/{0}; {end}; echo $status; }}; {over}\n",
        mark.0
    )
}

/// What a program reads: the pieces of the feed. Their lengths are not read by the shell's own `read`, which takes more
/// than it returns from a terminal; and a piece that the program does not want is read all the same.
const FEED: &str = "while count=$(head -c 8) && [ \"$count\" -gt 0 ]; do \
    head -c \"$count\" | { cat; cat >/dev/null; }; done 2>/dev/null |";

/// Bytes as they are, in both directions; no signals.
const RAW: &str = "stty raw -echo";

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

struct Line {
    stream: UnixStream,
    until: Option<Instant>,
    come: Vec<u8>,
}

impl Line {
    /// Calls until the shell answers.
    fn call(&mut self, mark: &Mark) -> io::Result<()> {
        let (whole, mut pause) = (self.until, CALL_AGAIN);
        loop {
            self.stream.write_all(format!("\n{RAW}; {}\n", mark.printed("here")).as_bytes())?;
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
    fn pass(&mut self, end: &[u8], sink: &mut dyn Write) -> io::Result<()> {
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

/// The way of a program's input, in pieces that each come after their length in eight digits; a last one has none. To a
/// terminal it goes as it is.
#[derive(Clone)]
struct Feed {
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
    fn new(stream: UnixStream, is_over: bool, is_raw: bool) -> Self {
        let line = Arc::new(Mutex::new(Fed { stream, is_over }));
        Self { line, is_enough: Arc::default(), is_raw }
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

    fn end(&self) -> io::Result<()> {
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

#[cfg(test)]
mod tests;
