// SPDX-License-Identifier: Apache-2.0
//! The cloud: addresses that are asked, subnets, and what routes into a VPC need.
//!
//! Whether a subnet exists is for the cloud to say.

use url::{Host, Url};

use super::api;
use crate::marks::at::At;
use crate::marks::report::Report;

const CA_FIX: &str = "give the certificates in PEM that sign for cloud.endpoint, or leave it out";

pub fn check(at: &At<'_>, whole: bool, report: &mut Report) {
    let cloud = at.key("cloud");
    subnets(&cloud.key("subnets"), report);
    let metadata = cloud.key("metadata");
    if metadata.text().is_some_and(|text| !is_metadata(text)) {
        let fix = "write it as http://169.254.169.254, or leave it out";
        report.wrong(&metadata, "is no address of a metadata service".to_owned(), fix.to_owned());
    }
    let endpoint = cloud.key("endpoint");
    if endpoint.text().is_some_and(|text| !is_endpoint(text)) {
        let fix = "write it as https://ec2.eu-central-1.amazonaws.com, or leave it out";
        report.wrong(&endpoint, "is no https endpoint of EC2".to_owned(), fix.to_owned());
    }
    let ca = cloud.key("ca");
    if let Some(text) = ca.text() {
        api::check_ca(text, &ca, CA_FIX, report);
    }
    routes(at, whole, report);
}

/// Returns whether a text is where a metadata service can be asked: plain HTTP, as the real one has it, by address, for no
/// resolver is to decide whom a machine believes.
pub fn is_metadata(text: &str) -> bool {
    let is_address = |url: &Url| matches!(url.host(), Some(Host::Ipv4(_) | Host::Ipv6(_)));
    Url::parse(text).is_ok_and(|url| url.scheme() == "http" && is_address(&url) && is_bare(&url))
}

fn is_endpoint(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| url.scheme() == "https" && url.has_host() && is_bare(&url))
}

fn is_bare(url: &Url) -> bool {
    let is_anonymous = url.username().is_empty() && url.password().is_none();
    is_anonymous && url.path() == "/" && url.query().is_none() && url.fragment().is_none()
}

/// EC2's ids have 8 or 17 hexadecimal digits ("Resource IDs", EC2 User Guide).
fn subnets(at: &At<'_>, report: &mut Report) {
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let is_id = |text: &str| {
        text.strip_prefix("subnet-").is_some_and(|id| matches!(id.len(), 8 | 17) && id.bytes().all(is_hex))
    };
    for item in at.items() {
        if let Some(text) = item.text().filter(|text| !is_id(text)) {
            let shown: String = text.chars().take(80).collect();
            let fix = "write it as subnet-0a1b2c3d4e5f60718".to_owned();
            report.wrong(&item, format!("'{shown}' is no id of a subnet"), fix);
        }
    }
}

/// Only a machine that knows its VPC can write routes there, and a fabric would carry the same packets a second way.
fn routes(at: &At<'_>, whole: bool, report: &mut Report) {
    let routes = at.key("network").key("routes");
    if routes.text() != Some("vpc") {
        return;
    }
    let fabric = at.key("network").key("fabric");
    if fabric.text().or(whole.then_some("vxlan")).is_some_and(|fabric| fabric != "none") {
        let what = "with routes in the VPC no fabric carries packets between nodes".to_owned();
        report.wrong(&routes, what, "let network.fabric be none, or remove this".to_owned());
    }
    if at.key("cloud").key("platform").text().or(whole.then_some("none")) == Some("none") {
        let what = "only a machine that may ask EC2's metadata service knows its VPC".to_owned();
        report.wrong(&routes, what, "let cloud.platform be aws, or remove this".to_owned());
    }
}
