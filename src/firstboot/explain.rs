// SPDX-License-Identifier: Apache-2.0
//! What has happened on this machine, what is missing and why; as text for people. Pure.

use super::ledger::Ledger;
use super::next::Next;
use crate::report::Report;

/// Entries of the ledger that are shown: one birth.
const SHOWN: usize = 30;

/// Returns the story. `next` is what a look at the machine says is to be done; nobody else was asked.
pub fn explain(ledger: &Ledger, report: Option<&Report>, next: &Next) -> String {
    let mut text = String::new();
    let first = ledger.entries.len().saturating_sub(SHOWN);
    if ledger.entries.is_empty() {
        text += "nothing has been done on this machine\n";
    }
    let mut boot = "";
    for entry in &ledger.entries[first..] {
        if entry.boot != boot {
            boot = &entry.boot;
            text += &format!("boot {boot}:\n");
        }
        text += &format!("  {:>6} ms  {}\n", entry.took_ms, entry.what);
    }
    text += &match report {
        None => "this boot: no run has ended\n".to_owned(),
        Some(Report { reason: None, took_ms, requests, blocks, .. }) => {
            format!(
                "this boot: done in {took_ms} ms with {requests} requests; blocks {}\n",
                blocks.join(", ")
            )
        }
        Some(Report { reason: Some(reason), steps, .. }) => {
            let last = steps.last().map_or("look at the machine", |step| &step.what);
            format!("this boot: ended after trying to {last}: {reason}\n")
        }
    };
    text += &match next {
        Next::Done => "missing: nothing\n".to_owned(),
        Next::Do(step) if step.only_looks() => {
            format!("on this machine nothing is missing; to be asked: {step}\n")
        }
        Next::Do(step) => format!("missing: {step}\n"),
        Next::Wait(reason) | Next::Stuck(reason) => format!("missing: {reason}\n"),
    };
    text
}

#[cfg(test)]
mod tests {
    use super::super::ledger::Entry;
    use super::super::reason::Reason;
    use super::*;

    #[test]
    fn it_tells_what_was_done_and_what_is_missing() {
        let mut ledger = Ledger::default();
        ledger.entries.push(Entry {
            at_s: 1,
            boot: "b1".to_owned(),
            step: "key".to_owned(),
            what: "make the private key".to_owned(),
            took_ms: 12,
        });
        let report = Report { reason: Some("no token".to_owned()), ..Report::default() };
        let text = explain(&ledger, Some(&report), &Next::Stuck(Reason::NoToken));
        let expected = "boot b1:\n      12 ms  make the private key\n\
            this boot: ended after trying to look at the machine: no token\n";
        assert!(text.starts_with(expected), "{text}");
        assert!(explain(&Ledger::default(), None, &Next::Done).ends_with("missing: nothing\n"));
    }
}
