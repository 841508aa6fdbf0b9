// SPDX-License-Identifier: Apache-2.0
//! Plan: what each region still lacks, and which way it gets it. Nothing is left to choose, and nothing is done here.

mod render;
mod way;

use serde::Serialize;

use super::blocks::{self, Blocks};
use super::facts::Facts;
use super::journal::{Journal, Piece, Upload};
use super::seen::Seen;
use super::target::Target;
use crate::blocks::BlockList;
use crate::cloud::{Image, ImageState, Permission, PublicAccess};
use crate::problem::{Problem, Problems};

/// All that is decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// One for each region of the target, in its order.
    pub regions: Vec<RegionPlan>,
    /// Snapshots of the journal that have gone; the journal has to say so.
    pub lost: Vec<Upload>,
    /// What is odd but not wrong.
    pub warnings: Vec<String>,
}

/// What one region lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegionPlan {
    /// The region.
    pub region: String,
    /// The base's snapshot that is to be made first.
    pub base: Option<Sending>,
    /// The image's snapshot.
    pub snapshot: Wanted,
    /// Which way the image's blocks go, and why.
    pub way: String,
    /// The image that is there already.
    pub image: Option<String>,
    /// Who is to be permitted.
    #[serde(serialize_with = "render::permissions")]
    pub permit: Vec<Permission>,
    /// The time that the image is to be deprecated at.
    pub deprecate_at_s: Option<u64>,
    /// Parameters that are to point to the image, with what they point to now.
    pub point: Vec<(String, Option<String>)>,
}

/// Where the image's snapshot comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    /// It is not needed: the image is there.
    Nothing,
    /// It is there, or will be in a moment.
    Have(String),
    /// It has to be sent.
    Send(Sending),
}

/// A snapshot that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sending {
    /// What and where.
    pub upload: Upload,
    /// How many were started before it.
    pub attempt: u32,
    /// The snapshot that was begun already.
    pub begun: Option<String>,
    /// What it differs from.
    pub parent: Parent,
    /// Whether encryption is asked for.
    pub asks_encryption: bool,
    /// Whether it will be encrypted.
    pub is_encrypted: bool,
    /// ARN of the key.
    pub kms_key: Option<String>,
    /// How many blocks it has beyond its parent's.
    pub blocks: usize,
    /// How many of them are still to be sent.
    pub left: usize,
}

/// What a snapshot differs from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parent {
    /// Nothing: zeros.
    Zeros,
    /// A snapshot of the base.
    Known(String),
    /// The one that this plan makes first.
    Made,
}

/// What a plan is made of.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// How it is to be.
    pub target: &'a Target,
    /// What is published.
    pub facts: &'a Facts,
    /// The pristine base's blocks, where the cache has it.
    pub base: Option<&'a BlockList>,
    /// What earlier runs have done.
    pub journal: &'a Journal,
    /// Channels to be moved.
    pub promote: &'a [String],
}

/// Decides what every region still lacks.
///
/// # Errors
/// Everything that stands in the way, of all regions.
pub fn plan(given: &Given<'_>, seen: &[Seen]) -> Result<Plan, Problems> {
    let mut plan = Plan { regions: Vec::new(), lost: Vec::new(), warnings: Vec::new() };
    let mut problems = channels(given);
    for seen in seen {
        let before = problems.len();
        problems.extend(obstacles(given, seen));
        if problems.len() == before {
            let region = region(given, seen, &mut plan);
            plan.regions.push(region);
        }
    }
    if problems.is_empty() { Ok(plan) } else { Err(Problems(problems)) }
}

fn channels(given: &Given<'_>) -> Vec<Problem> {
    let known = &given.target.channels;
    let unknown = given.promote.iter().filter(|channel| !known.contains_key(*channel));
    let names = known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let fix = if names.is_empty() { "add it to 'channels'".to_owned() } else { format!("known: {names}") };
    unknown
        .map(|channel| problem("--promote", format!("the target has no channel '{channel}'"), fix.clone()))
        .collect()
}

fn problem(key: &str, what: String, fix: String) -> Problem {
    Problem { file: "the target".into(), place: None, key: key.to_owned(), what, fix: Some(fix) }
}

