// SPDX-License-Identifier: Apache-2.0
//! Entries of the journal, so that `journalctl KILN_STEP=claim-create` finds what it names. Pure.
//!
//! One for each step that changed something or was in vain, one for the end of the run. They say what the ledger and the
//! report say and nothing more, so no secret.

use super::step::Step;
use crate::exit::Exit;
use crate::report::Report;

/// What a step came to (`journalctl MESSAGE_ID=...`).
const STEP_ID: &str = "313ac3f2a3b1401fbed0cf7f03d79158";
/// How a run ended.
const END_ID: &str = "3b10bdb2c49548af86cb82e8eff2c1c6";

/// Priorities of syslog(3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Priority {
    Error = 3,
    Warning = 4,
    Notice = 5,
    Info = 6,
}

/// The fields of one entry in the journal's wire form.
#[derive(Debug)]
struct Entry(Vec<u8>);

impl Entry {
    fn new(priority: Priority, id: &str, message: &str, report: &Report) -> Self {
        Self(Vec::new())
            .with("MESSAGE", message)
            .with("MESSAGE_ID", id)
            .with("PRIORITY", &(priority as u8).to_string())
            .with("SYSLOG_IDENTIFIER", "kiln-firstboot")
            .with("KILN_VERSION", &report.kiln)
            .with("KILN_NODE", &report.node)
    }

    /// A value with a line end is written with its length, any other as `NAME=VALUE`.
    fn with(mut self, name: &str, value: &str) -> Self {
        if value.is_empty() {
            return self;
        }
        self.0.extend_from_slice(name.as_bytes());
        if value.contains('\n') {
            self.0.push(b'\n');
            self.0.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            self.0.push(b'=');
        }
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(b'\n');
        self
    }
}

/// Returns the entry about one try of a step: `trouble` is why it brought nothing.
pub fn step(report: &Report, step: &Step, took_ms: u64, trouble: Option<&str>) -> Vec<u8> {
    let (priority, result, message) = match trouble {
        None => (Priority::Info, "done", step.to_string()),
        Some(trouble) => (Priority::Warning, "trouble", format!("{step}: {trouble}")),
    };
    Entry::new(priority, STEP_ID, &message, report)
        .with("KILN_STEP", step.word())
        .with("KILN_RESULT", result)
        .with("KILN_TROUBLE", trouble.unwrap_or_default())
        .with("KILN_TOOK_MS", &took_ms.to_string())
        .0
}

/// Returns the entry about the end of a run. A block is a field of its own, as a field may stand more than once.
pub fn end(report: &Report) -> Vec<u8> {
    let exit = report.exit.unwrap_or(Exit::Failed as u8);
    let (priority, result) = match exit {
        0 => (Priority::Notice, "done"),
        75 => (Priority::Warning, "try-again"),
        78 => (Priority::Error, "wrong-configuration"),
        _ => (Priority::Error, "failed"),
    };
    let Report { took_ms, requests, retries, .. } = report;
    let message = match &report.reason {
        None => format!("first boot is done after {took_ms} ms, {requests} requests and {retries} retries"),
        Some(reason) => format!("first boot ended after {took_ms} ms and {requests} requests: {reason}"),
    };
    let entry = Entry::new(priority, END_ID, &message, report)
        .with("KILN_RESULT", result)
        .with("KILN_EXIT", &exit.to_string())
        .with("KILN_REASON", report.reason.as_deref().unwrap_or_default())
        .with("KILN_TOOK_MS", &took_ms.to_string())
        .with("KILN_REQUESTS", &requests.to_string())
        .with("KILN_RETRIES", &retries.to_string())
        .with("KILN_REPORT", &report.line());
    report.blocks.iter().fold(entry, |entry, block| entry.with("KILN_BLOCK", block)).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_two_lines_is_written_with_its_length() {
        let entry = Entry(Vec::new()).with("A", "b=c").with("D", "e\nf").with("G", "");
        assert_eq!(entry.0, b"A=b=c\nD\n\x03\0\0\0\0\0\0\0e\nf\n");
    }

    #[test]
    fn a_run_ends_with_what_it_came_to() {
        let report = Report {
            node: "w1".to_owned(),
            exit: Some(75),
            reason: Some("no route\nto the server".to_owned()),
            blocks: vec!["10.0.0.0/24".to_owned(), "fd00::/64".to_owned()],
            ..Report::default()
        };
        let text = String::from_utf8(end(&report)).unwrap();
        for part in ["\nPRIORITY=4\n", "\nKILN_NODE=w1\n", "\nKILN_RESULT=try-again\n", "\nKILN_EXIT=75\n"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.contains("\nKILN_REASON\n\u{16}\0\0\0\0\0\0\0no route\nto the server\n"), "{text:?}");
        assert!(text.ends_with("\nKILN_BLOCK=10.0.0.0/24\nKILN_BLOCK=fd00::/64\n"));
    }

    #[test]
    fn a_step_in_vain_is_a_warning() {
        let report = Report::default();
        let text = |trouble| String::from_utf8(step(&report, &Step::MakeKey, 7, trouble)).unwrap();
        assert!(text(None).starts_with("MESSAGE=make the private key\nMESSAGE_ID="));
        assert!(text(None).ends_with("KILN_STEP=key\nKILN_RESULT=done\nKILN_TOOK_MS=7\n"));
        let vain = text(Some("no answer"));
        assert!(
            vain.starts_with("MESSAGE=make the private key: no answer\n") && vain.contains("\nPRIORITY=4\n")
        );
    }
}
