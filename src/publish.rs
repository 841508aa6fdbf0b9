// SPDX-License-Identifier: Apache-2.0
//! Publish: the flow from an image file to images on AWS, in all regions or in none. Look (regions, journal), decide
//! (plan), do (send, register, share, point), and write down what was done before anything relies on it.
//!
//! It keeps no state but the journal beside the image, and finds what it made by tags: run twice, it changes nothing.

pub mod blocks;
mod diary;
mod error;
pub mod facts;
pub mod journal;
mod look;
mod make;
pub mod plan;
pub mod seen;
mod send;
mod subject;
pub mod target;
mod undo;
mod wait;
pub mod withdraw;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cloud::{Cloud, Tags};
use crate::mark;
use crate::progress::Progress;

use diary::Diary;
use journal::Piece;
use plan::{Given, Plan, RegionPlan, Sending, Wanted};
use seen::tag;
use send::{Work, send};
use target::Target;
use wait::all;

pub use error::PublishError;
pub use subject::{Pristine, Subject, open, pristine};
pub use undo::{look_back, undo};

/// What is to be published, and how.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The image.
    pub subject: &'a Subject,
    /// How it is to be.
    pub target: &'a Target,
    /// Channels to be moved to it.
    pub promote: &'a [String],
}

/// What a publication works with.
pub struct Desk<'a> {
    /// The account.
    pub cloud: &'a Cloud,
    /// Chance for a new journal's tokens.
    pub nonce: String,
    /// Hears how it goes.
    pub progress: &'a dyn Progress,
}

impl std::fmt::Debug for Desk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").field("cloud", self.cloud).finish_non_exhaustive()
    }
}

/// What has been published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Publication {
    /// The digest of the image.
    pub image: String,
    /// Its name on AWS.
    pub name: String,
    /// By region.
    pub regions: BTreeMap<String, Published>,
    /// What is odd but not wrong.
    pub warnings: Vec<String>,
}

/// What has been published in one region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Published {
    /// `ami-...`
    pub image: String,
    /// Whether anything was lacking.
    pub is_new: bool,
    /// How many blocks were sent.
    pub blocks: usize,
}

/// Decides what a publication would do, and changes nothing.
///
/// # Errors
/// What stands in the way; calls that fail.
pub async fn rehearse(order: &Order<'_>, cloud: &Cloud) -> Result<Plan, PublishError> {
    let Order { subject, target, promote } = *order;
    let journal = diary::peek(&diary::path(&subject.path, &subject.facts.digest), &subject.facts.digest)?;
    let seen = look::look(cloud, target, &subject.facts, &journal).await?;
    let base = subject.base.as_ref().map(|base| &base.blocks);
    let given = Given { target, facts: &subject.facts, base, journal: &journal, promote };
    Ok(plan::plan(&given, &seen)?)
}

/// Publishes an image in every region of its target.
///
/// # Errors
/// What stands in the way; calls that fail for good. What was done by then is kept, and the next run goes on from there.
pub async fn publish(order: &Order<'_>, desk: Desk<'_>) -> Result<Publication, PublishError> {
    let plan = rehearse(order, desk.cloud).await?;
    if plan.is_done() {
        return Ok(publication(order, plan, BTreeMap::new()));
    }
    let Order { subject, target, promote } = *order;
    let path = diary::path(&subject.path, &subject.facts.digest);
    let diary = Diary::open(&path, &subject.facts.digest, desk.nonce)?;
    // Once more, now that nobody else here can change the journal.
    let journal = diary.journal();
    let seen = look::look(desk.cloud, target, &subject.facts, &journal).await?;
    let base = subject.base.as_ref().map(|base| &base.blocks);
    let given = Given { target, facts: &subject.facts, base, journal: &journal, promote };
    let plan = plan::plan(&given, &seen)?;
    diary.note_all(
        plan.lost.iter().map(|upload| journal::Record::Lost { upload: upload.clone() }).collect(),
    )?;
    let snapshots = snapshots(order, &plan, &diary, desk.cloud, desk.progress).await?;
    let images = images(order, &plan, &snapshots, &diary, desk.cloud).await?;
    share_and_point(order, &plan, &images, desk.cloud).await?;
    Ok(publication(order, plan, images))
}

