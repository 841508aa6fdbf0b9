// SPDX-License-Identifier: Apache-2.0
//! The births of a cluster's nodes, from the reports that they left in annotations: one timeline per node, and which
//! steps were slow.
//!
//! A node writes its own annotation and may write anything there. So a report is read with limits, numbers that
//! contradict each other make it broken, and every text is made one clean line before it is shown.

mod svg;
mod text;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cluster::{Node, clean};
use crate::names::REPORT;
use crate::report::{Done, Report};

pub use svg::svg;
pub use text::text;

/// The API server's own limit for all annotations of an object (k8s.io/apimachinery, `TotalAnnotationSizeLimitB`).
const LINE_MAX_BYTES: usize = 256 << 10;
/// A birth has some 15 steps, of which each may be met again after a miss or a wait.
const STEPS_MAX: usize = 2_000;
/// A run gives up after eight minutes, a control plane's after a quarter of an hour; more than a day is nonsense.
const TOOK_MAX_MS: u64 = 24 * 3600 * 1000;
/// Texts of a stranger that are shown in a table.
const TEXT_MAX_CHARS: usize = 60;

/// The birth of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Boot {
    /// The Node's name.
    pub node: String,
    /// What it says of its birth; or why that is not known.
    #[serde(flatten)]
    pub told: Told,
}

/// What is known of a birth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "told", rename_all = "kebab-case")]
pub enum Told {
    /// A report.
    Report(Report),
    /// The Node has none: kiln did not make it, or its report could not be sent.
    Missing,
    /// There is one that can't be read, and why.
    Broken(String),
}

/// A step over all nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Slow {
    /// Its word.
    pub step: String,
    /// In how many reports it stands.
    pub nodes: usize,
    /// Milliseconds; the upper one of an even number.
    pub median_ms: u64,
    /// Milliseconds; 95 % of the nodes took no longer.
    pub p95_ms: u64,
    /// Milliseconds.
    pub most_ms: u64,
    /// The node that took the most.
    pub slowest: String,
    /// Tries, of all nodes together.
    pub tries: u64,
}

/// Returns the births of these Nodes, by name.
pub fn boots(nodes: &[Node]) -> Vec<Boot> {
    let boot = |node: &Node| {
        let told = match node.meta.annotations.get(REPORT) {
            None => Told::Missing,
            Some(line) => read(line).map_or_else(Told::Broken, Told::Report),
        };
        Boot { node: clean(&node.meta.name), told }
    };
    let mut boots: Vec<Boot> = nodes.iter().map(boot).collect();
    boots.sort_by(|a, b| a.node.cmp(&b.node));
    boots
}

fn read(line: &str) -> Result<Report, String> {
    if line.len() > LINE_MAX_BYTES {
        return Err(format!("it is longer than {LINE_MAX_BYTES} bytes"));
    }
    let report: Report = serde_json::from_str(line).map_err(|error| clean(&error.to_string()))?;
    if report.version != 1 {
        return Err(format!("its version is {}, and this kiln reads 1", report.version));
    }
    if report.steps.len() > STEPS_MAX {
        return Err(format!("it has more than {STEPS_MAX} steps"));
    }
    if report.took_ms > TOOK_MAX_MS {
        return Err(format!("it took {} ms, longer than any run may", report.took_ms));
    }
    let is_within = |step: &&Done| {
        step.at_ms.checked_add(step.took_ms).is_some_and(|end| end <= report.took_ms.saturating_add(1))
    };
    if let Some(step) = report.steps.iter().find(|step| !is_within(step)) {
        return Err(format!("its step {} ends after the run", shown(&step.step)));
    }
    Ok(cleaned(report))
}

/// Every text of a stranger as one short line.
fn cleaned(report: Report) -> Report {
    let Report {
        version,
        kiln,
        node,
        boot,
        started_s,
        took_ms,
        exit,
        reason,
        blocks,
        requests,
        calls,
        retries,
        steps,
    } = report;
    let step = |Done { step, what: _, at_ms, took_ms, tries, trouble }: Done| Done {
        step: shown(&step),
        what: String::new(),
        at_ms,
        took_ms,
        tries,
        trouble: trouble.map(|trouble| clean(&trouble)),
    };
    Report {
        version,
        kiln: shown(&kiln),
        node: shown(&node),
        boot: shown(&boot),
        started_s,
        took_ms,
        exit,
        reason: reason.map(|reason| clean(&reason)),
        blocks: blocks.iter().take(2).map(|block| shown(block)).collect(),
        requests,
        calls,
        retries,
        steps: steps.into_iter().map(step).collect(),
    }
}

fn shown(text: &str) -> String {
    clean(text).chars().take(TEXT_MAX_CHARS).collect()
}

/// Returns the reports, with the names that the server knows their Nodes by.
fn reports(boots: &[Boot]) -> impl Iterator<Item = (&str, &Report)> {
    boots.iter().filter_map(|boot| match &boot.told {
        Told::Report(report) => Some((boot.node.as_str(), report)),
        _ => None,
    })
}

/// Returns the steps, the one with the slowest node first. A step that a node did more than once counts as its sum.
pub fn slowest(boots: &[Boot]) -> Vec<Slow> {
    let mut steps: BTreeMap<&str, Vec<(u64, &str, u64)>> = BTreeMap::new();
    for (node, report) in reports(boots) {
        let mut sums: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for step in &report.steps {
            let (took, tries) = sums.entry(&step.step).or_default();
            *took = took.saturating_add(step.took_ms);
            *tries = tries.saturating_add(step.tries.into());
        }
        for (step, (took, tries)) in sums {
            steps.entry(step).or_default().push((took, node, tries));
        }
    }
    let slow = |(step, mut times): (&str, Vec<(u64, &str, u64)>)| {
        times.sort_unstable();
        let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
        let (most_ms, slowest, _) = times[times.len() - 1];
        Slow {
            step: step.to_owned(),
            nodes: times.len(),
            median_ms: at(50).0,
            p95_ms: at(95).0,
            most_ms,
            slowest: slowest.to_owned(),
            tries: times.iter().map(|(_, _, tries)| *tries).fold(0, u64::saturating_add),
        }
    };
    let mut slow: Vec<Slow> = steps.into_iter().map(slow).collect();
    slow.sort_by(|a, b| b.most_ms.cmp(&a.most_ms).then_with(|| a.step.cmp(&b.step)));
    slow
}

#[cfg(test)]
mod tests;
