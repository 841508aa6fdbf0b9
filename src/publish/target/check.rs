// SPDX-License-Identifier: Apache-2.0
//! Check: from what was typed to what is meant, with every problem of meaning told at its place.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::raw::{self, BootMode, VolumeKind};
use super::{Target, name, share};
use crate::cloud::Tags;
use crate::manifest::template::Templates;
use crate::manifest::{Arch, size};
use crate::marks::at::At;
use crate::marks::report::Report;
use crate::publish::facts::Facts;

/// A resource has 50 tags at most ("Tag your Amazon EC2 resources"); kiln adds some of its own.
const TAGS_MAX: usize = 40;
const TAG_KEY_MAX: usize = 128;
const TAG_VALUE_MAX: usize = 256;
/// "Deprecate an AMI": ten years at most, for images of everybody two; the shorter of what may be kept counts later.
const DEPRECATION_MAX_S: u64 = 10 * 365 * 24 * 3600;
/// The largest volume that boots by MBR-less GPT on gp3: 16 TiB.
const VOLUME_MAX_GIB: u64 = 16 << 10;

/// Returns the target that `raw` means, if nothing is wrong with it.
pub fn target(
    raw: raw::Target,
    at: &At<'_>,
    facts: &Facts,
    now_s: u64,
    report: &mut Report,
) -> Option<Target> {
    let templates = Templates::of(facts.values());
    let name = raw.name.and_then(|text| name::image(&text, &templates, &at.key("name"), report));
    let text = raw.description.unwrap_or_else(|| DESCRIPTION.to_owned());
    let description = name::description(&text, &templates, &at.key("description"), report);
    let regions = raw.regions.map(|regions| self::regions(regions, &at.key("regions"), report));
    architecture(raw.architecture, facts.arch, &at.key("architecture"), report);
    let tags = tags(raw.tags, &at.key("tags"), report);
    let share = share::share(raw.share, &at.key("share"), report);
    let is_encrypted = raw.encryption.is_some();
    let known = regions.clone().unwrap_or_default();
    let kms_keys =
        raw.encryption.map(|keys| share::keys(keys, &known, &share, &at.key("encryption"), report));
    let (parameters, channels) = pointers((raw.parameters, raw.channels), &templates, at, report);
    let deprecate_at_s = raw.deprecate.and_then(|day| deprecation(&day, now_s, &at.key("deprecate"), report));
    let volume_gib = volume(raw.volume.size, facts, &at.key("volume").key("size"), report);
    let volume_type = match raw.volume.kind.unwrap_or(VolumeKind::Gp3) {
        VolumeKind::Gp3 => "gp3",
        VolumeKind::Gp2 => "gp2",
        VolumeKind::Standard => "standard",
    };
    let has_tpm = raw.tpm == Some(true);
    let boot_mode = boot_mode(raw.boot_mode, facts.arch, has_tpm, at, report);
    Some(Target {
        name: name?,
        description: description?,
        regions: regions?,
        tags,
        share,
        is_encrypted,
        kms_keys: kms_keys.unwrap_or_default(),
        parameters,
        channels,
        deprecate_at_s,
        volume_gib: volume_gib?,
        volume_type: volume_type.to_owned(),
        boot_mode: boot_mode.to_owned(),
        has_ena: raw.ena != Some(false),
        has_tpm,
        requires_imds_v2: raw.imdsv2 != Some(false),
        base: raw.base,
    })
}

/// What images are called where nothing else is said.
const DESCRIPTION: &str = "{{ name }} {{ arch }}, baked by kiln {{ kiln }}, image {{ image }}";

fn regions(regions: Vec<String>, at: &At<'_>, report: &mut Report) -> Vec<String> {
    for (index, (region, at)) in regions.iter().zip(at.items()).enumerate() {
        if regions[..index].contains(region) {
            report.wrong(&at, format!("{region} is given twice"), "keep one of them".to_owned());
        } else if !is_region(region) {
            let what = format!("'{region}' is no region");
            report.wrong(&at, what, "write it as eu-central-1".to_owned());
        }
    }
    regions
}

/// Regions are named by area, direction and number: eu-central-1, us-gov-west-1.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [area, .., number] = parts.as_slice() else { return false };
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    parts.len() >= 3 && area.len() <= 4 && parts[..parts.len() - 1].iter().all(is_word) && is_number(number)
}

fn architecture(wanted: Option<Arch>, found: Arch, at: &At<'_>, report: &mut Report) {
    if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
        let what = format!("the image is for {}, not {}", found.name(), wanted.name());
        report.wrong(at, what, "publish another image, or change it here".to_owned());
    }
}

