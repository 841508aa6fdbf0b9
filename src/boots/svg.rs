// SPDX-License-Identifier: Apache-2.0
//! Births as a picture: SVG 1.1 without scripts, links or outside resources. Every text in it is escaped.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::text::seconds;
use super::{Boot, Told, reports};
use crate::report::Report;

/// Pixels: the left column, the timelines, a row, the head with the scale, a margin.
const NAMES: u32 = 260;
const WIDTH: u32 = 1000;
const ROW: u32 = 18;
const HEAD: u32 = 48;
const MARGIN: u32 = 12;
/// One colour for each step, in the order in which they first come; told apart also without colour by their titles.
const COLOURS: [&str; 12] = [
    "#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2", "#97bbf5", "#9c6b4e",
    "#9498a0", "#b5a300", "#00788a",
];

/// Returns the picture: a row for each node, all on one scale, and a legend.
pub fn svg(boots: &[Boot]) -> String {
    let longest = reports(boots).map(|(_, report)| report.took_ms).max().unwrap_or(0).max(1);
    let mut colours = Colours::default();
    let mut rows = String::new();
    for (number, boot) in boots.iter().enumerate() {
        let y = HEAD + ROW * u32::try_from(number).expect("fewer Nodes than pixels");
        rows += &row(boot, y, longest, &mut colours);
    }
    let bottom = HEAD + ROW * u32::try_from(boots.len()).expect("fewer Nodes than pixels");
    let legend = colours.legend(bottom + MARGIN);
    let height = bottom + 2 * MARGIN + ROW * colours.lines();
    let width = NAMES + WIDTH + 2 * MARGIN;
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <title>First boots of {} nodes</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n{}{rows}{legend}</svg>\n",
        boots.len(),
        scale(longest, bottom),
    )
}

/// Five lines with their times.
fn scale(longest_ms: u64, bottom: u32) -> String {
    let mut text = String::new();
    for part in 0..=4_u32 {
        let x = MARGIN + NAMES + WIDTH * part / 4;
        let time = escaped(&seconds(longest_ms * u64::from(part) / 4));
        writeln!(
            text,
            "<line x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{bottom}\" stroke=\"#dddddd\"/>\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555555\">{time}</text>",
            HEAD - 6,
            HEAD - 14,
        )
        .expect("a string");
    }
    text
}

fn row(boot: &Boot, y: u32, longest_ms: u64, colours: &mut Colours) -> String {
    let name = escaped(&boot.node);
    let (x, base) = (MARGIN + NAMES, y + ROW - 5);
    let mut text = format!("<text x=\"{}\" y=\"{base}\" text-anchor=\"end\">{name}</text>\n", x - 8);
    match &boot.told {
        Told::Report(report) => text += &bars(report, y, longest_ms, colours),
        Told::Missing => text += &remark(x, base, "no report"),
        Told::Broken(why) => text += &remark(x, base, &format!("a broken report: {why}")),
    }
    text
}

fn remark(x: u32, y: u32, words: &str) -> String {
    format!("<text x=\"{}\" y=\"{y}\" fill=\"#b00020\">{}</text>\n", x + 4, escaped(words))
}

fn bars(report: &Report, y: u32, longest_ms: u64, colours: &mut Colours) -> String {
    let pixels = |ms: u64| ms as f64 / longest_ms as f64 * f64::from(WIDTH);
    let left = f64::from(MARGIN + NAMES);
    let mut text = format!(
        "<rect x=\"{left:.2}\" y=\"{}\" width=\"{:.2}\" height=\"{}\" fill=\"#eeeeee\"/>\n",
        y + 2,
        pixels(report.took_ms),
        ROW - 4,
    );
    for step in &report.steps {
        let title = format!(
            "{}: {} from {} on, {} tries{}",
            step.step,
            seconds(step.took_ms),
            seconds(step.at_ms),
            step.tries,
            step.trouble.as_ref().map(|trouble| format!("; {trouble}")).unwrap_or_default(),
        );
        writeln!(
            text,
            "<rect x=\"{:.2}\" y=\"{}\" width=\"{:.2}\" height=\"{}\" fill=\"{}\"><title>{}</title></rect>",
            left + pixels(step.at_ms),
            y + 2,
            // What took no millisecond is still a hairline.
            pixels(step.took_ms).max(0.5),
            ROW - 4,
            colours.of(&step.step),
            escaped(&title),
        )
        .expect("a string");
    }
    text
}

/// Which step has which colour.
#[derive(Default)]
struct Colours {
    steps: BTreeMap<String, usize>,
}

impl Colours {
    /// Entries of the legend in a line.
    const IN_LINE: u32 = 6;

    fn of(&mut self, step: &str) -> &'static str {
        let next = self.steps.len();
        let number = *self.steps.entry(step.to_owned()).or_insert(next);
        COLOURS[number % COLOURS.len()]
    }

    fn lines(&self) -> u32 {
        u32::try_from(self.steps.len()).expect("few steps").div_ceil(Self::IN_LINE)
    }

    fn legend(&self, top: u32) -> String {
        let mut text = String::new();
        for (step, number) in &self.steps {
            let place = u32::try_from(*number).expect("few steps");
            let x = MARGIN + NAMES + place % Self::IN_LINE * (WIDTH / Self::IN_LINE);
            let y = top + place / Self::IN_LINE * ROW;
            writeln!(
                text,
                "<rect x=\"{x}\" y=\"{y}\" width=\"10\" height=\"10\" fill=\"{}\"/><text x=\"{}\" y=\"{}\">{}</text>",
                COLOURS[number % COLOURS.len()],
                x + 14,
                y + 9,
                escaped(step),
            )
            .expect("a string");
        }
        text
    }
}

/// XML's own signs as references, and what XML 1.0 forbids as U+FFFD.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            char if char.is_control() => escaped.push('\u{fffd}'),
            char => escaped.push(char),
        }
    }
    escaped
}
