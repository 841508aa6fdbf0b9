// SPDX-License-Identifier: Apache-2.0
//! Target: how an image is to be published on AWS, as `image/aws.yaml` says it and an image's facts complete it.
//!
//! What a person types is another set of types (`raw`), so that every problem can be told with its place; all come at
//! once. No time is in a name by itself: the same image has the same name, whenever it is published.

mod check;
mod name;
mod raw;
mod share;

use std::collections::BTreeMap;
use std::path::Path;

use crate::cloud::{Permission, Tags};
use crate::marks::at::At;
use crate::marks::report::Report;
use crate::marks::{self, Place, shape};
use crate::problem::Problems;

use super::facts::Facts;

/// A whole, valid target for one image.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Target {
    /// The images' name.
    pub name: String,
    /// The images' description.
    pub description: String,
    /// The regions, without repetition.
    pub regions: Vec<String>,
    /// Tags that a person wants on images and snapshots.
    pub tags: Tags,
    /// Who may launch the images, sorted.
    #[serde(serialize_with = "share::words")]
    pub share: Vec<Permission>,
    /// Whether snapshots are to be encrypted, whatever the account's default is.
    pub is_encrypted: bool,
    /// ARN of the key, by region; a region that is not there takes the account's default key.
    pub kms_keys: BTreeMap<String, String>,
    /// Parameters that name the image of their region.
    pub parameters: Vec<String>,
    /// Parameters that are moved when somebody says so, by channel.
    pub channels: BTreeMap<String, String>,
    /// When images are no longer offered: seconds since 1970.
    pub deprecate_at_s: Option<u64>,
    /// Size of the root volume in GiB.
    pub volume_gib: u64,
    /// Type of the root volume.
    pub volume_type: String,
    /// `legacy-bios`, `uefi` or `uefi-preferred`.
    pub boot_mode: String,
    /// ENA.
    pub has_ena: bool,
    /// NitroTPM.
    pub has_tpm: bool,
    /// IMDSv2 alone.
    pub requires_imds_v2: bool,
    /// What to do about the base's snapshot.
    pub base: BaseUse,
}

/// What to do about a snapshot of the pristine base, which spares the blocks that are the base's own.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum BaseUse {
    /// Build upon it where there is one.
    #[default]
    Use,
    /// Make it where there is none, and build upon it.
    Make,
    /// Send the whole image.
    Ignore,
}

impl Target {
    /// Returns whether everybody may launch the images.
    pub fn is_public(&self) -> bool {
        self.share.contains(&Permission::Public)
    }
}

/// Returns the target that `text` means for an image; `file` is its name for messages, `now_s` the time.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub fn parse(file: &Path, text: &str, facts: &Facts, now_s: u64) -> Result<Target, Problems> {
    let mut report = Report::new(file);
    let (tree, faults) = marks::parse(text, 0);
    for fault in faults {
        report.add(fault.place, &fault.key, fault.what, fault.fix);
    }
    let Some(tree) = tree else { return Err(empty(report)) };
    let schema = crate::manifest::schema::of::<raw::Target>();
    let Some(fitting) = shape::check(&At::root(&tree), &schema, &mut report) else {
        return Err(report.into_problems());
    };
    report.end_of_shapes();
    let target = match serde_yaml::from_value(fitting.value()) {
        Ok(raw) => check::target(raw, &At::root(&fitting), facts, now_s, &mut report),
        // The schema is made from the types, so a tree that fits it is one of them.
        Err(error) => {
            report.wrong(&At::root(&tree), error.to_string(), None);
            None
        }
    };
    target.filter(|_| report.is_clean()).ok_or_else(|| report.into_problems())
}

/// Without a tree and without a fault the text was empty.
fn empty(mut report: Report) -> Problems {
    if report.is_clean() {
        let start = Place { text: 0, line: 1, column: 1 };
        report.add(start, "", "the file is empty".to_owned(), Some("start from image/aws.yaml".to_owned()));
    }
    report.into_problems()
}
