// SPDX-License-Identifier: Apache-2.0
//! Birth: what is known of an instance on its way to a Ready node, and what is wrong with one that does not get there. Pure.

use std::fmt;

use crate::cloud::{Instance, InstanceState};
use crate::console::{Words, plain};
use crate::stage::{Reached, Stage};

/// An instance on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Birth {
    /// The instance, and the name of its Node.
    pub id: String,
    /// The subnet that it is in.
    pub subnet: String,
    /// How far it has come, the last stage last.
    pub reached: Vec<Reached>,
    /// What first boot said last on the console, as long as there was no Node.
    pub said: Vec<String>,
    /// Why it will never be a node: its instance has ended.
    pub ended: Option<String>,
}

/// What an instance is to do first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goal {
    /// Join the cluster whose API server is there.
    Joins {
        /// `https://HOST:PORT`.
        endpoint: String,
    },
    /// Make the cluster, and share what is public of it.
    Shared {
        /// The path of parameters.
        path: String,
    },
}

/// Why a node is not Ready: step, reason and fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// `i-...`
    pub instance: String,
    /// How far it came.
    pub step: Stage,
    /// What stands in the way, as far as it is known.
    pub reason: String,
    /// What to do.
    pub fix: String,
}

/// What is made of all births together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Some are under way.
    Wait,
    /// All are Ready.
    Done,
    /// None is under way, and not all are Ready.
    Failed,
}

impl Birth {
    /// Takes note of an instance that was launched.
    pub fn new(instance: &Instance) -> Self {
        let (id, subnet) = (instance.id.clone(), instance.subnet.clone());
        Self { id, subnet, reached: Vec::new(), said: Vec::new(), ended: None }
    }

    /// Returns the stage that was seen last.
    pub fn stage(&self) -> Stage {
        self.reached.last().map_or(Stage::Boots, |reached| reached.stage.clone())
    }

    /// Returns whether nothing more is waited for.
    pub fn is_over(&self) -> bool {
        self.ended.is_some() || self.stage().is_ready()
    }

    /// Returns whether its console tells more than the cluster does.
    pub fn is_heard(&self) -> bool {
        !self.is_over() && self.stage() < Stage::Registered
    }

    /// Takes a stage; returns whether it is another one.
    pub fn reach(&mut self, stage: Stage, after_ms: u64) -> bool {
        let is_new = stage != self.stage();
        if is_new {
            self.reached.push(Reached { stage, after_ms });
        }
        is_new
    }

    /// Takes how the instance is; returns whether that ends it.
    pub fn look(&mut self, instance: &Instance) -> bool {
        let word = match instance.state {
            InstanceState::Pending | InstanceState::Running => return false,
            InstanceState::Ending => "is being ended",
            InstanceState::Stopped => "is stopped",
            InstanceState::Terminated => "is terminated",
        };
        let reason = instance.reason.as_ref().map_or(String::new(), |reason| format!(" ({reason})"));
        let is_new = self.ended.is_none();
        self.ended = Some(format!("the instance {word}{reason}"));
        is_new
    }

    /// Takes what the console has said; returns whether first boot said something else.
    pub fn hear(&mut self, console: &str) -> bool {
        let mut words = Words::default();
        plain(console).lines().for_each(|line| words.line(line));
        let is_new = !words.lines.is_empty() && words.lines != self.said;
        if is_new {
            self.said = words.lines;
        }
        is_new
    }

    /// Returns what is wrong.
    pub fn failure(&self, goal: &Goal) -> Failure {
        let step = self.stage();
        let (reason, fix) = match (&self.ended, self.said.last()) {
            (Some(ended), _) => (ended.clone(), "launch another one".to_owned()),
            (None, Some(said)) if step < Stage::Registered => {
                // First boot's own words end with the fix.
                (format!("its console says: {said}"), "its last words say what helps".to_owned())
            }
            _ => {
                let (reason, fix) = advice(&step, &self.id, goal);
                (reason.to_owned(), fix)
            }
        };
        Failure { instance: self.id.clone(), step, reason, fix }
    }
}

/// What a stage that does not end has as its reason, most often.
fn advice(step: &Stage, id: &str, goal: &Goal) -> (&'static str, String) {
    match (step, goal) {
        (Stage::Boots, Goal::Shared { path }) => (
            "it has shared nothing",
            format!(
                "see that its subnet leads to Systems Manager, that its role may write {path}/* (kiln policy \
                 control-plane), and that the image is kiln's, of flavour ami"
            ),
        ),
        (Stage::Boots, Goal::Joins { endpoint }) => (
            "nothing is heard of it",
            format!(
                "see that its subnet leads to {endpoint}, that security groups let it in there, and that the \
                 image is kiln's, of flavour ami"
            ),
        ),
        (Stage::Asked, _) => (
            "nobody signs its certificate",
            "see that kube-controller-manager runs and signs for kubelets".to_owned(),
        ),
        (Stage::Certified, _) => {
            ("it has not registered its Node", format!("see what the API server's log says of {id}"))
        }
        (Stage::Registered, _) => ("it claims no block", "see kiln ipam: are all blocks taken?".to_owned()),
        (Stage::Claimed { .. }, _) => (
            "it publishes no podCIDRs",
            "see that the instance's role may write routes (kiln policy worker)".to_owned(),
        ),
        (Stage::Published { .. } | Stage::Ready { .. }, _) => {
            ("its kubelet does not say that it is Ready", format!("see kubectl describe node {id}"))
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}; {}", self.instance, self.step, self.reason, self.fix)
    }
}

/// Returns what is made of all births.
pub fn verdict(births: &[Birth]) -> Verdict {
    if births.iter().all(|birth| birth.stage().is_ready()) {
        Verdict::Done
    } else if births.iter().all(Birth::is_over) {
        Verdict::Failed
    } else {
        Verdict::Wait
    }
}

#[cfg(test)]
mod tests;
