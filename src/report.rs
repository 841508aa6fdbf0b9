// SPDX-License-Identifier: Apache-2.0
//! What one run of first boot did, how long it took and what it cost: for people, the journal and the Node's annotation.
//!
//! A node writes it; `kiln boots` reads those of a whole cluster, and believes none of them.

use serde::{Deserialize, Serialize};

/// Where it lies; gone with the boot it is about.
pub const REPORT: &str = "/run/kiln/report.json";

/// What has ended within these seconds has just ended.
const JUST_S: u64 = 10;

/// What one run did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Report {
    /// 1.
    pub version: u32,
    /// The program's version.
    pub kiln: String,
    /// The Node's name; empty before it is known.
    pub node: String,
    /// The kernel's boot id.
    pub boot: String,
    /// Seconds since 1970, by this machine's clock.
    pub started_s: u64,
    /// Milliseconds; of the whole run.
    pub took_ms: u64,
    /// The exit code; none while the run goes on.
    pub exit: Option<u8>,
    /// The unmet condition and the fix.
    pub reason: Option<String>,
    /// The node's blocks, the primary family first.
    pub blocks: Vec<String>,
    /// Requests to the API server.
    pub requests: u64,
    /// Calls of EC2.
    #[serde(default)]
    pub calls: u64,
    /// Requests that were made again, and waits.
    pub retries: u64,
    /// Each step once, in order.
    pub steps: Vec<Done>,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Done {
    /// Its word.
    pub step: String,
    /// As a sentence; left out of the annotation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub what: String,
    /// Milliseconds after the run's start.
    pub at_ms: u64,
    /// Milliseconds, waits between its tries included.
    pub took_ms: u64,
    /// How often it was tried.
    pub tries: u32,
    /// Why the last try brought nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

impl Report {
    /// Returns whether the run found all well, in this boot and in the last seconds. A clock that was set back meanwhile may make
    /// an old run a new one for as long as that; the next check is a minute away.
    pub fn has_just_ended_well(&self, boot: &str, now_s: u64) -> bool {
        let ended_s = self.started_s + self.took_ms / 1000;
        let is_now = (ended_s..ended_s + JUST_S).contains(&now_s);
        self.exit == Some(0) && self.boot == boot && is_now
    }

    /// Adds a try of a step; one that is tried again right after is one step.
    pub fn tried(&mut self, step: &str, what: &str, at_ms: u64, until_ms: u64, trouble: Option<String>) {
        if let Some(last) = self.steps.last_mut().filter(|last| last.what == what && last.trouble.is_some()) {
            last.took_ms = until_ms.saturating_sub(last.at_ms);
            last.tries += 1;
            last.trouble = trouble;
            self.retries += 1;
            return;
        }
        self.steps.push(Done {
            step: step.to_owned(),
            what: what.to_owned(),
            at_ms,
            took_ms: until_ms.saturating_sub(at_ms),
            tries: 1,
            trouble,
        });
    }

    /// Returns why the last step brought nothing, if it was this one.
    pub fn last_trouble(&self, what: &str) -> Option<&str> {
        self.steps.last().filter(|last| last.what == what)?.trouble.as_deref()
    }

    /// Returns the text of the file.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("texts and numbers") + "\n"
    }

    /// Returns the text of the annotation: in one line, and short, for whoever lists Nodes gets all of them. Steps of one
    /// word in a row are one.
    pub fn line(&self) -> String {
        let mut short = Self { steps: Vec::new(), ..self.clone() };
        for step in &self.steps {
            match short.steps.last_mut().filter(|last| last.step == step.step) {
                Some(last) => {
                    last.took_ms = (step.at_ms + step.took_ms).saturating_sub(last.at_ms);
                    last.tries += step.tries;
                }
                None => short.steps.push(Done { what: String::new(), ..step.clone() }),
            }
        }
        serde_json::to_string(&short).expect("texts and numbers")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_just_ended_well_in_its_own_boot_and_for_seconds() {
        let boot = "1b4e28ba-2fa1-11d2-883f-0016d3cca427";
        let mut report = Report {
            boot: boot.to_owned(),
            started_s: 100,
            took_ms: 5_900,
            exit: Some(0),
            ..Report::default()
        };
        assert!(report.has_just_ended_well(boot, 105) && report.has_just_ended_well(boot, 114));
        assert!(!report.has_just_ended_well(boot, 104), "the clock was set back");
        assert!(!report.has_just_ended_well(boot, 115), "long ago");
        assert!(!report.has_just_ended_well("another", 106));
        report.exit = Some(75);
        assert!(!report.has_just_ended_well(boot, 106));
        report.exit = None;
        assert!(!report.has_just_ended_well(boot, 106), "it goes on");
    }

    #[test]
    fn a_step_that_is_tried_again_is_one_step() {
        let mut report = Report::default();
        report.tried("pool-read", "read the pool", 0, 5, Some("no answer".to_owned()));
        report.tried("pool-read", "read the pool", 105, 110, None);
        report.tried("file", "write a", 110, 111, None);
        report.tried("file", "write a", 111, 112, None);
        let shown: Vec<_> = report.steps.iter().map(|step| (step.took_ms, step.tries)).collect();
        assert_eq!(shown, [(110, 2), (1, 1), (1, 1)]);
        assert_eq!(report.retries, 1);
        assert_eq!(serde_json::from_str::<Report>(&report.text()).unwrap(), report);
        let short: Report = serde_json::from_str(&report.line()).unwrap();
        let shown: Vec<_> = short.steps.iter().map(|step| (step.step.as_str(), step.took_ms)).collect();
        assert_eq!(shown, [("pool-read", 110), ("file", 2)]);
    }
}
