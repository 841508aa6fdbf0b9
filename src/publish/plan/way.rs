// SPDX-License-Identifier: Apache-2.0
//! Which way the blocks of a region go: a snapshot that is there, one that was begun, whole, or on the base's.

use super::{Given, Parent, Plan, Sending, Wanted};
use crate::cloud::{Snapshot, SnapshotState};
use crate::publish::journal::{Piece, Upload, Written};
use crate::publish::seen::Seen;
use crate::publish::target::BaseUse;

/// Returns where the image's snapshot comes from, the base's snapshot that is to be made first, and why this way.
pub fn snapshot(given: &Given<'_>, seen: &Seen, plan: &mut Plan) -> (Wanted, Option<Sending>, String) {
    let is_encrypted = given.target.is_encrypted || seen.encrypts_by_default;
    let upload = Upload { region: seen.region.clone(), piece: Piece::Image };
    let fits = |snapshot: &&Snapshot| snapshot.is_encrypted == is_encrypted;
    let whole = |snapshot: &&Snapshot| snapshot.state == SnapshotState::Completed;
    if let Some(there) = seen.snapshots.iter().filter(fits).find(whole) {
        return (Wanted::Have(there.id.clone()), None, "its snapshot is there".to_owned());
    }
    let begun = begun(given, seen, &upload, &seen.snapshots, plan);
    if let Some((written, Some(id))) = &begun
        && written.is_completed
    {
        return (Wanted::Have(id.clone()), None, "its snapshot is being completed".to_owned());
    }
    strays(seen, given.journal.written(&upload).and_then(|written| written.snapshot.as_deref()), plan);
    if let Some((written, id)) = begun {
        let parent = written.parent.clone().map_or(Parent::Zeros, Parent::Known);
        let why = match &id {
            Some(id) => format!("{id} was begun and goes on"),
            None => "it was about to begin".to_owned(),
        };
        let sending = Sending { begun: id, ..sending(given, upload, parent, is_encrypted) };
        return (Wanted::Send(counted(given, Sending { attempt: written.attempt, ..sending })), None, why);
    }
    let (parent, base, why) = parent(given, seen, is_encrypted, plan);
    (Wanted::Send(counted(given, sending(given, upload, parent, is_encrypted))), base, why)
}

/// Returns what the journal has begun and its snapshot, if that can go on; what can't is lost.
fn begun<'a>(
    given: &Given<'a>,
    seen: &Seen,
    upload: &Upload,
    found: &[Snapshot],
    plan: &mut Plan,
) -> Option<(&'a Written, Option<String>)> {
    let written = given.journal.written(upload)?;
    let wants_encryption = given.target.is_encrypted || seen.encrypts_by_default;
    let has_parent = written
        .parent
        .as_ref()
        .is_none_or(|id| given.base.is_some() && seen.bases.iter().any(|base| base.id == *id));
    let state = written.snapshot.as_ref().map(|id| found.iter().find(|it| it.id == *id).map(|it| it.state));
    let can_go_on = match state {
        None | Some(Some(SnapshotState::Pending)) => has_parent,
        Some(Some(SnapshotState::Completed)) => true,
        Some(Some(SnapshotState::Failed) | None) => false,
    };
    let fits = upload.piece == Piece::Base || written.is_encrypted == wants_encryption;
    if can_go_on && fits {
        return Some((written, written.snapshot.clone()));
    }
    let id = written.snapshot.as_deref().unwrap_or("what was begun");
    plan.warnings.push(format!("{}: {id} has expired or gone; its blocks are sent again", upload.region));
    plan.lost.push(upload.clone());
    None
}

/// Tells of snapshots that nobody here can finish; `ours` is the journal's.
fn strays(seen: &Seen, ours: Option<&str>, plan: &mut Plan) {
    let is_stray = |it: &&Snapshot| it.state != SnapshotState::Completed && Some(it.id.as_str()) != ours;
    plan.warnings.extend(seen.snapshots.iter().filter(is_stray).map(|it| {
        let id = &it.id;
        format!(
            "{}: {id} was begun by a publish whose journal is not here; kiln unpublish removes it",
            seen.region
        )
    }));
}

/// Decides what a new snapshot of the image differs from, and whether the base's has to be made for it.
fn parent(
    given: &Given<'_>,
    seen: &Seen,
    is_encrypted: bool,
    plan: &mut Plan,
) -> (Parent, Option<Sending>, String) {
    let whole = |why: &str| (Parent::Zeros, None, why.to_owned());
    let wants = given.target.base;
    if is_encrypted {
        let who = if given.target.is_encrypted { "the target" } else { "the account" };
        return whole(&format!("whole: {who} encrypts it, and what is encrypted has no parent"));
    }
    if wants == BaseUse::Ignore {
        return whole("whole: the target ignores the base");
    }
    let Some(blocks) = given.base else {
        return whole("whole: the base is not in kiln's cache, so nobody knows what differs from it");
    };
    let is_there = |it: &&Snapshot| {
        it.state == SnapshotState::Completed && !it.is_encrypted && it.volume_gib <= given.facts.volume_gib()
    };
    if let Some(base) = seen.bases.iter().find(is_there) {
        let id = &base.id;
        return (Parent::Known(id.clone()), None, format!("on {id}, which holds the base"));
    }
    if wants == BaseUse::Use {
        return whole("whole: the account has no snapshot of the base; 'base: make' makes one");
    }
    let upload = Upload { region: seen.region.clone(), piece: Piece::Base };
    let begun = begun(given, seen, &upload, &seen.bases, plan);
    let new = sending(given, upload, Parent::Zeros, false);
    let base = match begun {
        Some((written, id)) => Sending { attempt: written.attempt, begun: id, ..new },
        None => new,
    };
    let why = format!("on a snapshot of the base, which is made first ({} blocks)", blocks.blocks.len());
    (Parent::Made, Some(counted(given, base)), why)
}

fn sending(given: &Given<'_>, upload: Upload, parent: Parent, is_encrypted: bool) -> Sending {
    let attempt = given.journal.next_attempt(&upload);
    let kms_key = given.target.kms_keys.get(&upload.region).filter(|_| is_encrypted).cloned();
    let asks_encryption = is_encrypted && given.target.is_encrypted;
    Sending {
        upload,
        attempt,
        begun: None,
        parent,
        asks_encryption,
        is_encrypted,
        kms_key,
        blocks: 0,
        left: 0,
    }
}

/// Counts the blocks, and those that the journal does not know to be there.
fn counted(given: &Given<'_>, sending: Sending) -> Sending {
    let blocks = sending.blocks(given.facts, given.base);
    let sent = given.journal.written(&sending.upload).filter(|_| sending.begun.is_some());
    let left = blocks.iter().filter(|(index, _)| !sent.is_some_and(|it| it.sent.contains(*index))).count();
    Sending { blocks: blocks.len(), left, ..sending }
}
