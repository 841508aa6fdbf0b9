// SPDX-License-Identifier: Apache-2.0
//! The control plane's two phases: its files before etcd starts, and after kube-apiserver the cluster's objects, the own
//! Node and its label. What it does on the disk and in the API is noted as a worker's steps are.

use std::time::{Duration, Instant};

use super::super::apply::{ApplyError, Hands};
use super::super::apply_plane::{self, Admins};
use super::super::bootstrap::{self, Answer, Plan};
use super::super::look::Wanted;
use super::super::next::Next;
use super::super::observed::Observed;
use super::super::outcome::Outcome;
use super::super::plane::{self, Turn};
use super::super::reason::Reason;
use super::super::step::Step;
use super::super::{apply_control, look_control};
use super::{Diary, Ending, READY_LIMIT, Run, RunError, TURNS_MAX, Waits, limits};
use crate::cluster::{Backoff, Credential};
use crate::host::clock;

/// As [`READY_LIMIT`], where the claim is recorded: pods that run here need no API server, so kubelet starts all the same.
const READY_LIMIT_HELD: Duration = Duration::from_secs(45);
/// For all objects together; some twenty requests on a server that is ready.
const OBJECTS_LIMIT: Duration = Duration::from_secs(180);
/// Pauses between questions whether the server is ready, and between tries of an object.
const PAUSES_API: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(3));
/// Which objects were applied, all of them: a plan's digest.
const APPLIED: &str = "/var/lib/kiln/objects.sha256";
const APPLIED_MAX_BYTES: u64 = 1 << 10;
/// Tries of the label.
const LABEL_TRIES: u32 = 8;

