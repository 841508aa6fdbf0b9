// SPDX-License-Identifier: Apache-2.0
//! The layer of settings that a manifest bakes in: judged by the rules of first boot, as far as a part can be.

use super::place::Placed;
use crate::manifest::Image;
use crate::marks::at::At;
use crate::marks::report::Report;
use crate::marks::{Entry, Kind, Node};
use crate::settings::check::{self, Extent};
use crate::settings::ranges::Cut;
use crate::settings::{key_of_alias, keys, secret};

const SETTINGS: &str = "settings";

/// Returns the manifest without what its settings may not say: secrets, which nothing may quote, and what the manifest
/// says elsewhere. Each is reported.
pub fn prepared(mut tree: Node, report: &mut Report) -> Node {
    let at = At::root(&tree).key(SETTINGS);
    let Some(settings) = secret::pruned(&at, report) else { return tree };
    let settings = without_repetition(&At { node: Some(&settings), ..at }, "", report).unwrap_or(settings);
    if let Kind::Map(entries) = &mut tree.kind {
        let entry = entries.iter_mut().find(|entry| entry.key == SETTINGS);
        entry.expect("it was found above").value = settings;
    }
    tree
}

/// Returns a section of the settings (empty: the top) without keys that are said elsewhere and words that are not for new
/// files; nothing if it is no map.
fn without_repetition(at: &At<'_>, section: &str, report: &mut Report) -> Option<Node> {
    let Node { place, kind: Kind::Map(_) } = at.node? else { return None };
    let mut kept = Vec::new();
    for (key, value) in at.entries() {
        if !is_repetition(section, key, &value, report) {
            let inner = if section.is_empty() { without_repetition(&value, key, report) } else { None };
            let place = value.key_place;
            let inner = inner.or_else(|| value.node.cloned());
            kept.extend(inner.map(|value| Entry { key: key.to_owned(), place, value }));
        }
    }
    Some(Node { place: *place, kind: Kind::Map(kept) })
}

fn is_repetition(section: &str, name: &str, at: &At<'_>, report: &mut Report) -> bool {
    let alias = key_of_alias(name).filter(|_| section.is_empty());
    let manifest = keys::find(section, name).and_then(|key| key.manifest);
    match (alias, manifest) {
        (Some(key), _) => {
            let fix = format!("write {SETTINGS}.{key}");
            report.wrong_key(at, "is a word of older systems".to_owned(), fix);
        }
        (None, Some(key)) => {
            let what = format!("the manifest says this in '{key}'");
            report.wrong_key(at, what, "remove it here".to_owned());
        }
        (None, None) => return false,
    }
    true
}

/// Checks what the settings mean.
pub fn check(at: &At<'_>, cut: &Cut, report: &mut Report) {
    check::check(at, cut, Extent::Part, report);
}

/// Tells of a sandbox that both an image and the settings name.
pub fn sandbox(images: &[Placed<'_, Image>], at: &At<'_>, report: &mut Report) {
    let at = at.key("sandbox");
    if let Some((image, _)) = images.iter().find(|(image, _)| image.is_sandbox && at.node.is_some()) {
        let what = format!("the manifest says this in 'images.{}.sandbox'", image.name);
        report.wrong_key(&at, what, "remove one of them".to_owned());
    }
}
