// SPDX-License-Identifier: Apache-2.0
//! The cloud: addresses that are asked, subnets, and what routes into a VPC need.
//!
//! Whether a subnet exists is for the cloud to say.

use url::{Host, Url};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer as _;

use super::api;
use crate::marks::at::At;
use crate::marks::report::Report;
use crate::resource::is_id;

const CA_FIX: &str = "give the certificates in PEM that sign for cloud.endpoint, or leave it out";

pub fn check(at: &At<'_>, whole: bool, report: &mut Report) {
    let cloud = at.key("cloud");
    subnets(&cloud.key("subnets"), report);
    let metadata = cloud.key("metadata");
    if metadata.text().is_some_and(|text| !is_metadata(text)) {
        let fix = "write it as http://169.254.169.254, or leave it out";
        report.wrong(&metadata, "is no address of a metadata service".to_owned(), fix.to_owned());
    }
    for (key, of, host) in [
        ("endpoint", "EC2", "ec2"),
        ("parameters_endpoint", "Systems Manager", "ssm"),
        ("scaling_endpoint", "EC2 Auto Scaling", "autoscaling"),
    ] {
        let endpoint = cloud.key(key);
        if endpoint.text().is_some_and(|text| !is_endpoint(text)) {
            let fix = format!("write it as https://{host}.eu-central-1.amazonaws.com, or leave it out");
            report.wrong(&endpoint, format!("is no https endpoint of {of}"), fix);
        }
    }
    shared(&cloud, report);
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

/// What is shared by parameters, and by which.
fn shared(cloud: &At<'_>, report: &mut Report) {
    for (key, example) in [("share", "/kiln/clusters/demo"), ("token_parameter", "/kiln/clusters/demo/token")]
    {
        let at = cloud.key(key);
        if at.text().is_some_and(|text| !is_parameter(text)) {
            report.wrong(&at, "is no name of a parameter".to_owned(), format!("write it as {example}"));
        }
    }
    let operator = cloud.key("operator");
    let Some(text) = operator.text() else { return };
    if let Err(what) = request(text) {
        let fix = "give a request in PEM (openssl req -new) whose common name is the administrator's";
        report.wrong(&operator, what.to_owned(), fix.to_owned());
    } else if cloud.key("share").node.is_none() {
        let what = "nobody would see the certificate".to_owned();
        report.wrong_key(&operator, what, "give cloud.share as well".to_owned());
    }
}

/// Returns whether a text is the whole name of a parameter. "Parameter names" (Systems Manager User Guide): letters, digits and .-_ between slashes; aws and ssm are taken.
pub fn is_parameter(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
    };
    let parts = text.strip_prefix('/').map(|rest| rest.split('/').collect::<Vec<_>>());
    parts.is_some_and(|parts| parts.iter().all(|part| is_part(part)) && !["aws", "ssm"].contains(&parts[0]))
}

/// Checks that a text is a certificate request of somebody who is none of Kubernetes' own.
fn request(text: &str) -> Result<(), &'static str> {
    let (_, pem) = parse_x509_pem(text.as_bytes()).map_err(|_| "is no certificate request")?;
    let request = X509CertificationRequest::from_der(&pem.contents).map_err(|_| "is no certificate request");
    let subject = &request?.1.certification_request_info.subject;
    match subject.iter_common_name().next().and_then(|name| name.as_str().ok()) {
        None | Some("") => Err("is a request for nobody"),
        Some(name) if name.starts_with("system:") => Err("asks for a name that is Kubernetes' own"),
        Some(_) => Ok(()),
    }
}

fn subnets(at: &At<'_>, report: &mut Report) {
    for item in at.items() {
        if let Some(text) = item.text().filter(|text| !is_id(text, "subnet-")) {
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