impl Run<'_> {
    /// Returns what the files phase would do next.
    ///
    /// # Errors
    /// When this machine fails.
    pub fn next_file(&self, seen: &Observed) -> Result<Turn, RunError> {
        let files = look_control::look(self.root)?;
        Ok(plane::turn(self.settings, seen, &files, clock::now_s(), &apply_control::draw()?))
    }

    /// Returns the steps of the files phase, and what would end them. Nothing is touched.
    ///
    /// # Errors
    /// When this machine can't be looked at.
    pub fn rehearse_files(&self) -> Result<(Vec<Step>, Option<Next>), RunError> {
        let (seen, _) = self.look()?;
        let files = look_control::look(self.root)?;
        Ok(plane::rehearse(self.settings, seen, files, clock::now_s(), &apply_control::draw()?))
    }

    /// Makes identity and files, one durable step after the other.
    ///
    /// # Errors
    /// When this machine fails: its disk, its kernel.
    pub async fn files(&self, diary: &mut Diary) -> Result<Ending, RunError> {
        let (mut seen, mut wanted) = self.look()?;
        let seed = seen.machine.chance as u64;
        let mut hands = Hands::new(self.root, self.settings, Credential::None, limits(false), seed);
        let mut waits = Waits::new(None, seed, Instant::now() + self.limit);
        let mut last = String::new();
        for _ in 0..TURNS_MAX {
            let begun = Instant::now();
            match self.next_file(&seen)? {
                Turn::File(step) => {
                    let shown = plane::shown(&step);
                    last = shown.to_string();
                    let done = apply_control::apply(self.root, &step).map_err(ApplyError::from);
                    self.took_down(diary, &shown, begun, done.map(|()| Outcome::Changed))?;
                }
                Turn::Node(Next::Do(step)) => {
                    last = step.to_string();
                    let done = hands.apply(&step, &seen, &Wanted::default(), "", waits.deadline).await;
                    self.took_down(diary, &step, begun, done)?;
                    self.look_again(&mut seen, &mut wanted)?;
                }
                Turn::Node(Next::Wait(reason)) if waits.may_wait(&reason) => {
                    waits.wait(&reason).await;
                    self.look_again(&mut seen, &mut wanted)?;
                }
                Turn::Node(Next::Wait(reason) | Next::Stuck(reason)) => {
                    return Ok(diary.end(self.root, Some(reason), seen, hands.counts()));
                }
                Turn::Node(Next::Done) => return Ok(diary.end(self.root, None, seen, hands.counts())),
            }
        }
        Err(RunError::Turns(last))
    }

    /// Waits for the own API server, makes the cluster's objects, gives birth to the own Node and labels it.
    ///
    /// # Errors
    /// When this machine fails.
    pub async fn api(&self, diary: &mut Diary) -> Result<Ending, RunError> {
        let (seen, _) = self.look()?;
        let mut admins = match apply_plane::admins(self.root, self.settings)? {
            Ok(admins) => admins,
            Err(reason) => return Ok(diary.end(self.root, Some(reason), seen, Default::default())),
        };
        let limit = if seen.is_held() { READY_LIMIT_HELD } else { READY_LIMIT };
        let mut warnings = Vec::new();
        let is_ready = match self.ready(diary, &admins, seen.machine.chance as u64, limit).await? {
            Ok(()) => true,
            Err(_) if seen.is_held() => false,
            Err(reason) => return Ok(diary.end(self.root, Some(reason), seen, admins.counts())),
        };
        if is_ready {
            match admins.version().await {
                Ok(warning) => warnings.extend(warning),
                Err(reason) => return Ok(diary.end(self.root, Some(reason), seen, admins.counts())),
            }
            let plan = match Plan::of(self.settings) {
                Ok(plan) => plan,
                Err(error) => {
                    let reason = Reason::Objects(error.to_string());
                    return Ok(diary.end(self.root, Some(reason), seen, admins.counts()));
                }
            };
            let digest = plan.digest();
            // Another kiln's objects may lack what a look would not miss: all of these are applied.
            let applied = self.root.text(APPLIED, APPLIED_MAX_BYTES).map_err(ApplyError::from)?;
            admins.clients.looks_first = applied.as_ref() == Some(&digest);
            match self.objects(diary, &admins, seen.machine.chance as u64, &plan).await? {
                Ok(found) => {
                    if !admins.clients.looks_first {
                        let written = self.root.replace(APPLIED, digest.as_bytes(), 0o600);
                        written.map_err(ApplyError::from)?;
                    }
                    warnings.extend(found);
                }
                // Nodes got no right: nothing of it may be passed over.
                Err(reason) => return Ok(diary.end(self.root, Some(reason), seen, admins.counts())),
            }
        }
        let mut ending = self.run(diary).await?;
        if is_ready && ending.reason.is_none() {
            let requests = diary.report().requests;
            let labelled = self.label(diary, &admins, &ending.seen).await?;
            let mut counts = admins.counts();
            counts.requests += requests;
            ending = diary.end(self.root, labelled.err(), ending.seen, counts);
        }
        ending.warnings.extend(warnings);
        Ok(ending)
    }

    pub(super) async fn ready(
        &self,
        diary: &mut Diary,
        admins: &Admins,
        seed: u64,
        limit: Duration,
    ) -> Result<Result<(), Reason>, RunError> {
        let mut backoff = Backoff::new(PAUSES_API.0, PAUSES_API.1, seed);
        let deadline = Instant::now() + limit;
        loop {
            let begun = Instant::now();
            let answer = admins.ready().await;
            let outcome = answer.clone().map_or_else(Outcome::Trouble, |()| Outcome::Changed);
            self.took_down(diary, &Step::Ready, begun, Ok(outcome))?;
            let left = deadline.saturating_duration_since(Instant::now());
            if answer.is_ok() || left.is_zero() {
                return Ok(answer);
            }
            tokio::time::sleep(backoff.pause(None).min(left)).await;
        }
    }

    /// Returns the warnings, or why the objects are not there.
    pub(super) async fn objects(
        &self,
        diary: &mut Diary,
        admins: &Admins,
        seed: u64,
        plan: &Plan,
    ) -> Result<Result<Vec<String>, Reason>, RunError> {
        let mut seen = bootstrap::Seen::default();
        let mut backoff = Backoff::new(PAUSES_API.0, PAUSES_API.1, seed);
        let deadline = Instant::now() + OBJECTS_LIMIT;
        loop {
            match bootstrap::next(plan, &seen) {
                bootstrap::Next::Do(step) => {
                    let begun = Instant::now();
                    let answer = admins.clients.answer(&step).await;
                    self.took_down(diary, &apply_plane::shown(&step), begun, Ok(outcome(&answer)))?;
                    seen.fold(&step, &answer);
                }
                bootstrap::Next::Wait(reason) if Instant::now() >= deadline => {
                    return Ok(Err(Reason::ObjectsLater(reason)));
                }
                bootstrap::Next::Wait(_) => {
                    let pause = backoff.pause(None);
                    tokio::time::sleep(pause).await;
                    seen.waited(pause);
                }
                bootstrap::Next::Done => return Ok(Ok(seen.warnings)),
                bootstrap::Next::Stuck(stuck) => return Ok(Err(Reason::of_bootstrap(stuck))),
            }
        }
    }

    async fn label(
        &self,
        diary: &mut Diary,
        admins: &Admins,
        seen: &Observed,
    ) -> Result<Result<(), Reason>, RunError> {
        let super::Found::Is(identity) = &seen.disk.identity else { return Ok(Ok(())) };
        let mut backoff = Backoff::new(PAUSES_API.0, PAUSES_API.1, seen.machine.chance as u64);
        for tries in 1.. {
            let begun = Instant::now();
            let answer = admins.label(&identity.name).await;
            if let Some(outcome) = answer
                .clone()
                .map_or_else(|why| Some(Outcome::Trouble(why)), |is_new| is_new.then_some(Outcome::Changed))
            {
                self.took_down(diary, &Step::Label, begun, Ok(outcome))?;
            }
            match answer {
                Err(reason) if !reason.is_final() && tries < LABEL_TRIES => {
                    tokio::time::sleep(backoff.pause(None)).await;
                }
                answer => return Ok(answer.map(drop)),
            }
        }
        Ok(Ok(()))
    }

    pub(super) fn took_down(
        &self,
        diary: &mut Diary,
        step: &Step,
        begun: Instant,
        outcome: Result<Outcome, ApplyError>,
    ) -> Result<(), RunError> {
        diary.tried(self.root, step, begun, &outcome)?;
        diary.keep(self.root).map_err(ApplyError::from)?;
        outcome?;
        Ok(())
    }
}

/// That a probe was refused is what it is for; only what brought no answer or a lasting wrong one is trouble.
fn outcome(answer: &Answer) -> Outcome {
    match answer {
        Answer::Passing(why) => Outcome::Trouble(Reason::ObjectsLater(why.clone())),
        Answer::Wrong(why) => Outcome::Trouble(Reason::Objects(why.clone())),
        // What others have set is left to them.
        Answer::Unchanged | Answer::Conflict(_) => Outcome::Unchanged,
        _ => Outcome::Changed,
    }
}