/// Tells what can't be done in a region, however it is tried.
fn obstacles(given: &Given<'_>, seen: &Seen) -> Vec<Problem> {
    let (target, region) = (given.target, seen.region.as_str());
    let mut found = Vec::new();
    let mut tell = |key: &str, what: String, fix: &str| found.push(problem(key, what, fix.to_owned()));
    if target.is_public() && seen.public_access == Some(PublicAccess::Blocked) {
        let what = format!("the account blocks public images in {region}");
        tell("share.public", what, "lift it (ec2:DisableImageBlockPublicAccess), or leave the region out");
    }
    let by_default = seen.encrypts_by_default && !target.is_encrypted;
    if by_default && target.is_public() {
        let what = format!("the account encrypts new snapshots in {region}, so the image can't be public");
        tell("share.public", what, "switch encryption by default off there, or leave the region out");
    } else if by_default && !target.share.is_empty() {
        let what = format!("the account encrypts new snapshots in {region} with a key that can't be shared");
        tell("share", what, "name a key of your own for it under encryption.keys");
    }
    match &seen.image {
        Some(image) if !given.facts.is_held_by(image, given.journal) => {
            let what = format!("'{}' is the name of {} in {region}, another image", image.name, image.id);
            tell("name", what, "let {{ image }} be part of the name");
        }
        Some(Image { id, state: ImageState::Failed(reason), .. }) => {
            let what = format!("{id} in {region} has failed: {reason}");
            tell("name", what, "remove it with kiln unpublish and publish again");
        }
        _ => {}
    }
    found
}

fn region(given: &Given<'_>, seen: &Seen, plan: &mut Plan) -> RegionPlan {
    let target = given.target;
    let (snapshot, base, way) = match &seen.image {
        Some(_) => (Wanted::Nothing, None, "the image is there".to_owned()),
        None => way::snapshot(given, seen, plan),
    };
    let id = seen.image.as_ref().map(|image| &image.id);
    let promoted = given.promote.iter().filter_map(|channel| target.channels.get(channel));
    let pointers = target.parameters.iter().chain(promoted);
    let point = pointers
        .map(|name| (name.clone(), seen.parameters.get(name).cloned()))
        .filter(|(_, now)| id.is_none() || now.as_ref() != id)
        .collect();
    let more = seen.permissions.iter().filter(|who| !target.share.contains(who));
    plan.warnings.extend(
        more.map(|who| format!("{}: {who} may launch the image, which the target does not say", seen.region)),
    );
    RegionPlan {
        region: seen.region.clone(),
        base,
        snapshot,
        way,
        image: id.cloned(),
        permit: target.share.iter().filter(|who| !seen.permissions.contains(who)).cloned().collect(),
        deprecate_at_s: target.deprecate_at_s.filter(|at_s| deprecated_at_s(seen) != Some(*at_s)),
        point,
    }
}

fn deprecated_at_s(seen: &Seen) -> Option<u64> {
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;
    let text = seen.image.as_ref()?.deprecated_at.as_ref()?;
    u64::try_from(OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp()).ok()
}

impl Plan {
    /// Returns whether nothing is lacking anywhere.
    pub fn is_done(&self) -> bool {
        self.regions.iter().all(RegionPlan::is_done)
    }

    /// Returns the snapshots of a piece that are to be sent.
    pub fn sendings(&self, piece: Piece) -> Vec<Sending> {
        let of = |region: &RegionPlan| match (piece, &region.snapshot) {
            (Piece::Base, _) => region.base.clone(),
            (Piece::Image, Wanted::Send(sending)) => Some(sending.clone()),
            (Piece::Image, _) => None,
        };
        self.regions.iter().filter_map(of).collect()
    }
}

impl RegionPlan {
    /// Returns whether nothing is lacking.
    pub fn is_done(&self) -> bool {
        let Self { region: _, base, snapshot, way: _, image, permit, deprecate_at_s, point } = self;
        base.is_none()
            && *snapshot == Wanted::Nothing
            && image.is_some()
            && permit.is_empty()
            && deprecate_at_s.is_none()
            && point.is_empty()
    }
}

impl Sending {
    /// Returns all blocks that the snapshot has beyond its parent's.
    pub fn blocks(&self, facts: &Facts, base: Option<&BlockList>) -> Blocks {
        let none = BlockList { size: 0, blocks: Vec::new() };
        let base = base.unwrap_or(&none);
        match (self.upload.piece, &self.parent) {
            (Piece::Base, _) => blocks::whole(base),
            (Piece::Image, Parent::Zeros) => blocks::whole(&facts.blocks),
            (Piece::Image, Parent::Known(_) | Parent::Made) => blocks::on_parent(&facts.blocks, base),
        }
    }
}

#[cfg(test)]
mod tests;
