// SPDX-License-Identifier: Apache-2.0
//! Stream: each block is read and hashed once and goes to every region that lacks it. A window bounds what is in memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc as journal};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};

use super::{Open, Work};
use crate::blocks::BLOCK;
use crate::cloud::{Block, CloudError, CloudErrorKind};
use crate::digest::Digest;
use crate::host::disk::Image;
use crate::publish::diary::Diary;
use crate::publish::error::PublishError;
use crate::publish::journal::{Ranges, Record, Upload};

/// Blocks in memory at once: 32 MiB. At 100 ms for a call (AWS's guidance) that is 640 blocks a second.
const WINDOW: usize = 64;

/// Takes blocks that a region has, by its number.
type Pages = journal::Sender<(usize, u64)>;

/// What a task tells.
enum Event {
    /// A region has a block.
    Sent(usize, u64),
    /// A call failed and is made again.
    Heard(usize, CloudErrorKind),
    /// A region has failed for good.
    Failed(usize, CloudError),
    /// The image can't be read, or has changed.
    Unread(PublishError),
}

/// Where a block goes, and what is to be read there.
struct Errand {
    index: u64,
    digest: Digest,
    to: Vec<usize>,
}

/// A block on its way to several regions; its place in the window is free when it has arrived everywhere.
struct OnItsWay {
    index: u64,
    block: Block,
    _place: OwnedSemaphorePermit,
}

/// What the tasks share.
struct Shared {
    image: Arc<dyn Image>,
    open: Arc<[Open]>,
    failed: Vec<AtomicBool>,
    events: UnboundedSender<Event>,
}

/// Sends what is left of all snapshots; returns the regions that failed, by their number, and why.
///
/// # Errors
/// What stops all of them: the image, the journal.
pub(super) async fn stream(
    image: Arc<dyn Image>,
    open: &Arc<[Open]>,
    work: &Work<'_>,
) -> Result<Vec<(usize, PublishError)>, PublishError> {
    open.iter().enumerate().for_each(|(number, open)| announce(number, open, work));
    let (events, heard) = unbounded_channel();
    let failed = open.iter().map(|_| AtomicBool::new(false)).collect();
    let shared = Arc::new(Shared { image, open: open.clone(), failed, events });
    let (pages, writer) = write_down(open, work.diary.clone());
    let teller = Teller { open, work, pages, said: BTreeMap::new() };
    let failed = drive(shared, heard, teller).await;
    let written = writer.await.expect("writing down does not panic");
    // A journal that can't be written stops everything and explains it.
    written?;
    failed
}

fn announce(number: usize, open: &Open, work: &Work<'_>) {
    let what = format!("sending {}", open.sending.upload);
    work.progress.begin(&id(number), &what, Some(open.left.len() as u64 * BLOCK));
}

fn id(number: usize) -> String {
    format!("send-{number}")
}

/// Starts an errand for each block while there is room, and hears what becomes of them.
async fn drive(
    shared: Arc<Shared>,
    mut heard: UnboundedReceiver<Event>,
    mut teller: Teller<'_>,
) -> Result<Vec<(usize, PublishError)>, PublishError> {
    let window = Arc::new(Semaphore::new(WINDOW));
    let mut errands = errands(&shared.open).into_iter().peekable();
    let mut running = JoinSet::new();
    let mut failed = Vec::new();
    // Looked at before each wait: a run that goes on may find that everything has been sent, and nobody would be heard.
    while errands.peek().is_some() || !running.is_empty() {
        tokio::select! {
            biased;
            event = heard.recv() => teller.take(event.expect("this function holds a sender"), &mut failed)?,
            place = window.clone().acquire_owned(), if errands.peek().is_some() => {
                let (place, errand) = (place.expect("nobody closes the window"), errands.next());
                running.spawn(run(shared.clone(), errand.expect("there is one left"), place));
            }
            ended = running.join_next(), if !running.is_empty() => {
                ended.into_iter().for_each(|it| it.expect("an errand does not panic"));
            }
        }
    }
    while let Ok(event) = heard.try_recv() {
        teller.take(event, &mut failed)?;
    }
    teller.end(&failed);
    Ok(failed)
}

fn errands(open: &[Open]) -> Vec<Errand> {
    let mut by_index: BTreeMap<u64, (Digest, Vec<usize>)> = BTreeMap::new();
    for (number, open) in open.iter().enumerate() {
        for (index, digest) in &open.left {
            by_index.entry(*index).or_insert_with(|| (*digest, Vec::new())).1.push(number);
        }
    }
    by_index.into_iter().map(|(index, (digest, to))| Errand { index, digest, to }).collect()
}