fn tags(tags: Tags, at: &At<'_>, report: &mut Report) -> Tags {
    if tags.len() > TAGS_MAX {
        report.wrong_key(at, format!("has {} tags", tags.len()), format!("use {TAGS_MAX} at most"));
    }
    for (key, at) in at.entries() {
        let value = at.text().unwrap_or_default();
        let (what, fix) = match key {
            _ if key.is_empty() || key.chars().count() > TAG_KEY_MAX => {
                (format!("a key of {} characters", key.chars().count()), format!("use 1 to {TAG_KEY_MAX}"))
            }
            _ if key.to_ascii_lowercase().starts_with("aws:") => (
                "begins with 'aws:', which the service keeps for itself".to_owned(),
                "use another key".to_owned(),
            ),
            _ if key.starts_with("kiln:") => (
                "begins with 'kiln:', by which kiln finds what it made".to_owned(),
                "use another key".to_owned(),
            ),
            _ if value.chars().count() > TAG_VALUE_MAX => {
                let len = value.chars().count();
                (format!("has a value of {len} characters"), format!("use {TAG_VALUE_MAX} at most"))
            }
            _ => continue,
        };
        report.wrong_key(&at, what, fix);
    }
    tags
}

/// Renders the names of parameters, those of channels too, and tells of two that are the same.
fn pointers(
    (parameters, channels): (Vec<String>, BTreeMap<String, String>),
    templates: &Templates,
    at: &At<'_>,
    report: &mut Report,
) -> (Vec<String>, BTreeMap<String, String>) {
    let mut taken: Vec<String> = Vec::new();
    let mut take = |text: &str, at: &At<'_>, report: &mut Report| {
        let name = name::parameter(text, templates, at, report)?;
        if taken.contains(&name) {
            report.wrong(at, format!("{name} is given twice"), "keep one of them".to_owned());
        }
        taken.push(name.clone());
        Some(name)
    };
    let listed = parameters.iter().zip(at.key("parameters").items());
    let parameters = listed.filter_map(|(text, at)| take(text, &at, report)).collect();
    let channels = channels
        .iter()
        .filter_map(|(channel, text)| {
            Some((channel.clone(), take(text, &at.key("channels").key(channel), report)?))
        })
        .collect();
    (parameters, channels)
}

fn deprecation(day: &str, now_s: u64, at: &At<'_>, report: &mut Report) -> Option<u64> {
    let midnight = OffsetDateTime::parse(&format!("{day}T00:00:00Z"), &Rfc3339).ok();
    let at_s = midnight.and_then(|midnight| u64::try_from(midnight.unix_timestamp()).ok());
    let (what, fix) = match at_s {
        None => (format!("'{day}' is no day"), "write it as 2027-06-30"),
        Some(at_s) if at_s <= now_s => (format!("{day} is not in the future"), "name a later day"),
        Some(at_s) if at_s - now_s > DEPRECATION_MAX_S => {
            (format!("{day} is more than ten years away"), "name an earlier day")
        }
        Some(at_s) => return Some(at_s),
    };
    report.wrong(at, what, fix.to_owned());
    None
}

fn volume(text: Option<String>, facts: &Facts, at: &At<'_>, report: &mut Report) -> Option<u64> {
    let least = facts.volume_gib();
    let Some(text) = text else { return Some(least) };
    let (what, fix) = match size::parse(&text) {
        None => (format!("'{text}' is no size"), "write a whole number and GiB, as in 20GiB".to_owned()),
        Some(bytes) if bytes % (1 << 30) != 0 => {
            (format!("'{text}' is no whole number of GiB"), "volumes have whole GiB".to_owned())
        }
        Some(bytes) if bytes >> 30 < least => {
            (format!("'{text}' is smaller than the image"), format!("use {least}GiB at least"))
        }
        Some(bytes) if bytes >> 30 > VOLUME_MAX_GIB => {
            (format!("'{text}' is too large"), "use 16TiB at most".to_owned())
        }
        Some(bytes) => return Some(bytes >> 30),
    };
    report.wrong(at, what, fix);
    None
}

/// Returns the boot mode. A TPM needs UEFI, and no Arm machine has a BIOS.
fn boot_mode(
    typed: Option<BootMode>,
    arch: Arch,
    has_tpm: bool,
    at: &At<'_>,
    report: &mut Report,
) -> &'static str {
    let default = match (arch, has_tpm) {
        (Arch::Arm64, _) | (_, true) => BootMode::Uefi,
        (Arch::Amd64, false) => BootMode::UefiPreferred,
    };
    let mode = typed.unwrap_or(default);
    if has_tpm && mode != BootMode::Uefi {
        let what = "a TPM needs UEFI, and this mode falls back to BIOS".to_owned();
        report.wrong(&at.key("boot_mode"), what, "write boot_mode: uefi, or leave it out".to_owned());
    }
    if arch == Arch::Arm64 && mode == BootMode::LegacyBios {
        let what = "no arm64 instance has a BIOS".to_owned();
        report.wrong(&at.key("boot_mode"), what, "write boot_mode: uefi, or leave it out".to_owned());
    }
    match mode {
        BootMode::LegacyBios => "legacy-bios",
        BootMode::Uefi => "uefi",
        BootMode::UefiPreferred => "uefi-preferred",
    }
}
