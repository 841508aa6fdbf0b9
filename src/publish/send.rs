// SPDX-License-Identifier: Apache-2.0
//! Send: snapshots of one image to several regions at once, from one read and one hash of it, in bounded memory.
//!
//! A region that fails does not stop the others. Whatever a snapshot has is in the journal before it counts, so that
//! nothing is sent again but what was under way or not yet written down.

mod stream;

use std::sync::Arc;

use super::blocks::{self, Blocks};
use super::diary::Diary;
use super::error::PublishError;
use super::journal::Record;
use super::plan::{Parent, Sending};
use super::subject::Subject;
use super::wait::{all, until};
use crate::blocks::BlockList;
use crate::cloud::{Cloud, NewSnapshot, Region, SnapshotState, Tags};
use crate::host::disk::Image;
use crate::progress::Progress;

/// After so many minutes without a block the service gives a snapshot up: a publish that was killed can be resumed a day
/// later (StartSnapshot, `Timeout`; an hour by default, 4,320 at most).
const TIMEOUT_MIN: u16 = 1440;

/// What is sent, and what hears of it.
pub(super) struct Work<'a> {
    /// The account.
    pub cloud: &'a Cloud,
    /// What is published.
    pub subject: &'a Subject,
    /// Tags of the snapshots.
    pub tags: Tags,
    /// What people see at a snapshot.
    pub description: String,
    /// The journal.
    pub diary: &'a Diary,
    /// Hears how it goes.
    pub progress: &'a dyn Progress,
}

/// One snapshot that is being written.
pub(super) struct Open {
    pub sending: Sending,
    pub region: Region,
    pub snapshot: String,
    /// Everything it has in the end.
    pub blocks: Blocks,
    /// What is still to be sent.
    pub left: Blocks,
}

/// Begins, writes, ends and awaits the snapshots of one piece; returns their ids, in the order of `sendings`.
///
/// # Errors
/// Everything that failed, at most one thing for each region.
pub(super) async fn send(
    sendings: &[Sending],
    image: Arc<dyn Image>,
    parents: &dyn Fn(&str) -> Option<String>,
    work: &Work<'_>,
) -> Result<Vec<String>, PublishError> {
    let base = work.subject.base.as_ref().map(|base| &base.blocks);
    let begun = all(sendings.iter().map(|sending| {
        let region = work.cloud.region(&sending.upload.region);
        let new = new_snapshot(sending, parents, work);
        begin(sending.clone(), region, new, work.diary.clone())
    }))
    .await?;
    let opened = begun.into_iter().zip(sendings);
    let open: Arc<[Open]> =
        opened.map(|((region, snapshot), sending)| open(sending, region, snapshot, base, work)).collect();
    let failed = stream::stream(image, &open, work).await?;
    let whole = open.iter().enumerate().filter(|(index, _)| !failed.iter().any(|(of, _)| of == index));
    let ended = all(whole.map(|(_, open)| end(open, work.diary.clone()))).await;
    let failed = failed.into_iter().map(|(_, error)| error).chain(ended.err()).collect();
    PublishError::all(failed)?;
    Ok(open.iter().map(|open| open.snapshot.clone()).collect())
}

fn new_snapshot(sending: &Sending, parents: &dyn Fn(&str) -> Option<String>, work: &Work<'_>) -> NewSnapshot {
    let upload = &sending.upload;
    let parent = match &sending.parent {
        Parent::Zeros => None,
        Parent::Known(id) => Some(id.clone()),
        Parent::Made => parents(&upload.region),
    };
    let new = NewSnapshot {
        volume_gib: work.subject.facts.volume_gib(),
        parent,
        kms_key: sending.kms_key.clone(),
        is_encrypted: sending.asks_encryption,
        description: work.description.clone(),
        tags: work.tags.clone(),
        token: String::new(),
        timeout_min: TIMEOUT_MIN,
    };
    let token = work.diary.journal().token(upload, sending.attempt, &format!("{new:?}"));
    NewSnapshot { token, ..new }
}

/// Begins a snapshot, unless it has been begun. The intention is written down first: its token finds it again.
async fn begin(
    sending: Sending,
    region: Region,
    new: NewSnapshot,
    diary: Diary,
) -> Result<(Region, String), PublishError> {
    let Sending { upload, attempt, begun, is_encrypted, .. } = sending;
    if let Some(snapshot) = begun {
        return Ok((region, snapshot));
    }
    if diary.journal().written(&upload).is_none() {
        let parent = new.parent.clone();
        diary.note(Record::Start { upload: upload.clone(), attempt, parent, is_encrypted })?;
    }
    let snapshot = region.start_snapshot(&new).await?;
    diary.note(Record::Started { upload, snapshot: snapshot.clone() })?;
    Ok((region, snapshot))
}

fn open(
    sending: &Sending,
    region: Region,
    snapshot: String,
    base: Option<&BlockList>,
    work: &Work<'_>,
) -> Open {
    let blocks = sending.blocks(&work.subject.facts, base);
    let journal = work.diary.journal();
    let sent = journal.written(&sending.upload).map(|written| &written.sent);
    let is_left = |index: &u64| !sent.is_some_and(|sent| sent.contains(*index));
    let left = blocks.iter().filter(|(index, _)| is_left(index)).copied().collect();
    Open { sending: sending.clone(), region, snapshot, blocks, left }
}

/// Ends a snapshot that has all its blocks, and waits until it can be used.
fn end(open: &Open, diary: Diary) -> impl Future<Output = Result<(), PublishError>> + Send + 'static + use<> {
    let (region, snapshot) = (open.region.clone(), open.snapshot.clone());
    let (changed, checksum) = (open.blocks.len() as u64, blocks::checksum(&open.blocks));
    let upload = open.sending.upload.clone();
    async move {
        if let Err(error) = region.complete_snapshot(&snapshot, changed, &checksum).await {
            // It may have been ended before, by a call whose answer got lost: then it is refused now, and soon whole.
            ended_before(&region, &snapshot).await?.ok_or(error)?;
        }
        diary.note(Record::Completed { upload })?;
        completed(&region, &snapshot).await
    }
}

/// Returns something if a snapshot becomes whole without a further call.
async fn ended_before(region: &Region, snapshot: &str) -> Result<Option<()>, PublishError> {
    let waited = until(region, snapshot, region.limits().fresh, || async {
        let state = region.snapshot(snapshot).await?.map(|found| found.state);
        Ok((state == Some(SnapshotState::Completed)).then_some(()))
    });
    match waited.await {
        Ok(()) => Ok(Some(())),
        Err(PublishError::NotReady { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Waits until a snapshot can be used.
///
/// # Errors
/// If it fails, or takes longer than the limit.
pub(super) async fn completed(region: &Region, snapshot: &str) -> Result<(), PublishError> {
    until(region, snapshot, region.limits().ready, || async {
        match region.snapshot(snapshot).await?.map(|found| found.state) {
            Some(SnapshotState::Completed) => Ok(Some(())),
            Some(SnapshotState::Failed) => Err(PublishError::Failed {
                region: region.name().to_owned(),
                id: snapshot.to_owned(),
                reason: "the service gives none".to_owned(),
            }),
            Some(SnapshotState::Pending) | None => Ok(None),
        }
    })
    .await
}