/// Reads a block and sends it everywhere.
async fn run(shared: Arc<Shared>, errand: Errand, place: OwnedSemaphorePermit) {
    let Errand { index, digest, to } = errand;
    let wanted: Vec<usize> =
        to.into_iter().filter(|number| !shared.failed[*number].load(Ordering::Relaxed)).collect();
    if wanted.is_empty() {
        return;
    }
    let image = shared.image.clone();
    let block = match spawn_blocking(move || read(&*image, index, digest)).await {
        Ok(Ok(block)) => block,
        Ok(Err(error)) => return tell(&shared, Event::Unread(error)),
        // The runtime is going down.
        Err(_) => return,
    };
    let block = Arc::new(OnItsWay { index, block, _place: place });
    let mut sending = JoinSet::new();
    for number in wanted {
        sending.spawn(put(shared.clone(), number, block.clone()));
    }
    drop(block);
    while sending.join_next().await.is_some() {}
}

async fn put(shared: Arc<Shared>, number: usize, block: Arc<OnItsWay>) {
    let Open { region, snapshot, .. } = &shared.open[number];
    let hear = |kind: &CloudErrorKind| tell(&shared, Event::Heard(number, kind.clone()));
    let event = match region.put_block(snapshot, block.index, &block.block, &hear).await {
        Ok(()) => Event::Sent(number, block.index),
        Err(error) => {
            shared.failed[number].store(true, Ordering::Relaxed);
            Event::Failed(number, error)
        }
    };
    tell(&shared, event);
}

fn tell(shared: &Shared, event: Event) {
    // Nobody listens any more once everything has been stopped.
    let _ = shared.events.send(event);
}

/// Reads one block, filled up with zeros, and holds it against its digest.
fn read(image: &dyn Image, index: u64, digest: Digest) -> Result<Block, PublishError> {
    let what = || "the image".to_owned();
    let mut bytes = vec![0; BLOCK as usize];
    let len = image.size().saturating_sub(index * BLOCK).min(BLOCK) as usize;
    let read = image.read_at(&mut bytes[..len], index * BLOCK);
    read.map_err(|source| PublishError::Read { what: what(), source })?;
    if Digest::of(&bytes) != digest {
        return Err(PublishError::Changed { what: what(), index });
    }
    Ok(Block::new(bytes, digest))
}

/// Passes events on: to people, to the journal, to the result.
struct Teller<'a> {
    open: &'a [Open],
    work: &'a Work<'a>,
    pages: Pages,
    /// What people have heard last of each region: the same is not said again.
    said: BTreeMap<usize, CloudErrorKind>,
}

impl Teller<'_> {
    fn take(&mut self, event: Event, failed: &mut Vec<(usize, PublishError)>) -> Result<(), PublishError> {
        match event {
            Event::Sent(number, index) => {
                self.work.progress.advance(&id(number), BLOCK);
                // The writer has failed: its own error says why.
                let stopped = |_| PublishError::Several(Vec::new());
                self.pages.send((number, index)).map_err(stopped)?;
            }
            Event::Heard(number, kind) => self.hear(number, kind),
            Event::Failed(number, error) if !failed.iter().any(|(of, _)| *of == number) => {
                failed.push((number, why(&self.open[number], error)));
            }
            Event::Failed(..) => {}
            Event::Unread(error) => return Err(error),
        }
        Ok(())
    }

    fn hear(&mut self, number: usize, kind: CloudErrorKind) {
        if self.said.get(&number) != Some(&kind) {
            let region = &self.open[number].region;
            let pace = region.blocks_per_s();
            let text = format!("{}: {kind}; goes on with {pace:.0} blocks a second", region.name());
            self.work.progress.say(&text);
            self.said.insert(number, kind);
        }
    }

    fn end(&self, failed: &[(usize, PublishError)]) {
        for (number, open) in self.open.iter().enumerate() {
            let note = match failed.iter().find(|(of, _)| *of == number) {
                Some((_, error)) => error.to_string(),
                None => format!("{} blocks", open.left.len()),
            };
            self.work.progress.end(&id(number), &note);
        }
    }
}

/// A snapshot that can't be found after all that waiting has gone.
fn why(open: &Open, error: CloudError) -> PublishError {
    if error.is_not_found() || error.is_refused_as("ValidationException") {
        let region = open.region.name().to_owned();
        return PublishError::Expired { region, snapshot: open.snapshot.clone() };
    }
    error.into()
}

/// Writes down what regions have, together as much as has come meanwhile: a line costs the disk as much as a block.
fn write_down(open: &[Open], diary: Diary) -> (Pages, JoinHandle<Result<(), PublishError>>) {
    let uploads: Vec<Upload> = open.iter().map(|open| open.sending.upload.clone()).collect();
    let (pages, incoming) = journal::channel();
    let writer = spawn_blocking(move || {
        while let Ok(first) = incoming.recv() {
            let mut sent: BTreeMap<usize, Ranges> = BTreeMap::new();
            for (number, index) in std::iter::once(first).chain(incoming.try_iter()) {
                sent.entry(number).or_default().add(index..=index);
            }
            let record = |(number, ranges): (usize, Ranges)| Record::Sent {
                upload: uploads[number].clone(),
                blocks: ranges.pairs(),
            };
            diary.note_all(sent.into_iter().map(record).collect())?;
        }
        Ok(())
    });
    (pages, writer)
}
