// SPDX-License-Identifier: Apache-2.0
//! Machines on their way to Ready nodes, watched: each stage is told as the API server shows it, and a machine that
//! has failed for good ends the wait at once, with what it said.

use std::time::{Duration, Instant};

use super::access::Api;
use super::error::LabError;
use super::node::Node;
use super::pace::Pace;
use super::plan::Name;
use crate::cluster::ApiError;
use crate::progress::Progress;
use crate::stage::{Reached, Stage};

/// Units whose failure is final: those that retry are in no failed state meanwhile.
const UNITS: [&str; 2] = [FIRST_BOOT, "kiln-control-plane.service"];
/// On a worker all of it, on a control plane its first phase.
pub(super) const FIRST_BOOT: &str = "kiln-firstboot.service";

/// Longest way from the start to a Ready node on a machine that is busy with others, at its native pace.
pub(super) const LIMIT: Duration = Duration::from_secs(600);
/// How often the API server is asked: three small lists.
const PAUSE: Duration = Duration::from_millis(200);
/// How often machines themselves are looked at, which costs a program on each.
const MACHINES_PAUSE: Duration = Duration::from_secs(2);

/// A machine that joins.
#[derive(Debug, Clone)]
pub struct Joining {
    /// It.
    pub node: Node,
    /// The id of its token; a control plane needs none.
    pub token: Option<String>,
    /// When it was started.
    began: Instant,
    /// How far it has come, the last stage last.
    pub reached: Vec<Reached>,
}

impl Joining {
    /// Takes note of a machine that starts now.
    pub fn new(node: Node, token: Option<String>, progress: &dyn Progress) -> Self {
        let name = node.record.name.to_string();
        progress.begin(&name, &format!("{name} {}", Stage::Boots), None);
        Self { node, token, began: Instant::now(), reached: Vec::new() }
    }

    /// Returns the stage that was seen last.
    pub fn stage(&self) -> Stage {
        self.reached.last().map_or(Stage::Boots, |reached| reached.stage.clone())
    }

    fn name(&self) -> &Name {
        &self.node.record.name
    }

    fn reach(&mut self, stage: Stage, progress: &dyn Progress) {
        if stage == self.stage() {
            return;
        }
        let took = self.began.elapsed();
        let (name, seconds) = (self.name().to_string(), took.as_secs_f64());
        if stage.is_ready() {
            progress.now(&name, &format!("{name} {stage} ({seconds:.1} s)"));
            progress.end(&name, "");
        } else {
            progress.now(&name, &format!("{name} {stage} ({seconds:.1} s)"));
        }
        self.reached.push(Reached { stage, after_ms: took.as_millis() as u64 });
    }
}

/// Watches machines.
pub struct Watch<'a> {
    api: &'a Api,
    pace: Pace,
    progress: &'a dyn Progress,
    /// The machines.
    pub joining: Vec<Joining>,
    /// Why the last look failed.
    trouble: Option<ApiError>,
}

impl<'a> Watch<'a> {
    /// Watches nobody yet.
    pub fn new(api: &'a Api, pace: Pace, progress: &'a dyn Progress) -> Self {
        Self { api, pace, progress, joining: Vec::new(), trouble: None }
    }

    /// Watches until `is_done`, within `limit` at a native pace. A server that does not answer, or not yet what its administrator asks, is asked again.
    ///
    /// # Errors
    /// If a machine ends or fails for good, or `limit` is over.
    pub fn until(
        &mut self,
        limit: Duration,
        is_done: impl Fn(&Self) -> Result<bool, ApiError>,
    ) -> Result<(), LabError> {
        let (start, limit) = (Instant::now(), self.pace.limit(limit));
        let mut machines_seen = start;
        loop {
            let done = self.look().and_then(|()| is_done(self));
            self.trouble = done.as_ref().err().cloned();
            if done.unwrap_or(false) {
                return Ok(());
            }
            if machines_seen.elapsed() > self.pace.pause(MACHINES_PAUSE) {
                machines_seen = Instant::now();
                self.late().try_for_each(|joining| check(&joining.node))?;
            }
            if start.elapsed() > limit {
                return Err(self.not_ready(limit));
            }
            std::thread::sleep(self.pace.pause(PAUSE));
        }
    }

    /// Watches until all are Ready.
    ///
    /// # Errors
    /// As [`Watch::until`].
    pub fn until_ready(&mut self, limit: Duration) -> Result<(), LabError> {
        self.until(limit, |watch| Ok(watch.late().next().is_none()))
    }

    fn look(&mut self) -> Result<(), ApiError> {
        let shown = self.api.shown()?;
        for joining in &mut self.joining {
            let stage = Stage::of(&joining.name().to_string(), joining.token.as_deref(), &shown);
            joining.reach(stage, self.progress);
        }
        Ok(())
    }

    fn late(&self) -> impl Iterator<Item = &Joining> {
        self.joining.iter().filter(|joining| !joining.stage().is_ready())
    }

    fn not_ready(&self, limit: Duration) -> LabError {
        let first = self.late().next().or(self.joining.first()).expect("somebody is waited for");
        LabError::NotReady {
            node: first.name().clone(),
            stage: first.stage(),
            limit_s: limit.as_secs(),
            console: first.node.record.console.clone(),
            source: self.trouble.clone().map(Box::new),
        }
    }
}

/// Fails if the machine has ended, or one of its units has failed for good.
///
/// # Errors
/// That.
pub fn check(node: &Node) -> Result<(), LabError> {
    if !node.is_kept()? {
        return Err(node.not_running());
    }
    for unit in UNITS {
        // A machine that does not answer yet has not failed.
        let Ok(state) = node.property(Some(unit), "ActiveState") else { return Ok(()) };
        if state == "failed" {
            let status = node.property(Some(unit), "ExecMainStatus")?;
            let said = node.said(unit)?;
            return Err(LabError::FirstBoot { node: node.record.name.clone(), unit, status, said });
        }
    }
    Ok(())
}