/// Makes every snapshot that is lacking, those of the base first; returns the image's by region.
async fn snapshots(
    order: &Order<'_>,
    plan: &Plan,
    diary: &Diary,
    cloud: &Cloud,
    progress: &dyn Progress,
) -> Result<BTreeMap<String, String>, PublishError> {
    let subject = order.subject;
    let (bases, images) = (plan.sendings(Piece::Base), plan.sendings(Piece::Image));
    let work = |piece: Piece| Work {
        cloud,
        subject,
        tags: snapshot_tags(order, piece, diary),
        description: description(order, piece),
        diary,
        progress,
    };
    let mut made = BTreeMap::new();
    if let Some(base) = subject.base.as_ref().filter(|_| !bases.is_empty()) {
        let ids = send(&bases, base.image.clone(), &|_| None, &work(Piece::Base)).await?;
        made = by_region(&bases, ids);
    }
    let ids = match images.is_empty() {
        true => Vec::new(),
        false => {
            let parents = |region: &str| made.get(region).cloned();
            send(&images, subject.image.clone(), &parents, &work(Piece::Image)).await?
        }
    };
    let mut snapshots = by_region(&images, ids);
    for region in &plan.regions {
        if let Wanted::Have(id) = &region.snapshot {
            snapshots.insert(region.region.clone(), id.clone());
        }
    }
    Ok(snapshots)
}

fn by_region(sendings: &[Sending], ids: Vec<String>) -> BTreeMap<String, String> {
    sendings.iter().map(|sending| sending.upload.region.clone()).zip(ids).collect()
}

/// Registers the image wherever it is lacking, and returns all of them by region.
async fn images(
    order: &Order<'_>,
    plan: &Plan,
    snapshots: &BTreeMap<String, String>,
    diary: &Diary,
    cloud: &Cloud,
) -> Result<BTreeMap<String, String>, PublishError> {
    let image = |region: &RegionPlan| {
        let (there, snapshot) = (region.image.clone(), snapshots.get(&region.region));
        let new = snapshot.map(|snapshot| {
            make::new_image(order.target, &order.subject.facts, snapshot, tags(order, Piece::Image))
        });
        let (at, diary) = (cloud.region(&region.region), diary.clone());
        async move {
            match (there, new) {
                (Some(id), _) => make::available(&at, &id).await.map(|()| id),
                (None, new) => make::register(at, new.expect("a snapshot was planned"), diary).await,
            }
        }
    };
    let ids = all(plan.regions.iter().map(image)).await?;
    Ok(plan.regions.iter().map(|region| region.region.clone()).zip(ids).collect())
}

/// Shares all images, and only then lets parameters point to them.
async fn share_and_point(
    order: &Order<'_>,
    plan: &Plan,
    images: &BTreeMap<String, String>,
    cloud: &Cloud,
) -> Result<(), PublishError> {
    let each = || plan.regions.iter().map(|region| (cloud.region(&region.region), region.clone()));
    let id = |region: &RegionPlan| images[&region.region].clone();
    all(each().map(|(at, region)| {
        let image = id(&region);
        make::share(at, region, image, order.target.share.clone())
    }))
    .await?;
    all(each().map(|(at, region)| {
        let image = id(&region);
        make::point(at, region, image)
    }))
    .await?;
    Ok(())
}

/// Returns the tags of what is made.
fn tags(order: &Order<'_>, piece: Piece) -> Tags {
    let facts = &order.subject.facts;
    let mut tags = order.target.tags.clone();
    tags.insert(tag::VERSION.to_owned(), mark::VERSION.to_owned());
    match (piece, &order.subject.base) {
        (Piece::Base, Some(base)) => {
            tags.insert(tag::IMAGE.to_owned(), base.blocks.digest().to_string());
            tags.extend(facts.base.map(|digest| (tag::BASE.to_owned(), digest.to_string())));
            tags.insert("Name".to_owned(), format!("base of {}", facts.name));
        }
        _ => {
            tags.insert(tag::IMAGE.to_owned(), facts.digest.to_string());
            tags.insert(tag::PLAN.to_owned(), facts.plan.to_string());
            tags.insert("Name".to_owned(), order.target.name.clone());
        }
    }
    tags
}

fn snapshot_tags(order: &Order<'_>, piece: Piece, diary: &Diary) -> Tags {
    let mut tags = tags(order, piece);
    tags.insert(tag::JOURNAL.to_owned(), diary.journal().nonce);
    tags
}

fn description(order: &Order<'_>, piece: Piece) -> String {
    match piece {
        Piece::Base => format!("the pristine base of {}", order.subject.facts.name),
        Piece::Image => order.target.description.clone(),
    }
}

fn publication(order: &Order<'_>, plan: Plan, images: BTreeMap<String, String>) -> Publication {
    let blocks = |region: &RegionPlan| match &region.snapshot {
        Wanted::Send(sending) => sending.left,
        Wanted::Nothing | Wanted::Have(_) => 0,
    };
    let published = |region: &RegionPlan| {
        let image = images.get(&region.region).or(region.image.as_ref())?.clone();
        let published = Published { image, is_new: !region.is_done(), blocks: blocks(region) };
        Some((region.region.clone(), published))
    };
    let (image, name) = (order.subject.facts.digest.to_string(), order.target.name.clone());
    let regions = plan.regions.iter().filter_map(published).collect();
    Publication { image, name, regions, warnings: plan.warnings }
}
