// SPDX-License-Identifier: Apache-2.0
//! Undo: takes a publication back as it was decided, and what a publication that was broken off has left.

use super::diary::{self, Diary};
use super::error::PublishError;
use super::journal::{Piece, Record, Upload};
use super::look;
use super::seen::tag;
use super::wait::{all, until};
use super::withdraw::{RegionWithdrawal, Withdrawal, withdraw};
use super::{Order, Subject};
use crate::cloud::{Cloud, Region};

/// Decides what would be taken back.
///
/// # Errors
/// If something still points to it; calls that fail.
pub async fn look_back(order: &Order<'_>, cloud: &Cloud) -> Result<Withdrawal, PublishError> {
    let (facts, target) = (&order.subject.facts, order.target);
    let journal = diary::peek(&diary::path(&order.subject.path, &facts.digest), &facts.digest)?;
    let seen = look::look(cloud, target, facts, &journal).await?;
    let digest = facts.digest.to_string();
    let others = all(target.regions.iter().map(|name| {
        let (region, digest) = (cloud.region(name), digest.clone());
        async move { Ok(region.images_where(&format!("tag:{}", tag::IMAGE), &digest).await?) }
    }))
    .await?;
    let both: Vec<_> = seen.into_iter().zip(others).collect();
    Ok(withdraw(target, facts, &journal, &both)?)
}

/// Takes it back, everywhere at once; the journal goes when nothing is left that it could tell of.
///
/// # Errors
/// Everything that failed; run again to go on.
pub async fn undo(
    withdrawal: &Withdrawal,
    subject: &Subject,
    cloud: &Cloud,
    nonce: String,
) -> Result<(), PublishError> {
    let path = diary::path(&subject.path, &subject.facts.digest);
    let diary = Diary::open(&path, &subject.facts.digest, nonce)?;
    all(withdrawal.regions.iter().map(|planned| {
        let region = cloud.region(&planned.region);
        one(region, planned.clone(), diary.clone())
    }))
    .await?;
    let journal = diary.journal();
    let is_empty = journal.images.is_empty()
        && journal.written.values().all(|written| written.is_lost || written.is_completed);
    if is_empty { diary.remove() } else { Ok(()) }
}

async fn one(region: Region, planned: RegionWithdrawal, diary: Diary) -> Result<(), PublishError> {
    for name in &planned.parameters {
        region.delete_parameter(name).await?;
    }
    if let Some(image) = planned.image {
        region.deregister(&image).await?;
        diary.note(Record::Deregistered { region: planned.region.clone(), image })?;
    }
    for id in &planned.snapshots {
        delete(&region, id).await?;
        for piece in [Piece::Base, Piece::Image] {
            let upload = Upload { region: planned.region.clone(), piece };
            let journal = diary.journal();
            if journal.written(&upload).is_some_and(|written| written.snapshot.as_ref() == Some(id)) {
                diary.note(Record::Lost { upload })?;
            }
        }
    }
    Ok(())
}

/// Deletes a snapshot. That its image has been deregistered may not be known yet.
async fn delete(region: &Region, id: &str) -> Result<(), PublishError> {
    until(region, &format!("{id} for deletion"), region.limits().fresh, || async {
        match region.delete_snapshot(id).await {
            Ok(()) => Ok(Some(())),
            Err(error) if error.is_refused_as("InvalidSnapshot.InUse") => Ok(None),
            Err(error) => Err(error.into()),
        }
    })
    .await
}
