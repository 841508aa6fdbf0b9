// SPDX-License-Identifier: Apache-2.0
//! bzip2 on all cores: one thread cuts, several decode ahead, the caller's puts the blocks in order.
//!
//! Blocks are decoded before anybody knows whether their cut was right: [`Block`] says so, and a wrong one costs only
//! its own time. A decoder that is ahead of its turn waits when its queue is full, so a block that unpacks to 45 MB
//! (the most that a block can) takes no more memory than another.

use std::fs::File;
use std::io::Read;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::output::Output;
use super::{Cause, Failure, ID};
use crate::decode::Fault;
use crate::decode::bzip2::{Block, Chain, Fed, Kind, Segment, Splitter};
use crate::decode::sparse::is_zero;
use crate::progress::Progress;

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;
/// Pieces (of 256 KiB) that a decoder may be ahead: an incompressible block of level 9 has four.
const PIECES_AHEAD: usize = 5;
/// A decoder needs some 7 MB with its queue, so that twenty-four stay below 200.
const JOBS_MAX: usize = 24;

/// What a decoder says about one segment.
enum Word {
    Data(Vec<u8>),
    Zeros(u64),
    Whole(u32),
    Open(Block),
    Failed(Fault),
}

/// A segment in the order of the file, and who decodes it.
struct Ticket {
    segment: Arc<Segment>,
    words: Option<Receiver<Word>>,
}

type Work = (Arc<Segment>, SyncSender<Word>);

/// Decodes a bzip2 file.
pub(super) fn bzip2(
    file: File,
    jobs: usize,
    output: &mut Output<'_>,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let jobs = jobs.clamp(1, JOBS_MAX);
    std::thread::scope(|scope| {
        let (work, queue) = sync_channel::<Work>(jobs + 2);
        let (order, tickets) = sync_channel(jobs + 2);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..jobs {
            let queue = Arc::clone(&queue);
            scope.spawn(move || {
                while let Some((segment, words)) = next_work(&queue) {
                    speculate(&segment, &words);
                }
            });
        }
        // Only the decoders hold the queue's end, so that the cutter notices when they are gone.
        drop(queue);
        scope.spawn(move || cut(file, &work, &order));
        Assembly { chain: Chain::default(), open: None, output }.run(&tickets, progress)
    })
}

fn next_work(queue: &Mutex<Receiver<Work>>) -> Option<Work> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// Decodes a segment as if its cuts were right. Whoever does not want the result has dropped the other end.
fn speculate(segment: &Segment, words: &SyncSender<Word>) {
    let mut zeros = 0;
    let mut block = Block::default();
    let fed = block.feed(segment, &mut |piece| {
        if is_zero(piece) {
            zeros += piece.len() as u64;
            return;
        }
        if zeros > 0 {
            let _ = words.send(Word::Zeros(std::mem::take(&mut zeros)));
        }
        let _ = words.send(Word::Data(piece.to_vec()));
    });
    let _ = words.send(Word::Zeros(zeros));
    let _ = words.send(match fed {
        Ok(Fed::Whole(crc)) => Word::Whole(crc),
        Ok(Fed::Open) => Word::Open(block),
        Err(fault) => Word::Failed(fault),
    });
}

/// Reads and cuts the file; ends when it is through, or when nobody listens any more.
fn cut(mut file: File, work: &SyncSender<Work>, order: &SyncSender<Result<Ticket, Failure>>) {
    let mut splitter = Splitter::default();
    let mut buffer = vec![0; READ_BYTES];
    let mut offset = 0;
    loop {
        let segments = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                offset += count as u64;
                splitter.push(&buffer[..count]).map_err(|fault| Failure(offset, fault.into()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => Err(Failure(offset, error.into())),
        };
        let sent = match segments {
            Ok(segments) => segments.into_iter().all(|segment| hand_out(segment, work, order)),
            Err(failure) => {
                let _ = order.send(Err(failure));
                false
            }
        };
        if !sent {
            return;
        }
    }
    splitter.finish().into_iter().all(|segment| hand_out(segment, work, order));
}

fn hand_out(segment: Segment, work: &SyncSender<Work>, order: &SyncSender<Result<Ticket, Failure>>) -> bool {
    let segment = Arc::new(segment);
    let mut ticket = Ticket { segment: Arc::clone(&segment), words: None };
    if segment.kind() == Kind::Block {
        let (words, heard) = sync_channel(PIECES_AHEAD);
        ticket.words = Some(heard);
        if work.send((segment, words)).is_err() {
            return false;
        }
    }
    order.send(Ok(ticket)).is_ok()
}

/// Puts the segments together again.
struct Assembly<'a, 'b> {
    chain: Chain,
    /// A block that did not end at its cut.
    open: Option<Block>,
    output: &'a mut Output<'b>,
}

impl Assembly<'_, '_> {
    fn run(
        mut self,
        tickets: &Receiver<Result<Ticket, Failure>>,
        progress: &dyn Progress,
    ) -> Result<(), Failure> {
        for ticket in tickets {
            let ticket = ticket?;
            let segment = Arc::clone(&ticket.segment);
            self.take(ticket).map_err(|cause| {
                let truncated = matches!(cause, Cause::Data(Fault::Truncated(_)));
                Failure(if truncated { segment.end_offset() } else { segment.offset() }, cause)
            })?;
            progress.advance(ID, segment.end_offset() - segment.offset());
        }
        Ok(())
    }

    fn take(&mut self, Ticket { segment, words }: Ticket) -> Result<(), Cause> {
        if let Some(block) = self.open.take() {
            // What looked like a magic was none, so neither are the words of whoever began there.
            return self.go_on(block, &segment);
        }
        match (segment.kind(), words) {
            (Kind::Head, _) => Ok(self.chain.head(&segment)?),
            (Kind::End, _) => Ok(self.chain.end(&segment)?),
            (Kind::Block, words) => self.listen(words.as_ref()),
        }
    }

    fn listen(&mut self, words: Option<&Receiver<Word>>) -> Result<(), Cause> {
        for word in words.into_iter().flatten() {
            match word {
                Word::Data(bytes) => self.output.data(&bytes)?,
                Word::Zeros(len) => self.output.zeros(len)?,
                Word::Failed(fault) => return Err(fault.into()),
                Word::Whole(crc) => {
                    self.chain.block(crc);
                    return Ok(());
                }
                Word::Open(block) => {
                    self.open = Some(block);
                    return Ok(());
                }
            }
        }
        Err(Fault::Corrupt("bzip2", "its decoder gave up".to_owned()).into())
    }

    fn go_on(&mut self, mut block: Block, segment: &Segment) -> Result<(), Cause> {
        let mut written = Ok(());
        let fed = block.feed(segment, &mut |piece| {
            if written.is_ok() {
                written = self.output.data(piece);
            }
        })?;
        written?;
        match fed {
            Fed::Whole(crc) => self.chain.block(crc),
            Fed::Open => self.open = Some(block),
        }
        Ok(())
    }
}
