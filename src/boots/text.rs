// SPDX-License-Identifier: Apache-2.0
//! Births for people at a terminal: a line for each node, all on one scale, and a table of the slow steps.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Boot, Told, reports, slowest};
use crate::audit::Screen;
use crate::report::Report;

/// A step that is not in the list below.
const OTHER: char = '?';
/// Between steps: the program looked, decided, wrote its ledger, or waited.
const BETWEEN: [char; 2] = ['.', '·'];
/// What stands for each step that kiln knows: capitals ask the server, small letters change the machine.
const LETTERS: [(&str, char); 23] = [
    ("identity", 'i'),
    ("key", 'k'),
    ("csr-create", 'C'),
    ("csr-read", 'Q'),
    ("csr-await", 'W'),
    ("certificate", 'c'),
    ("certificate-link", 'l'),
    ("remove", 'x'),
    ("file", 'f'),
    ("node-create", 'N'),
    ("node-read", 'R'),
    ("pool-read", 'P'),
    ("claim-intend", 'b'),
    ("claim-record", 'd'),
    ("claim-create", 'B'),
    ("claim-read", 'D'),
    ("claim-list", 'L'),
    ("podcidrs", 'S'),
    ("repair", 'r'),
    ("report", 'T'),
    ("ready", 'A'),
    ("object", 'O'),
    ("prove", 'V'),
];
/// The least and the most signs of a timeline.
const TIMELINE: (usize, usize) = (10, 160);
/// A name that is longer is cut; names of Nodes have 253 characters at most.
const NAME_MAX: usize = 40;
/// As many steps as a glance takes in.
const SLOW_MAX: usize = 10;

/// Returns the text.
pub fn text(boots: &[Boot], screen: Screen) -> String {
    let mut text = timelines(boots, screen);
    let slow = slowest(boots);
    if !slow.is_empty() {
        text += "\nslowest steps      nodes    median       95 %      most  tries  slowest node\n";
    }
    for slow in slow.iter().take(SLOW_MAX) {
        let [median, p95, most] = [slow.median_ms, slow.p95_ms, slow.most_ms].map(seconds);
        let super::Slow { step, nodes, tries, slowest, .. } = slow;
        writeln!(text, "{step:<16} {nodes:>7} {median:>9}  {p95:>9} {most:>9} {tries:>6}  {slowest}")
            .expect("a string");
    }
    text + &silent(boots)
}

/// Nodes without a report that can be read.
fn silent(boots: &[Boot]) -> String {
    let mut text = String::new();
    for boot in boots {
        match &boot.told {
            Told::Report(_) => {}
            Told::Missing => writeln!(text, "{}: no report", boot.node).expect("a string"),
            Told::Broken(why) => writeln!(text, "{}: a broken report: {why}", boot.node).expect("a string"),
        }
    }
    if text.is_empty() { text } else { format!("\n{text}") }
}

fn timelines(boots: &[Boot], screen: Screen) -> String {
    let longest = reports(boots).map(|(_, report)| report.took_ms).max().unwrap_or(0).max(1);
    let cut = |name: &str| name.chars().take(NAME_MAX).collect::<String>();
    let width = reports(boots).map(|(node, _)| cut(node).chars().count()).max().unwrap_or(0);
    let figures = |report: &Report| format!("{:>9} {:>4} requests", seconds(report.took_ms), report.requests);
    let room = screen.columns.saturating_sub(width + 26);
    let signs = room.clamp(TIMELINE.0, TIMELINE.1);
    let mut text = String::new();
    let mut legend = BTreeMap::new();
    for (node, report) in reports(boots) {
        let line = timeline(report, longest, signs, screen, &mut legend);
        writeln!(text, "{:<width$} {} {line}", cut(node), figures(report)).expect("a string");
    }
    let legend: Vec<String> = legend.iter().map(|(letter, step)| format!("{letter} {step}")).collect();
    if !legend.is_empty() {
        let per_sign = longest as f64 / signs as f64;
        writeln!(text, "\na sign is {per_sign:.1} ms: {}", legend.join(", ")).expect("a string");
    }
    text
}

/// Each sign is the step that took the most of its share of time.
fn timeline<'a>(
    report: &'a Report,
    longest_ms: u64,
    signs: usize,
    screen: Screen,
    legend: &mut BTreeMap<char, &'a str>,
) -> String {
    let per_sign = longest_ms as f64 / signs as f64;
    let end = ((report.took_ms as f64 / per_sign).ceil() as usize).clamp(1, signs);
    let mut most = vec![(0.0, BETWEEN[usize::from(screen.is_unicode)]); end];
    for step in &report.steps {
        let letter = letter(&step.step);
        let (from, to) = (step.at_ms as f64, (step.at_ms + step.took_ms) as f64);
        let first = (from / per_sign) as usize;
        for (number, most) in most.iter_mut().enumerate().skip(first) {
            let (begin, until) = (number as f64 * per_sign, (number + 1) as f64 * per_sign);
            // What took less than a millisecond shows where nothing else does.
            let least = if number == first { 0.001 } else { 0.0 };
            let share = (to.min(until) - from.max(begin)).max(least);
            if share > most.0 {
                *most = (share, letter);
            }
        }
        legend.insert(letter, if letter == OTHER { "another step" } else { &step.step });
    }
    most.iter().map(|(_, letter)| *letter).collect()
}

fn letter(step: &str) -> char {
    LETTERS.iter().find(|(known, _)| *known == step).map_or(OTHER, |(_, letter)| *letter)
}

pub(super) fn seconds(ms: u64) -> String {
    if ms < 10_000 { format!("{ms} ms") } else { format!("{:.1} s", ms as f64 / 1000.0) }
}
