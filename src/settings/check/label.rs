// SPDX-License-Identifier: Apache-2.0
//! Labels and taints: those that the API server takes from a node that registers itself.
//!
//! NodeRestriction (plugin/pkg/admission/noderestriction) lets a node set labels of other people's domains, and of
//! Kubernetes' own only kubelet's (k8s.io/kubelet, `well_known_labels.go`).

use std::collections::HashSet;

use super::name;
use crate::marks::at::At;
use crate::marks::report::Report;
use crate::names;

/// Kubernetes' own domains.
const OWN: [&str; 2] = ["kubernetes.io", "k8s.io"];
/// Domains in which kubelet may set what it likes.
const FREE: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];
/// Labels that kubelet may set.
const KUBELET: [&str; 10] = [
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/instance-type",
    "beta.kubernetes.io/os",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];
/// The seed's own label; first boot writes it as a mirror of the claim.
const MIRROR: &str = "ipblock";

fn is_in(domain: &str, list: &[&str]) -> bool {
    list.iter().any(|own| domain.strip_suffix(own).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// Returns whether NodeRestriction lets a node set this label on itself.
fn is_allowed(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    !is_in(domain, &OWN) || is_in(domain, &FREE) || KUBELET.contains(&key)
}

/// `name` is the Node's, where it is given.
pub fn labels(at: &At<'_>, name: Option<&str>, report: &mut Report) {
    for (key, value) in at.entries() {
        as_kubelet_sets_it(key, &value, name, report);
        if !name::is_qualified(key) {
            let what = "this is no key of a label".to_owned();
            report.wrong_key(&value, what, "write NAME or DOMAIN/NAME, as in example.org/rack".to_owned());
        } else if key == MIRROR || key.starts_with(names::PREFIX) {
            let what = "this label is kiln's own, which nobody else writes".to_owned();
            report.wrong_key(&value, what, "remove it, or use a domain of your own".to_owned());
        } else if !is_allowed(key) {
            let what = "a node may not set this label on itself (NodeRestriction)".to_owned();
            let fix = "use a domain of your own, or let an administrator label the Node";
            report.wrong_key(&value, what, fix.to_owned());
        }
        if let Some(text) = value.text().filter(|text| !name::is_label_value(text)) {
            let shown: String = text.chars().take(80).collect();
            let fix = "use at most 63 letters, digits, '-', '_' and '.', a letter or digit at both ends";
            report.wrong(&value, format!("'{shown}' is no value of a label"), fix.to_owned());
        }
    }
}

/// kubelet sets these itself, and would change what somebody else has written.
fn as_kubelet_sets_it(key: &str, value: &At<'_>, name: Option<&str>, report: &mut Report) {
    let Some(text) = value.text() else { return };
    let is = match key {
        "kubernetes.io/hostname" => name,
        "kubernetes.io/os" | "beta.kubernetes.io/os" => Some("linux"),
        _ => return,
    };
    if is != Some(text) {
        let is = is.unwrap_or("the Node's name, which node.name does not give");
        report.wrong(value, format!("kubelet sets this label to {is}"), "leave it out".to_owned());
    }
}

pub fn taints(at: &At<'_>, report: &mut Report) {
    let mut seen = HashSet::new();
    for item in at.items() {
        let (key, value) = (item.key("key"), item.key("value"));
        if key.text().is_some_and(|text| !name::is_qualified(text)) {
            let fix = "write NAME or DOMAIN/NAME, as in example.org/gpu".to_owned();
            report.wrong(&key, "this is no key of a taint".to_owned(), fix);
        }
        if value.text().is_some_and(|text| !name::is_label_value(text)) {
            let fix = "use at most 63 letters, digits, '-', '_' and '.', a letter or digit at both ends";
            report.wrong(&value, "this is no value of a taint".to_owned(), fix.to_owned());
        }
        // As the API server has it: one taint for a key and an effect.
        if let Some(pair) = key.text().zip(item.key("effect").text())
            && !seen.insert(pair)
        {
            let what = format!("a taint '{}' with effect {} is there already", pair.0, pair.1);
            report.wrong(&item, what, "keep one of them".to_owned());
        }
    }
}
