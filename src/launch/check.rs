// SPDX-License-Identifier: Apache-2.0
//! Check: from what was typed to what is meant, every problem of meaning at its place. Whether a subnet or an AMI exists is
//! for the cloud to say.

use std::net::IpAddr;

use super::cluster::{Cluster, Group, Image};
use super::raw;
use crate::marks::at::At;
use crate::marks::report::Report;
use crate::resource::is_id;
use crate::settings::check::{self as settings, Extent, name};
use crate::settings::ranges::Cut;

/// Tag keys that EC2 keeps for itself, and kiln's.
const TAGS_TAKEN: [&str; 3] = ["aws:", "kiln:", "kiln."];
/// "Tag restrictions", EC2 User Guide.
const TAG_KEY_MAX: usize = 128;
const TAG_VALUE_MAX: usize = 256;
const NAME_MAX: usize = 32;
/// Tags of a resource, kiln's own among them.
const TAGS_MAX: usize = 40;

/// Returns the cluster that `raw` means, if nothing is wrong with it.
pub(super) fn cluster(raw: raw::Cluster, at: &At<'_>, report: &mut Report) -> Option<Cluster> {
    let raw::Cluster { kiln: _, name, region, image, ca_file, control_plane, workers, tags, settings } = raw;
    let name = named(name, &at.key("name"), report);
    let region = self::region(region, &at.key("region"), report);
    let image = self::image(image, &at.key("image"), report);
    let ca_file = ca_file.map(Into::into);
    let control_plane = control_plane.and_then(|raw| group(raw, true, &at.key("control_plane"), report));
    let workers = workers.and_then(|raw| group(raw, false, &at.key("workers"), report));
    self::tags(&at.key("tags"), report);
    self::settings(&at.key("settings"), report);
    Some(Cluster {
        name: name?,
        region: region?,
        image: image?,
        ca_file,
        control_plane: control_plane?,
        workers: workers?,
        tags,
        settings: settings.0,
    })
}

fn named(found: Option<String>, at: &At<'_>, report: &mut Report) -> Option<String> {
    let found = found?;
    if is_name(&found) {
        return Some(found);
    }
    let fix = "use lower-case letters, digits and '-', a letter or digit at both ends, 32 at most";
    report.wrong(at, format!("'{}' is no name of a cluster", shown(&found)), fix.to_owned());
    None
}

/// Returns whether a text may name a cluster: it is part of names of groups and parameters.
pub fn is_name(text: &str) -> bool {
    name::is_label(text) && text.len() <= NAME_MAX
}

fn region(found: Option<String>, at: &At<'_>, report: &mut Report) -> Option<String> {
    let found = found?;
    let parts: Vec<&str> = found.split('-').collect();
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    let (last, words) = parts.split_last()?;
    let is_number = !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit());
    if words.len() >= 2 && words.iter().all(is_word) && is_number {
        return Some(found);
    }
    let fix = "write it as eu-central-1, without the zone's letter".to_owned();
    report.wrong(at, format!("'{}' is no region", shown(&found)), fix);
    None
}

fn image(found: Option<String>, at: &At<'_>, report: &mut Report) -> Option<Image> {
    let found = found?;
    if is_id(&found, "ami-") {
        return Some(Image::Ami(found));
    }
    let is_inner = |b: u8| b.is_ascii_alphanumeric() || b"/._-".contains(&b);
    if found.starts_with('/') && found.len() > 1 && found.bytes().all(is_inner) {
        return Some(Image::Parameter(found));
    }
    let fix =
        "write ami-0a1b2c3d4e5f60718, or the name of an SSM parameter: /kiln/images/kiln-node".to_owned();
    report.wrong(at, format!("'{}' is neither an AMI nor a parameter", shown(&found)), fix);
    None
}

