// SPDX-License-Identifier: Apache-2.0
//! Raw: exactly what a person types into a target, and nothing of what it means. Its schema is made from these types.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::BaseUse;
use crate::manifest::Arch;

/// How an image is published on AWS.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "kiln target on AWS")]
pub struct Target {
    /// Version of this format: 1.
    #[schemars(required, extend("const" = 1))]
    #[expect(dead_code, reason = "the check against the schema's constant is all the reading it gets")]
    pub kiln: Option<u32>,
    /// The images' name, a template: name, arch, image, plan, kiln, versions.NAME. An account has a name once in a region,
    /// so it should hold 'image'.
    #[schemars(required)]
    pub name: Option<String>,
    /// The images' description, a template. Default: what went in.
    pub description: Option<String>,
    /// The regions to publish in.
    #[schemars(required, extend("minItems" = 1))]
    pub regions: Option<Vec<String>>,
    /// The architecture that the image must have. Default: the image's own.
    pub architecture: Option<Arch>,
    /// Tags of images and snapshots.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Who may launch the images beside the account itself.
    #[serde(default)]
    pub share: Share,
    /// Encrypt the snapshots, whatever the account's default is.
    pub encryption: Option<Encryption>,
    /// Parameters of Systems Manager that name the image of their region; templates.
    #[serde(default)]
    pub parameters: Vec<String>,
    /// Parameters that move only when 'kiln publish --promote CHANNEL' says so, by channel; templates.
    #[serde(default)]
    pub channels: BTreeMap<String, String>,
    /// The day (UTC) from which on the images are no longer offered: '2027-06-30'.
    pub deprecate: Option<String>,
    /// The root volume.
    #[serde(default)]
    pub volume: Volume,
    /// legacy-bios, uefi or uefi-preferred. Default: uefi-preferred, for arm64 uefi.
    pub boot_mode: Option<BootMode>,
    /// Enhanced networking (ENA). Default: true.
    pub ena: Option<bool>,
    /// A NitroTPM; needs boot_mode uefi. Default: false.
    pub tpm: Option<bool>,
    /// Instances take IMDSv2 alone unless they are told otherwise. Default: true.
    pub imdsv2: Option<bool>,
    /// What to do about a snapshot of the pristine base: use it where there is one, make it, or ignore it. Default: use.
    #[serde(default)]
    pub base: BaseUse,
}

/// Who may launch the images.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Everybody. Default: false.
    #[serde(default)]
    pub public: bool,
    /// Accounts, by their 12 digits, in quotes.
    #[serde(default)]
    pub accounts: Vec<String>,
    /// Organizations, by their ARNs.
    #[serde(default)]
    pub organizations: Vec<String>,
    /// Units of organizations, by their ARNs.
    #[serde(default)]
    pub units: Vec<String>,
}

/// How snapshots are encrypted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Encryption {
    /// ARN of the key, by region. A region that is not named takes the account's default key.
    #[serde(default)]
    pub keys: BTreeMap<String, String>,
}

/// The root volume.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// Its size ('20GiB'). Default: the image's.
    pub size: Option<String>,
    /// gp3, gp2 or standard. Default: gp3.
    #[serde(rename = "type")]
    pub kind: Option<VolumeKind>,
}

/// Types of volumes that need no further number.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VolumeKind {
    /// General purpose SSD of the third generation.
    Gp3,
    /// General purpose SSD of the second generation.
    Gp2,
    /// Magnetic.
    Standard,
}

/// How instances boot ("Boot modes", EC2 user guide).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BootMode {
    /// BIOS.
    LegacyBios,
    /// UEFI, and only on types that have it.
    Uefi,
    /// UEFI where the type has it, BIOS elsewhere.
    UefiPreferred,
}
