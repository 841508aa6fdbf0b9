// SPDX-License-Identifier: Apache-2.0
//! Where the API servers are and whom to trust: an https address of a host and nothing more, and CA certificates.
//!
//! Whether the certificates are valid today is for somebody with a clock.

use std::net::IpAddr;

use url::{Host, Url};
use x509_parser::pem::Pem;

use crate::marks::at::At;
use crate::marks::report::Report;
use crate::settings::ranges::Cut;

const ENDPOINT_FIX: &str = "write it as https://api.example.org:6443";
const CA_FIX: &str =
    "give the cluster's CA certificates in PEM (/etc/kubernetes/pki/ca.crt of a control plane)";

pub fn check(at: &At<'_>, cut: &Cut, whole: bool, report: &mut Report) {
    let (endpoint, ca) = (at.key("api").key("endpoint"), at.key("api").key("ca"));
    // A control plane makes the CA, and its address is its own.
    let is_needed = whole && at.key("role").text() != Some("control-plane");
    match endpoint.text() {
        Some(text) => check_endpoint(text, &endpoint, cut, report),
        None if is_needed => {
            let what = "is missing, and a worker does not know where to go".to_owned();
            report.wrong(&endpoint, what, ENDPOINT_FIX.to_owned());
        }
        None => {}
    }
    match ca.text() {
        Some(text) => check_ca(text, &ca, CA_FIX, report),
        None if is_needed => {
            let what = "is missing, and a worker does not know whom to trust".to_owned();
            report.wrong(&ca, what, CA_FIX.to_owned());
        }
        None => {}
    }
}

fn check_endpoint(text: &str, at: &At<'_>, cut: &Cut, report: &mut Report) {
    let shown: String = text.chars().take(80).collect();
    let Ok(url) = Url::parse(text) else {
        return report.wrong(at, format!("'{shown}' is no address"), ENDPOINT_FIX.to_owned());
    };
    // An address with a password is not repeated.
    if !url.username().is_empty() || url.password().is_some() {
        let what = "names a user, and machines come with certificates".to_owned();
        return report.wrong(at, what, ENDPOINT_FIX.to_owned());
    }
    let what = if url.scheme() != "https" {
        format!("'{shown}' is not https")
    } else if !["", "/"].contains(&url.path()) || url.query().is_some() || url.fragment().is_some() {
        format!("'{shown}' has more than a host and a port")
    } else if let Some(address) = address(&url).filter(|address| is_inside(address, cut)) {
        format!("{address} is an address of pods or services, which a node can't reach before it is one")
    } else {
        return;
    };
    report.wrong(at, what, ENDPOINT_FIX.to_owned());
}

fn address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

fn is_inside(address: &IpAddr, cut: &Cut) -> bool {
    cut.pods.iter().chain(&cut.services).any(|range| range.contains(address))
}

pub(super) fn check_ca(text: &str, at: &At<'_>, fix: &str, report: &mut Report) {
    for what in wrong_of_ca(text) {
        report.wrong(at, what, fix.to_owned());
    }
}

/// Returns what is wrong with a text that is to hold CA certificates in PEM; nothing of the text itself is in it.
pub fn wrong_of_ca(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (number, block) in (1..).zip(Pem::iter_from_buffer(text.as_bytes())) {
        count = number;
        let what = match block {
            Err(_) => Some("is broken".to_owned()),
            Ok(pem) if pem.label != "CERTIFICATE" => Some("is no CERTIFICATE".to_owned()),
            Ok(pem) => match pem.parse_x509() {
                Err(_) => Some("is no X.509 certificate".to_owned()),
                Ok(certificate) if !certificate.is_ca() => Some("is the certificate of no CA".to_owned()),
                Ok(_) => None,
            },
        };
        if let Some(what) = what {
            wrong.push(format!("PEM block {number} {what}"));
        }
    }
    if count == 0 {
        wrong.push("holds no certificate".to_owned());
    }
    wrong
}