fn group(raw: raw::Group, is_plane: bool, at: &At<'_>, report: &mut Report) -> Option<Group> {
    let raw::Group { instance_type, subnets, security_groups, instance_profile, address, spot, settings } =
        raw;
    ids(&at.key("subnets"), "subnet-", "a subnet", report);
    ids(&at.key("security_groups"), "sg-", "a security group", report);
    let instance_type = self::instance_type(instance_type, &at.key("instance_type"), report);
    let address = self::address(address, is_plane, &at.key("address"), report);
    if is_plane && spot {
        let what = "a control plane that is taken away takes the cluster along".to_owned();
        report.wrong(&at.key("spot"), what, "remove it; only workers may be spot instances".to_owned());
    }
    self::settings(&at.key("settings"), report);
    let settings = settings.0;
    let (subnets, security_groups) = (subnets?, security_groups?);
    let instance_type = instance_type?;
    Some(Group {
        instance_type,
        subnets,
        security_groups,
        instance_profile,
        address: address?,
        spot,
        settings,
    })
}

fn instance_type(found: Option<String>, at: &At<'_>, report: &mut Report) -> Option<String> {
    let found = found?;
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if found.split_once('.').is_some_and(|(family, size)| is_part(family) && is_part(size)) {
        return Some(found);
    }
    let what = format!("'{}' is no instance type", shown(&found));
    report.wrong(at, what, "write it as m7i.large".to_owned());
    None
}

/// Nothing: it is wrong. The inner nothing: there is none, and none is needed.
fn address(
    found: Option<String>,
    is_plane: bool,
    at: &At<'_>,
    report: &mut Report,
) -> Option<Option<IpAddr>> {
    let (what, fix) = match (found, is_plane) {
        (None, false) => return Some(None),
        (None, true) => (
            "is missing, and workers would not know where to go".to_owned(),
            "give a private address of control_plane.subnets, as in 10.0.1.10",
        ),
        (Some(_), false) => ("workers have no address that others rely on".to_owned(), "remove it"),
        (Some(found), true) => match found.parse::<IpAddr>() {
            Ok(address) if is_usable(&address) => return Some(Some(address)),
            _ => (
                format!("'{}' is no private address", shown(&found)),
                "write one of control_plane.subnets, as in 10.0.1.10, without prefix length or port",
            ),
        },
    };
    report.wrong(at, what, fix.to_owned());
    None
}

fn is_usable(address: &IpAddr) -> bool {
    !address.is_loopback() && !address.is_unspecified() && !address.is_multicast()
}

fn ids(at: &At<'_>, prefix: &str, of: &str, report: &mut Report) {
    let mut earlier: Vec<&str> = Vec::new();
    for item in at.items() {
        let Some(text) = item.text() else { continue };
        if !is_id(text, prefix) {
            let fix = format!("write it as {prefix}0a1b2c3d4e5f60718");
            report.wrong(&item, format!("'{}' is no id of {of}", shown(text)), fix);
        } else if earlier.contains(&text) {
            report.wrong(&item, format!("{text} stands here twice"), "remove one".to_owned());
        }
        earlier.push(text);
    }
    if at.node.is_some() && at.items().is_empty() {
        report.wrong(at, "names none".to_owned(), format!("write one, as in [{prefix}0a1b2c3d4e5f60718]"));
    }
}

fn tags(at: &At<'_>, report: &mut Report) {
    for (key, value) in at.entries() {
        if let Some(taken) = TAGS_TAKEN.iter().find(|taken| key.to_ascii_lowercase().starts_with(**taken)) {
            let what = format!("tags that begin with '{taken}' are not for others");
            report.wrong_key(&value, what, "use another word".to_owned());
        } else if key.is_empty() || key.chars().count() > TAG_KEY_MAX {
            report.wrong_key(&value, format!("a tag's key has 1 to {TAG_KEY_MAX} letters"), None);
        }
        if value.text().is_some_and(|text| text.chars().count() > TAG_VALUE_MAX) {
            report.wrong(&value, format!("a tag's value has {TAG_VALUE_MAX} letters at most"), None);
        }
    }
    if at.entries().len() > TAGS_MAX {
        report.wrong(
            at,
            format!("more than {TAGS_MAX} tags"),
            "EC2 takes 50, kiln's own among them".to_owned(),
        );
    }
}

fn settings(at: &At<'_>, report: &mut Report) {
    settings::check(at, &Cut::default(), Extent::Part, report);
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}
