// SPDX-License-Identifier: Apache-2.0
//! The diary of a run: each change goes into the ledger at once, the whole becomes the report at the end.

use std::io::Write as _;
use std::time::Instant;

use super::super::apply::ApplyError;
use super::super::entry;
use super::super::ledger::{Entry, LEDGER, Ledger};
use super::super::observed::{Found, Observed};
use super::super::outcome::Outcome;
use super::super::reason::Reason;
use super::super::step::Step;
use super::Ending;
use crate::cluster::Counts;
use crate::exit::Exit;
use crate::host::files::FileError;
use crate::host::root::Root;
use crate::host::{clock, fault, journal, machine};
use crate::mark;
use crate::report::{REPORT, Report};

/// A ledger at its limit has some 100 KB.
const LEDGER_MAX_BYTES: u64 = 4 << 20;

/// The diary of a run.
#[derive(Debug)]
pub struct Diary {
    start: Instant,
    /// Whether the ledger was found fit to go on from.
    is_begun: bool,
    /// Whether the ledger has what a power cut may take.
    is_ahead: bool,
    report: Report,
    is_kept: bool,
}

impl Diary {
    /// Begins a run's diary. A run that only judges keeps no report: it would take the place of the boot's.
    ///
    /// # Errors
    /// When the kernel does not say which boot this is.
    pub fn begin(is_kept: bool) -> Result<Self, FileError> {
        let report = Report {
            version: 1,
            kiln: mark::VERSION.to_owned(),
            boot: machine::boot_id()?,
            started_s: clock::now_s(),
            ..Report::default()
        };
        Ok(Self { start: Instant::now(), is_begun: false, is_ahead: false, report, is_kept })
    }

    /// Returns whether this is the diary of a boot, and not of a check in between.
    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Returns the report as it stands.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Takes down how many calls of EC2 there were so far.
    pub(super) fn called(&mut self, calls: u64) {
        self.report.calls = calls;
    }

    /// Returns the report as it stands, for the Node's annotation, which is written when all else is done.
    pub(super) fn line(&mut self, seen: &Observed, counts: Counts) -> String {
        self.fill(seen, counts);
        Report { exit: Some(Exit::Done as u8), ..self.report.clone() }.line()
    }

    /// Takes down one try of a step. What changed the disk or the server is in the ledger when this returns, and durable
    /// after [`Diary::keep`].
    pub(super) fn tried(
        &mut self,
        root: &Root,
        step: &Step,
        begun: Instant,
        outcome: &Result<Outcome, ApplyError>,
    ) -> Result<(), FileError> {
        let trouble = match outcome {
            Ok(Outcome::Trouble(reason)) => Some(reason.to_string()),
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        };
        let ms = |at: Instant| u64::try_from((at - self.start).as_millis()).unwrap_or(u64::MAX);
        let (at_ms, until_ms) = (ms(begun), ms(Instant::now()));
        let what = step.to_string();
        let may_have_changed = !step.only_looks() && !matches!(outcome, Ok(Outcome::Unchanged));
        // What failed on this machine can't be written down there; the report and the last line have it.
        if may_have_changed && outcome.is_ok() {
            let told = trouble.as_ref().map_or_else(|| what.clone(), |trouble| format!("{what}: {trouble}"));
            self.enter(root, step.word(), told, until_ms - at_ms)?;
        }
        let is_known = trouble.is_some() && self.report.last_trouble(&what) == trouble.as_deref();
        if !is_known && (trouble.is_some() || may_have_changed) {
            journal::send(root, &entry::step(&self.report, step, until_ms - at_ms, trouble.as_deref()));
        }
        self.report.tried(step.word(), &what, at_ms, until_ms, trouble);
        Ok(())
    }

    fn enter(&mut self, root: &Root, step: &str, what: String, took_ms: u64) -> Result<(), FileError> {
        let boot = self.report.boot.clone();
        let entry = Entry { at_s: clock::now_s(), boot, step: step.to_owned(), what, took_ms };
        if !std::mem::replace(&mut self.is_begun, true) {
            begin(root)?;
        }
        let mut ledger = root.append(LEDGER)?;
        let written = fault::check_write().and_then(|()| ledger.write_all(entry.line().as_bytes()));
        written.map_err(FileError::at("write", &root.at(LEDGER)))?;
        self.is_ahead = true;
        Ok(())
    }

    /// Makes the ledger durable: before whatever may take long, and at the end.
    ///
    /// # Errors
    /// As the system says.
    pub(super) fn keep(&mut self, root: &Root) -> Result<(), FileError> {
        if self.is_ahead {
            let synced = root.append(LEDGER)?.sync_data();
            synced.map_err(FileError::at("sync", &root.at(LEDGER)))?;
            self.is_ahead = false;
        }
        Ok(())
    }

    /// Ends the run. A report that can't be written takes nothing from what was done, so that is no failure.
    pub(super) fn end(
        &mut self,
        root: &Root,
        reason: Option<Reason>,
        seen: Observed,
        counts: Counts,
    ) -> Ending {
        let exit = reason.as_ref().map_or(Exit::Done, Reason::exit);
        let _ = self.keep(root);
        self.fill(&seen, counts);
        self.report.exit = Some(exit as u8);
        self.report.reason = reason.as_ref().map(ToString::to_string);
        if self.is_kept {
            let _ = root.replace_passing(REPORT, self.report.text().as_bytes(), 0o644);
        }
        // A check that found all well, once a minute, is no news.
        if self.is_kept || reason.is_some() {
            journal::send(root, &entry::end(&self.report));
        }
        Ending { exit, reason, seen, warnings: Vec::new() }
    }

    fn fill(&mut self, seen: &Observed, counts: Counts) {
        if let Found::Is(identity) = &seen.disk.identity {
            self.report.node.clone_from(&identity.name);
        }
        if let Found::Is(record) = &seen.disk.claim {
            self.report.blocks = record.blocks.iter().map(ToString::to_string).collect();
        }
        self.report.requests = counts.requests;
        self.report.took_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
    }
}

/// What a power cut has torn, or has grown too long, is not gone on from.
fn begin(root: &Root) -> Result<(), FileError> {
    let text = root.text(LEDGER, LEDGER_MAX_BYTES)?;
    match text.as_deref().and_then(Ledger::begun_anew) {
        Some(text) => root.replace(LEDGER, text.as_bytes(), 0o600),
        None => Ok(()),
    }
}
