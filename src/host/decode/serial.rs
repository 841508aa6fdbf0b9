// SPDX-License-Identifier: Apache-2.0
//! Formats that decode in one go from start to end: one thread decodes, the caller's writes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};

use nix::errno::Errno;
use nix::unistd::{Whence, lseek};

use super::output::Output;
use super::{Cause, Failure, ID};
use crate::decode::sparse::is_zero;
use crate::decode::{Fault, Limits};
use crate::progress::Progress;

/// Decoded bytes travel in pieces that fit into a core's cache: of the size of zstd's blocks...
const PIECE_BYTES: usize = 128 << 10;
/// ...and few of them, so that a slow disk holds up the decoder and not the memory.
const PIECES_AHEAD: usize = 16;

type Input = Counted<BufReader<File>>;

/// Copies the data of an uncompressed file; its holes are not even read.
pub(super) fn raw(file: &File, output: &mut Output<'_>, progress: &dyn Progress) -> Result<(), Failure> {
    let failed = |offset: u64| move |error: io::Error| Failure(offset, error.into());
    // Not the length in the metadata, which a block device does not have.
    let size = lseek(file, 0, Whence::SeekEnd).map_err(|errno| failed(0)(errno.into()))? as u64;
    let mut piece = vec![0; PIECE_BYTES];
    let mut offset = 0;
    while offset < size {
        let data = next_data(file, offset, size).map_err(failed(offset))?;
        output.zeros(data - offset).map_err(|cause| Failure(offset, cause))?;
        let part = &mut piece[..(size - data).min(PIECE_BYTES as u64) as usize];
        file.read_exact_at(part, data).map_err(failed(data))?;
        output.data(part).map_err(|cause| Failure(data, cause))?;
        progress.advance(ID, data + part.len() as u64 - offset);
        offset = data + part.len() as u64;
    }
    Ok(())
}

/// Returns where data begins at or after `offset`; a filesystem that knows no holes has data everywhere.
fn next_data(file: &File, offset: u64, size: u64) -> io::Result<u64> {
    match lseek(file, offset as i64, Whence::SeekData) {
        Ok(data) => Ok((data as u64).min(size)),
        Err(Errno::ENXIO) => Ok(size),
        Err(Errno::EINVAL) => Ok(offset),
        Err(errno) => Err(errno.into()),
    }
}

/// Decodes gzip members.
pub(super) fn gzip(file: File, output: &mut Output<'_>, progress: &dyn Progress) -> Result<(), Failure> {
    let (input, consumed) = Counted::new(file);
    let members = Members { member: Some(flate2::bufread::GzDecoder::new(input)) };
    pump(members, "gzip", &consumed, output, progress)
}

/// Decodes zstd frames.
pub(super) fn zstd(
    file: File,
    limits: Limits,
    output: &mut Output<'_>,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let (input, consumed) = Counted::new(file);
    let failed = |error: io::Error| Failure(0, error.into());
    let mut frames = ::zstd::stream::read::Decoder::with_buffer(input).map_err(failed)?;
    frames.window_log_max(limits.window_log_max).map_err(failed)?;
    pump(frames, "zstd", &consumed, output, progress).map_err(|failure| zstd_failure(failure, limits))
}

/// Tells two failures of zstd's apart, of which it only gives the words.
fn zstd_failure(Failure(offset, cause): Failure, limits: Limits) -> Failure {
    let cause = match cause {
        Cause::Data(Fault::Corrupt(_, why)) if why.contains("too much memory") => {
            Fault::Window(1 << limits.window_log_max >> 20).into()
        }
        Cause::Data(Fault::Corrupt(name, why)) if why.contains("Unknown frame") => {
            if offset == 0 {
                Fault::Corrupt(name, why).into()
            } else {
                Fault::Trailing(name).into()
            }
        }
        cause => cause,
    };
    Failure(offset, cause)
}

/// Reads `from` on a thread of its own and puts what comes into `output`.
fn pump(
    from: impl Read + Send,
    format: &'static str,
    consumed: &AtomicU64,
    output: &mut Output<'_>,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    std::thread::scope(|scope| {
        let (pieces, taken) = sync_channel(PIECES_AHEAD);
        let (empty, used) = channel();
        scope.spawn(move || produce(from, format, &pieces, &used));
        let mut before = 0;
        let written = consume(&taken, &empty, output, &mut || {
            let now = consumed.load(Ordering::Relaxed);
            progress.advance(ID, now - before);
            before = now;
        });
        written.map_err(|cause| Failure(consumed.load(Ordering::Relaxed), cause))
    })
}

