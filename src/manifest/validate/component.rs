// SPDX-License-Identifier: Apache-2.0
//! Components: a source and a place for each, and versions that go together.

use std::collections::BTreeMap;

use super::origin::origin;
use super::place::Placed;
use super::{place, source};
use crate::manifest::known::{self, Known, PROGRAM_MODE};
use crate::manifest::{Arch, Component, Install, raw, skew};
use crate::marks::at::At;
use crate::marks::report::Report;
use crate::nearest::nearest;
use crate::version::Version;

/// The one name that a component can't have: it is the base's in the lock.
const BASE: &str = "base";

/// What a component takes from elsewhere in the manifest.
#[derive(Debug, Clone, Copy)]
pub struct Defaults<'a> {
    pub arch: Option<Arch>,
    pub kubernetes: Option<&'a str>,
}

pub fn components<'a>(
    mut raw: BTreeMap<String, raw::Component>,
    defaults: Defaults<'_>,
    at: &At<'a>,
    report: &mut Report,
) -> Vec<Placed<'a, Component>> {
    // The map is sorted; the order of the text is the one a person chose.
    let typed: Vec<_> =
        at.entries().into_iter().filter_map(|(name, at)| Some((raw.remove_entry(name)?, at))).collect();
    let component = |((name, raw), at)| Some((component(name, raw, defaults, &at, report)?, at));
    let components: Vec<_> = typed.into_iter().filter_map(component).collect();
    check_skew(&components, defaults, at, report);
    components
}

fn component(
    name: String,
    raw: raw::Component,
    defaults: Defaults<'_>,
    at: &At<'_>,
    report: &mut Report,
) -> Option<Component> {
    let known = known::find(&name);
    if !is_name(&name, "a component", at, report) {
        return None;
    }
    let version = version(&raw, known, defaults, at, report);
    let (require, install) = (raw.require, raw.install.clone());
    let source = origin(&name, raw, known, version.as_deref(), at, report)?;
    source::can_be_trusted(&source, require, &at.key("require"), report);
    let install = match known {
        _ if !install.is_empty() => installs(install, &at.key("install"), report),
        Some(known) => match known.install(&source, version.as_deref(), defaults.arch?) {
            Some(install) => install,
            None => {
                let fix = "add 'install', a map of member to path".to_owned();
                report.wrong_key(at, "kiln can't tell what its source holds".to_owned(), fix);
                return None;
            }
        },
        None => {
            let (what, fix) = match nearest(&name, known::names()) {
                Some(meant) => (
                    format!("'{name}' is not a component that kiln knows"),
                    format!("did you mean '{meant}'?"),
                ),
                None => (
                    "does not say where its files go".to_owned(),
                    "add 'install', a map of member to path".to_owned(),
                ),
            };
            report.wrong_key(at, what, fix);
            return None;
        }
    };
    Some(Component { name, version, source, require, install })
}

/// Checks what becomes an entry of the lock; `thing` is "a component" and the like.
pub fn is_name(name: &str, thing: &str, at: &At<'_>, report: &mut Report) -> bool {
    let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_name = name.bytes().all(|b| is_letter(b) || b"-_.".contains(&b))
        && name.bytes().next().is_some_and(is_letter);
    if !is_name || name == BASE {
        let fix = "use lower-case letters, digits, '-', '_' and '.', and not 'base'".to_owned();
        report.wrong_key(at, format!("'{name}' is no name for {thing}"), fix);
    }
    is_name && name != BASE
}

/// Returns the component's version: its own, or the cluster's for a part of Kubernetes.
pub fn version(
    raw: &raw::Component,
    known: Option<&Known>,
    defaults: Defaults<'_>,
    at: &At<'_>,
    report: &mut Report,
) -> Option<String> {
    let is_kubernetes = known.is_some_and(|known| known.project == Some("kubernetes"));
    let Some(text) = &raw.version else {
        return defaults.kubernetes.filter(|_| is_kubernetes).map(str::to_owned);
    };
    if Version::parse(text).is_none() {
        let fix = match Version::parse_bare(text) {
            Some(_) => format!("did you mean v{text}?"),
            None => "write it as v1.2.3".to_owned(),
        };
        report.wrong(&at.key("version"), format!("'{text}' is no version"), fix);
        return None;
    }
    Some(text.clone())
}

fn installs(raw: BTreeMap<String, String>, at: &At<'_>, report: &mut Report) -> Vec<Install> {
    let mut installs = Vec::new();
    for (member, path) in raw {
        let at = at.key(&member);
        if member == "*" && !path.ends_with('/') {
            let fix = format!("write it as {path}/");
            report.wrong(&at, "every file can't get the same path".to_owned(), fix);
        } else if place::is_path(path.trim_end_matches('/'), &at, report) {
            installs.push(Install { member, path, mode: PROGRAM_MODE });
        }
    }
    installs
}

fn check_skew(
    components: &[Placed<'_, Component>],
    defaults: Defaults<'_>,
    at: &At<'_>,
    report: &mut Report,
) {
    let version = |component: &'_ Component| component.version.as_deref().and_then(Version::parse);
    let versions: Vec<(&str, Version)> = components
        .iter()
        .filter_map(|(component, _)| Some((component.name.as_str(), version(component)?)))
        .collect();
    let place = |component: &str| {
        let component = at.key(component);
        Some(component.key("version")).filter(|at| at.node.is_some()).unwrap_or(component)
    };
    let api = defaults.kubernetes.and_then(Version::parse);
    for skew in skew::check(api, &versions) {
        report.wrong(&place(skew.component), skew.what, skew.fix);
    }
    for skew in skew::odd(api, &versions) {
        report.odd(&place(skew.component), skew.what, skew.fix);
    }
}
