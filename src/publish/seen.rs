// SPDX-License-Identifier: Apache-2.0
//! Seen: what a look at a region has found. Plain data that [`super::plan`] decides upon.

use std::collections::BTreeMap;

use crate::cloud::{Image, Permission, PublicAccess, Snapshot};

/// What there is in one region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The region.
    pub region: String,
    /// Whether the account encrypts new snapshots without being told to.
    pub encrypts_by_default: bool,
    /// Whether images may be made public; none: nobody wants one to be.
    pub public_access: Option<PublicAccess>,
    /// The account's image of the target's name.
    pub image: Option<Image>,
    /// Who may launch it.
    pub permissions: Vec<Permission>,
    /// Snapshots with the image's digest as a tag, and those that the journal names.
    pub snapshots: Vec<Snapshot>,
    /// Snapshots with the base's digest as a tag, and those that the journal names.
    pub bases: Vec<Snapshot>,
    /// What the target's parameters point to, those of channels too.
    pub parameters: BTreeMap<String, String>,
}

/// Tags by which kiln finds what it has made.
pub mod tag {
    /// Digest of the image that a resource holds.
    pub const IMAGE: &str = "kiln:image";
    /// Digest of the base's file, on a snapshot that holds the pristine base.
    pub const BASE: &str = "kiln:base";
    /// The journal of the publication that began a snapshot.
    pub const JOURNAL: &str = "kiln:journal";
    /// Digest of the plan of the bake.
    pub const PLAN: &str = "kiln:plan";
    /// Version of the kiln that published.
    pub const VERSION: &str = "kiln:version";
}