/// What comes out of a decoder.
enum Piece {
    Data(Vec<u8>),
    Zeros(u64),
}

/// Zeros are reported at least this often, so that the consumer can tell how far it is and stop at its limit.
const ZEROS_MAX: u64 = 64 << 20;

/// Decodes on; looks for zeros here, where the bytes are still in this core's cache, and not where they are written.
fn produce(
    mut from: impl Read,
    format: &'static str,
    pieces: &SyncSender<Result<Piece, Cause>>,
    used: &Receiver<Vec<u8>>,
) {
    let mut zeros = 0;
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        let (len, end) = fill(&mut from, &mut buffer);
        let is_data = !is_zero(&buffer[..len]);
        if !is_data {
            zeros += len as u64;
        }
        let mut sent = Ok(());
        if zeros > 0 && (is_data || zeros >= ZEROS_MAX || !matches!(end, Ok(false))) {
            sent = pieces.send(Ok(Piece::Zeros(std::mem::take(&mut zeros))));
        }
        if is_data && sent.is_ok() {
            let mut piece = std::mem::replace(&mut buffer, used.try_recv().unwrap_or_default());
            piece.truncate(len);
            buffer.resize(PIECE_BYTES, 0);
            sent = pieces.send(Ok(Piece::Data(piece)));
        }
        // The consumer is gone when it failed; then nobody waits for more.
        match end {
            Ok(false) if sent.is_ok() => {}
            Ok(_) => return,
            Err(error) => {
                let _ = pieces.send(Err(cause_of(error, format)));
                return;
            }
        }
    }
}

/// Fills `piece`; returns how far that went, and whether that was all.
fn fill(from: &mut impl Read, piece: &mut [u8]) -> (usize, io::Result<bool>) {
    let mut len = 0;
    while len < piece.len() {
        match from.read(&mut piece[len..]) {
            Ok(0) => return (len, Ok(true)),
            Ok(count) => len += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (len, Err(error)),
        }
    }
    (len, Ok(false))
}

fn consume(
    taken: &Receiver<Result<Piece, Cause>>,
    empty: &Sender<Vec<u8>>,
    output: &mut Output<'_>,
    each: &mut dyn FnMut(),
) -> Result<(), Cause> {
    for piece in taken {
        match piece? {
            Piece::Zeros(len) => output.zeros(len)?,
            Piece::Data(bytes) => {
                output.data(&bytes)?;
                // The producer may have ended; then no buffer is needed any more.
                let _ = empty.send(bytes);
            }
        }
        each();
    }
    Ok(())
}

/// Decoders speak in [`io::Error`]s, as the file below them does; only the file's carry a number of the system.
fn cause_of(error: io::Error, format: &'static str) -> Cause {
    match error.kind() {
        _ if error.raw_os_error().is_some() => error.into(),
        io::ErrorKind::UnexpectedEof => Fault::Truncated(format).into(),
        _ => match error.downcast::<Fault>() {
            Ok(fault) => fault.into(),
            Err(error) => Fault::Corrupt(format, error.to_string()).into(),
        },
    }
}

/// gzip members, one behind the other; anything else behind a member is an error.
struct Members {
    member: Option<flate2::bufread::GzDecoder<Input>>,
}

impl Read for Members {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let Some(mut input) = self.member.take().map(flate2::bufread::GzDecoder::into_inner) else {
                break;
            };
            match input.fill_buf()? {
                [] => {}
                [0x1f, ..] => self.member = Some(flate2::bufread::GzDecoder::new(input)),
                _ => return Err(io::Error::other(Fault::Trailing("gzip"))),
            }
        }
        Ok(0)
    }
}

/// Counts what a decoder has really taken, not what was read ahead for it.
struct Counted<R> {
    inner: R,
    consumed: Arc<AtomicU64>,
}

impl Input {
    fn new(file: File) -> (Self, Arc<AtomicU64>) {
        let consumed = Arc::new(AtomicU64::new(0));
        (
            Self { inner: BufReader::with_capacity(PIECE_BYTES, file), consumed: Arc::clone(&consumed) },
            consumed,
        )
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.consumed.fetch_add(amount as u64, Ordering::Relaxed);
        self.inner.consume(amount);
    }
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}
