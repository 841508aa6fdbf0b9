// SPDX-License-Identifier: Apache-2.0
//! Bootstrap: the API objects that a new cluster needs before nodes may join, their order, and the proof between them.
//!
//! Administrators' rights, the namespace, the pool, the policies; then dry runs that show the policies at work, because a
//! policy takes about a second to bite after it was created; only then the rights of nodes and of bootstrap tokens. The
//! objects themselves are the YAML files in this room, each rule with its reason. Nothing here sends a request.

mod object;
mod proof;
mod seen;
mod steps;

pub use object::{By, Object};
pub use proof::{Expected, Probe, Verb};
pub use seen::{Answer, Next, Seen, Stuck, WAIT_LIMIT, next};
pub use steps::{Plan, Step};

use crate::ipam::{Ranges, RangesError};
use crate::settings::Settings;

/// Before the proof, in this order; the pool follows the namespace.
const GROUND: [&str; 2] = [include_str!("bootstrap/admins.yaml"), include_str!("bootstrap/namespace.yaml")];
const POLICIES: [&str; 3] = [
    include_str!("bootstrap/claims.yaml"),
    include_str!("bootstrap/podcidrs.yaml"),
    include_str!("bootstrap/deletion.yaml"),
];
/// After the proof.
const RIGHTS: [&str; 2] = [include_str!("bootstrap/nodes.yaml"), include_str!("bootstrap/tokens.yaml")];

/// Returns every object of a new cluster in the order in which they are applied.
///
/// # Errors
/// When the settings describe no pool.
pub fn objects(settings: &Settings) -> Result<Vec<Object>, RangesError> {
    let ranges = Ranges::of(&settings.cluster)?;
    Ok([before_proof(&ranges), after_proof()].concat())
}

fn before_proof(ranges: &Ranges) -> Vec<Object> {
    let mut objects = read(&GROUND);
    objects.push(Object::pool(ranges));
    objects.extend(read(&POLICIES).into_iter().map(|policy| policy.about(ranges)));
    objects
}

fn after_proof() -> Vec<Object> {
    read(&RIGHTS)
}

fn read(files: &[&str]) -> Vec<Object> {
    files.iter().flat_map(|text| Object::read_all(text)).collect()
}

#[cfg(test)]
mod tests;
