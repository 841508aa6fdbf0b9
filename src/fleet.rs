// SPDX-License-Identifier: Apache-2.0
//! Fleet: a cluster's instances at EC2 against its Nodes, its claims and the VPC's routes.
//!
//! It judges what was read, and asks nobody itself: only [`look`] and [`prune`] do. Nothing here is repaired but routes that
//! nobody claims, and those by [`prune`] alone.

pub mod look;
mod nodes;
mod problem;
pub mod prune;
mod routes;
mod text;

use serde::Serialize;

use crate::audit::Listed;
use crate::cloud::Instance;
use crate::launch::{Cluster, Image, Network};
use crate::route::Table;

pub use nodes::{Row, Way};
pub use problem::Problem;
pub use routes::{Doomed, Missing, RouteRow, Routes, Verdict};

/// What is to be.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The cluster's name, which its instances have in a tag.
    pub name: String,
    /// Which image all instances are to be of.
    pub image: Image,
    /// What its nodes are told of routes.
    pub network: Network,
}

impl From<&Cluster> for Wanted {
    fn from(cluster: &Cluster) -> Self {
        Self { name: cluster.name.clone(), image: cluster.image.clone(), network: cluster.network() }
    }
}

/// What was read: the instances and tables first, then the claims, then the Nodes.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Every instance with the cluster's tag.
    pub members: Vec<Instance>,
    /// Every route table of its VPC.
    pub tables: Vec<Table>,
    /// Pool, claims and Nodes.
    pub listed: Listed,
}

/// What became of the comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fleet {
    /// The cluster's name.
    pub cluster: String,
    /// One for each instance, and one for each Node without one.
    pub nodes: Vec<Row>,
    /// What disagrees.
    #[serde(serialize_with = "problem::described")]
    pub problems: Vec<Problem>,
}

/// Judges instances and Nodes; instances are to be of `image`, whose parameter may not be there.
pub fn fleet(wanted: &Wanted, seen: &Seen, image: Option<&str>) -> Fleet {
    let (nodes, problems) = nodes::judge(wanted, seen, image);
    Fleet { cluster: wanted.name.clone(), nodes, problems }
}

/// Judges the routes.
pub fn routes(wanted: &Wanted, seen: &Seen) -> Routes {
    routes::judge(wanted, seen)
}

impl Fleet {
    /// Returns the same with only those problems that an earlier look found as well: lists that are made one after the other
    /// never quite fit while instances come and go.
    #[must_use]
    pub fn standing(mut self, earlier: &Self) -> Self {
        self.problems.retain(|problem| earlier.problems.contains(problem));
        self
    }
}

#[cfg(test)]
mod tests;
