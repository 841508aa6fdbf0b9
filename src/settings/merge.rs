// SPDX-License-Identifier: Apache-2.0
//! Merging: later layers win, key by key; maps are merged deeply, lists and texts are replaced whole.

use std::path::PathBuf;

use super::alias;
use super::check::{self, Extent};
use super::deep::deep;
use super::keys::{self, Scope};
use super::layer::{self, Layer};
use super::ranges::{BLOCK_DEFAULT, BLOCK_V6_DEFAULT};
use super::{Cloud, Platform, Settings, read, secret, token};
use crate::marks::at::At;
use crate::marks::report::Report;
use crate::marks::{Node, shape};
use crate::problem::{Problem, Problems};

/// More layers than this are no settings but a mistake.
const LAYERS_MAX: usize = 100;
/// Where a key is missing that no layer has a section for.
const NO_LAYER: &str = "no layer";

/// What all layers say together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// Valid as a whole.
    pub settings: Settings,
    /// What works but should be written otherwise, in the order in which it was found.
    pub warnings: Vec<Problem>,
}

/// Merges layers, the first being the weakest, and validates what they say together.
///
/// # Errors
/// Everything that is wrong, each problem with the layer that the wrong value came from. No message holds a token.
pub fn merge(layers: &[Layer]) -> Result<Merged, Problems> {
    let (layers, rest) = layers.split_at(layers.len().min(LAYERS_MAX));
    let names = layers.iter().map(|layer| layer.name.clone());
    let mut report = Report::on(names.chain([NO_LAYER.to_owned()]).map(PathBuf::from).collect());
    if let Some(layer) = rest.first() {
        report.add_elsewhere(too_many(layer));
    }
    let (tree, is_whole) = together(layers, &mut report);
    let mut warnings = Vec::new();
    let tree = alias::replaced(tree, &mut report, &mut warnings);
    // A token or key is told once, and what it was in the place of is not missed.
    report.end_of_shapes();
    match judged(&tree, is_whole, &mut report) {
        Some(settings) if report.is_clean() => {
            let warnings = warnings.into_iter().map(redacted).collect();
            Ok(Merged { settings: completed(settings), warnings })
        }
        _ => Err(Problems(report.into_problems().0.into_iter().map(redacted).collect())),
    }
}

/// Returns what layers say of the cloud, before the cloud's own layers are among them: only what is right in itself, for
/// [`merge`] tells what is wrong.
pub fn cloud_of(layers: &[Layer]) -> Cloud {
    let layers = &layers[..layers.len().min(LAYERS_MAX)];
    let names = layers.iter().map(|layer| layer.name.clone());
    let mut report = Report::on(names.chain([NO_LAYER.to_owned()]).map(PathBuf::from).collect());
    let (tree, _) = together(layers, &mut report);
    let at = At::root(&tree).key("cloud");
    let platform = match at.key("platform").text() {
        Some("aws") => Platform::Aws,
        Some("auto") => Platform::Auto,
        _ => Platform::None,
    };
    let metadata = at.key("metadata").text().filter(|text| check::is_metadata(text)).map(str::to_owned);
    Cloud { platform, metadata, ..Cloud::default() }
}

/// Checks shape and meaning. Where a layer could not be read, what it would have said is not missed.
fn judged(tree: &Node, is_whole: bool, report: &mut Report) -> Option<Settings> {
    let (scope, extent) = if is_whole { (Scope::Whole, Extent::Whole) } else { (Scope::Part, Extent::Part) };
    let fitting = shape::check(&At::root(tree), &keys::schema(scope), report)?;
    report.end_of_shapes();
    let at = At::root(&fitting);
    let cut = check::cluster(&at.key("cluster"), report);
    check::check(&at, &cut, extent, report);
    if !report.is_clean() {
        return None;
    }
    let settings = serde_yaml::from_value(fitting.value());
    // The table of keys agrees with the type, so a tree that fits the one is the other.
    settings.map_err(|error| report.wrong(&at, error.to_string(), None)).ok()
}

fn too_many(layer: &Layer) -> Problem {
    Problem {
        file: layer.name.clone().into(),
        place: None,
        key: String::new(),
        what: format!("is layer number {}, and nobody needs more than {LAYERS_MAX}", LAYERS_MAX + 1),
        fix: Some("remove the files that are left over".to_owned()),
    }
}

/// Reads and merges the layers that can be read; tells whether these were all.
fn together(layers: &[Layer], report: &mut Report) -> (Node, bool) {
    let mut is_whole = true;
    let mut tree = layer::empty(u16::try_from(layers.len()).expect("at most LAYERS_MAX"));
    for (number, found) in (0..).zip(layers) {
        match read::tree(found, number, report) {
            Some(later) => {
                let later = secret::pruned(&At::root(&later), report).unwrap_or(later);
                tree = deep(tree, later, report);
            }
            None => is_whole = false,
        }
        secret::beside_values(found, number, report);
    }
    (tree, is_whole)
}

/// Fills in what a family of the pods must have.
fn completed(mut settings: Settings) -> Settings {
    let cluster = &mut settings.cluster;
    let has = |is_v4: bool| cluster.pods.iter().any(|range| range.addr().is_ipv4() == is_v4);
    cluster.block_prefix = cluster.block_prefix.or(has(true).then_some(BLOCK_DEFAULT));
    cluster.block_prefix_v6 = cluster.block_prefix_v6.or(has(false).then_some(BLOCK_V6_DEFAULT));
    settings.api.endpoint.truncate(settings.api.endpoint.trim_end_matches('/').len());
    settings
}

/// No message shows a token, wherever it may have come from.
fn redacted(problem: Problem) -> Problem {
    let Problem { file, place, key, what, fix } = problem;
    let fix = fix.as_deref().map(token::redacted);
    Problem { file, place, key: token::redacted(&key), what: token::redacted(&what), fix }
}
