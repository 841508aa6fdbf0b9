// SPDX-License-Identifier: Apache-2.0
//! How progress looks: bars on a terminal, plain lines elsewhere, JSON lines for programs. Always on standard error.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use kiln::progress::Progress;

use crate::cli::Format;
use crate::failure::Failure;
use crate::out::say;

/// Returns the view that fits the output format and standard error.
pub fn progress(format: Format) -> Box<dyn Progress> {
    match format {
        Format::Json => Box::new(Lines::new(Line::Json)),
        Format::Text if std::io::stderr().is_terminal() => Box::new(Bars::default()),
        Format::Text => Box::new(Lines::new(Line::Plain)),
    }
}

/// Prints a result for programs.
pub fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    say!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints a result for people.
pub fn print_text(text: &str) {
    crate::out::put(format_args!("{text}"));
}

/// Returns a size for people: `1.2 GiB`.
pub fn bytes(size: u64) -> String {
    indicatif::BinaryBytes(size).to_string()
}

/// Returns how a piece of work ended, in at least one word.
fn done(note: &str) -> &str {
    if note.is_empty() { "done" } else { note }
}

/// One bar for each piece of work.
#[derive(Default)]
struct Bars {
    all: MultiProgress,
    bars: Mutex<HashMap<String, ProgressBar>>,
}

impl Bars {
    fn bars(&self) -> MutexGuard<'_, HashMap<String, ProgressBar>> {
        self.bars.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Bars {
    fn begin(&self, id: &str, what: &str, total: Option<u64>) {
        let template = match total {
            Some(_) => "  {msg:<44!} {bar:24} {bytes:>10}/{total_bytes:<10} {eta}",
            None => "  {msg:<44!} {spinner} {elapsed}",
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new).with_style(style);
        let bar = self.all.add(bar).with_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        self.bars().insert(id.to_owned(), bar);
    }

    fn advance(&self, id: &str, amount: u64) {
        if let Some(bar) = self.bars().get(id) {
            bar.inc(amount);
        }
    }

    fn now(&self, id: &str, what: &str) {
        if let Some(bar) = self.bars().get(id) {
            bar.set_message(what.to_owned());
        }
    }

    fn end(&self, id: &str, note: &str) {
        let note = done(note);
        let Some(bar) = self.bars().remove(id) else { return };
        let what = bar.message();
        bar.finish_and_clear();
        self.say(&format!("{what}: {note}"));
    }

    fn say(&self, text: &str) {
        // A line that can't be printed has nobody to read it.
        let _ = self.all.println(text);
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Line {
    Plain,
    Json,
}

/// One line at the beginning and end of each piece, and now and then one in between.
struct Lines {
    kind: Line,
    work: Mutex<HashMap<String, Work>>,
}

struct Work {
    what: String,
    total: Option<u64>,
    done: u64,
    said: Instant,
}

/// Often enough to see that it lives, rarely enough for a CI log.
const INTERVAL: Duration = Duration::from_secs(10);

impl Lines {
    fn new(kind: Line) -> Self {
        Self { kind, work: Mutex::default() }
    }

    fn work(&self) -> MutexGuard<'_, HashMap<String, Work>> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn print(&self, plain: &str, json: &serde_json::Value) {
        let mut stderr = std::io::stderr().lock();
        // A line that can't be printed has nobody to read it.
        let _ = match self.kind {
            Line::Plain => writeln!(stderr, "{plain}"),
            Line::Json => writeln!(stderr, "{json}"),
        };
    }
}

impl Progress for Lines {
    fn begin(&self, id: &str, what: &str, total: Option<u64>) {
        self.print(
            &format!("{what} ..."),
            &serde_json::json!({"event": "begin", "id": id, "what": what, "total": total}),
        );
        let work = Work { what: what.to_owned(), total, done: 0, said: Instant::now() };
        self.work().insert(id.to_owned(), work);
    }

    fn advance(&self, id: &str, amount: u64) {
        let mut all = self.work();
        let Some(work) = all.get_mut(id) else { return };
        work.done += amount;
        if work.said.elapsed() < INTERVAL {
            return;
        }
        work.said = Instant::now();
        let share =
            work.total.filter(|total| *total > 0).map(|total| format!("{} %", work.done * 100 / total));
        let share = share.unwrap_or_else(|| work.done.to_string());
        self.print(
            &format!("{}: {share}", work.what),
            &serde_json::json!({"event": "advance", "id": id, "done": work.done, "total": work.total}),
        );
    }

    fn now(&self, id: &str, what: &str) {
        self.print(what, &serde_json::json!({"event": "now", "id": id, "what": what}));
        if let Some(work) = self.work().get_mut(id) {
            work.what = what.to_owned();
        }
    }

    fn end(&self, id: &str, note: &str) {
        let note = done(note);
        let what = self.work().remove(id).map_or_else(|| id.to_owned(), |work| work.what);
        self.print(&format!("{what}: {note}"), &serde_json::json!({"event": "end", "id": id, "note": note}));
    }

    fn say(&self, text: &str) {
        self.print(text, &serde_json::json!({"event": "say", "text": text}));
    }
}
