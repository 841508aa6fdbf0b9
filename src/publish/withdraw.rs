// SPDX-License-Identifier: Apache-2.0
//! Withdraw: what is taken back of a publication, decided without doing it. Parameters go before the image that they
//! point to, and an image before its snapshots; what others still use stays.

use std::fmt;

use serde::Serialize;

use super::facts::Facts;
use super::journal::Journal;
use super::seen::{Seen, tag};
use super::target::Target;
use crate::cloud::{Image, Snapshot, SnapshotState};
use crate::problem::{Problem, Problems};

/// What is taken back, everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Withdrawal {
    /// By region, in the order of the target.
    pub regions: Vec<RegionWithdrawal>,
}

/// What is taken back in one region, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegionWithdrawal {
    /// The region.
    pub region: String,
    /// Parameters that point to the image.
    pub parameters: Vec<String>,
    /// The image.
    pub image: Option<String>,
    /// Its snapshots, whole or not, and those of publications that were broken off.
    pub snapshots: Vec<String>,
}

/// Decides what is taken back. Beside what was seen of each region come its images that hold the same under another name.
/// A snapshot of the base goes only if it is the journal's and not whole: whole ones serve other images.
///
/// # Errors
/// If a channel still points to the image: who follows it would launch nothing.
pub fn withdraw(
    target: &Target,
    facts: &Facts,
    journal: &Journal,
    seen: &[(Seen, Vec<Image>)],
) -> Result<Withdrawal, Problems> {
    let mut problems = Vec::new();
    let mut regions = Vec::new();
    for (seen, others) in seen {
        let held = seen.image.as_ref().filter(|image| facts.is_held_by(image, journal));
        let image = held.map(|image| image.id.clone());
        let points = |name: &&String| image.is_some() && seen.parameters.get(*name) == image.as_ref();
        for (channel, name) in target.channels.iter().filter(|(_, name)| points(name)) {
            problems.push(problem(&seen.region, channel, name));
        }
        let is_free = |snapshot: &&Snapshot| {
            let of = |image: &&Image| {
                Some(&image.id) != held.map(|image| &image.id) && image.snapshots.contains(&snapshot.id)
            };
            !others.iter().any(|image| of(&image))
        };
        let is_ours = |it: &Snapshot| it.tags.get(tag::JOURNAL).is_some_and(|nonce| *nonce == journal.nonce);
        let is_broken = |it: &&Snapshot| it.state != SnapshotState::Completed && is_ours(it);
        let broken = seen.bases.iter().filter(is_broken);
        let snapshots = seen.snapshots.iter().filter(is_free).chain(broken).map(|it| it.id.clone()).collect();
        let parameters = target.parameters.iter().filter(points).cloned().collect();
        regions.push(RegionWithdrawal { region: seen.region.clone(), parameters, image, snapshots });
    }
    if problems.is_empty() { Ok(Withdrawal { regions }) } else { Err(Problems(problems)) }
}

fn problem(region: &str, channel: &str, name: &str) -> Problem {
    let what = format!("{name} in {region} points to the image");
    let fix = Some(format!("promote another image to '{channel}' first"));
    Problem { file: "the target".into(), place: None, key: format!("channels.{channel}"), what, fix }
}

impl Withdrawal {
    /// Returns whether nothing is to be taken back.
    pub fn is_empty(&self) -> bool {
        self.regions
            .iter()
            .all(|it| it.parameters.is_empty() && it.image.is_none() && it.snapshots.is_empty())
    }
}

impl fmt::Display for Withdrawal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for RegionWithdrawal { region, parameters, image, snapshots } in &self.regions {
            writeln!(f, "{region}:")?;
            parameters.iter().try_for_each(|name| writeln!(f, "  delete the parameter {name}"))?;
            image.iter().try_for_each(|id| writeln!(f, "  deregister {id}"))?;
            snapshots.iter().try_for_each(|id| writeln!(f, "  delete {id}"))?;
            if parameters.is_empty() && image.is_none() && snapshots.is_empty() {
                writeln!(f, "  nothing is there")?;
            }
        }
        Ok(())
    }
}
