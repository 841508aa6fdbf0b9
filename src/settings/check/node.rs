// SPDX-License-Identifier: Apache-2.0
//! What is particular to a node: name, addresses, identities, labels, taints.

use std::net::IpAddr;
use std::path::{Component, Path};

use super::{label, name};
use crate::marks::at::At;
use crate::marks::report::Report;
use crate::settings::ranges::Cut;

/// The label kubernetes.io/hostname holds the Node's name, and a label's value no more than this.
const NAME_MAX: usize = 63;
/// SMBIOS' UUID has 36 letters, a cloud's instance id fewer; it goes into the claim.
const INSTANCE_MAX: usize = 128;

pub fn check(at: &At<'_>, cut: &Cut, report: &mut Report) {
    node_name(&at.key("name"), report);
    addresses(&at.key("addresses"), cut, report);
    provider_id(&at.key("provider_id"), report);
    instance_id(&at.key("instance_id"), report);
    token_file(&at.key("token_file"), report);
    label::labels(&at.key("labels"), at.key("name").text(), report);
    label::taints(&at.key("taints"), report);
}

fn node_name(at: &At<'_>, report: &mut Report) {
    let Some(text) = at.text() else { return };
    if !name::is_subdomain(text) {
        let shown: String = text.chars().take(80).collect();
        let lower = text.to_lowercase();
        let fix = if name::is_subdomain(&lower) {
            format!("did you mean '{lower}'?")
        } else {
            "use lower-case letters, digits, '-' and '.', a letter or digit at both ends".to_owned()
        };
        report.wrong(at, format!("'{shown}' is no name of a Node"), fix);
    } else if text.len() > NAME_MAX {
        let what = format!("{} letters are more than the label kubernetes.io/hostname holds", text.len());
        report.wrong(at, what, format!("use {NAME_MAX} at most"));
    }
}

fn addresses(at: &At<'_>, cut: &Cut, report: &mut Report) {
    let mut earlier: Option<IpAddr> = None;
    for item in at.items() {
        let Some(text) = item.text() else { continue };
        let Ok(address) = text.parse::<IpAddr>() else {
            let fix = "write it as 10.0.0.5, without prefix length or port".to_owned();
            report.wrong(
                &item,
                format!("'{}' is no address", text.chars().take(80).collect::<String>()),
                fix,
            );
            continue;
        };
        if let Some(earlier) = earlier.filter(|earlier| earlier.is_ipv4() == address.is_ipv4()) {
            let what = format!("{address} is of the same address family as {earlier}");
            report.wrong(&item, what, "give at most one address of each family".to_owned());
        }
        if !is_unicast(&address) {
            let what = format!("{address} is no address that other nodes could reach");
            report.wrong(&item, what, "give the address of the node's uplink".to_owned());
        } else if let Some(range) =
            cut.pods.iter().chain(&cut.services).find(|range| range.contains(&address))
        {
            let what = format!("{address} is inside {range}, which is for pods or services");
            report.wrong(&item, what, "give the address of the node's uplink".to_owned());
        }
        earlier = Some(address);
    }
}

/// Returns whether other machines may reach something at this address.
pub fn is_unicast(address: &IpAddr) -> bool {
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !is_link_local && !address.is_loopback() && !address.is_multicast() && !address.is_unspecified()
}

/// Cloud providers write NAME://..., and their controllers look for that (k8s.io/cloud-provider).
fn provider_id(at: &At<'_>, report: &mut Report) {
    let is_right = |text: &str| {
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
        let is_rest = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic());
        text.split_once("://").is_some_and(|(provider, rest)| {
            !provider.is_empty() && provider.bytes().all(is_plain) && is_rest(rest)
        })
    };
    if at.text().is_some_and(|text| !is_right(text)) {
        let fix = "write it as aws:///eu-central-1a/i-0a1b2c3d4e5f6".to_owned();
        report.wrong(at, "is no provider id".to_owned(), fix);
    }
}

fn instance_id(at: &At<'_>, report: &mut Report) {
    let is_right =
        |text: &str| (1..=INSTANCE_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if at.text().is_some_and(|text| !is_right(text)) {
        let fix = format!("use 1 to {INSTANCE_MAX} visible ASCII letters without spaces");
        report.wrong(at, "is no id of a machine".to_owned(), fix);
    }
}

fn token_file(at: &At<'_>, report: &mut Report) {
    let is_right = |text: &str| {
        let parts = || Path::new(text).components();
        parts().next() == Some(Component::RootDir)
            && parts().any(|part| matches!(part, Component::Normal(_)))
            && !parts().any(|part| part == Component::ParentDir)
            && !text.contains('\0')
    };
    if at.text().is_some_and(|text| !is_right(text)) {
        let fix = "write it as /etc/kiln/token; the token itself stands in that file".to_owned();
        report.wrong(at, "is no absolute path of a file".to_owned(), fix);
    }
}
