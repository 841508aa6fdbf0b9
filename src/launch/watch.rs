// SPDX-License-Identifier: Apache-2.0
//! Watches instances on their way to Ready nodes: the cluster often, EC2 and the consoles now and then. Each stage is told
//! as it is seen, and the end of an instance at once.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use std::collections::BTreeMap;

use super::birth::{Birth, Goal, Verdict, verdict};
use super::error::LaunchError;
use crate::cloud::{CloudError, Instance, Region};
use crate::cluster::Client;
use crate::progress::Progress;
use crate::stage::{self, Stage};

/// How often the API server is asked: three lists.
const PAUSE: Duration = Duration::from_secs(1);
/// How often EC2 is asked how instances are: one call.
const INSTANCES_PAUSE: Duration = Duration::from_secs(5);
/// How often parameters are read.
const SHARED_PAUSE: Duration = Duration::from_secs(2);
/// How often consoles are read: one call for each instance.
const CONSOLES_PAUSE: Duration = Duration::from_secs(15);
/// Consoles that are read in a round, so that a hundred instances do not have EC2 throttle.
const CONSOLES_MAX: usize = 8;

pub(super) struct Watch<'a> {
    pub(super) region: &'a Region,
    /// None as long as nobody can ask the cluster.
    pub(super) client: Option<&'a Client>,
    pub(super) progress: &'a dyn Progress,
    /// The id of the token that they join with.
    pub(super) token: Option<&'a str>,
    goal: Goal,
    pub(super) births: Vec<Birth>,
    began: Instant,
    looked: Option<Instant>,
    heard: Instant,
    trouble: Option<String>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        (region, client): (&'a Region, Option<&'a Client>),
        progress: &'a dyn Progress,
        token: Option<&'a str>,
        goal: Goal,
    ) -> Self {
        let (births, trouble, began) = (Vec::new(), None, Instant::now());
        Self { region, client, progress, token, goal, births, began, looked: None, heard: began, trouble }
    }

    /// Takes note of instances that were launched now.
    pub(super) fn add(&mut self, made: &[Instance]) {
        for instance in made {
            self.progress.begin(&instance.id, &format!("{} {}", instance.id, Stage::Boots), None);
            self.births.push(Birth::new(instance));
        }
    }

    /// Watches until all are Ready.
    ///
    /// # Errors
    /// Those that are not, once none is under way or the time is over. What can't be asked now is asked again.
    pub(super) async fn until_ready(&mut self, limit: Duration) -> Result<(), LaunchError> {
        loop {
            self.look_at_cluster().await;
            self.look_around().await?;
            match verdict(&self.births) {
                Verdict::Done => return Ok(()),
                Verdict::Failed => return Err(self.failed(None)),
                Verdict::Wait if self.began.elapsed() >= limit => {
                    self.listen().await;
                    return Err(self.failed(Some(limit.as_secs())));
                }
                Verdict::Wait => sleep(PAUSE).await,
            }
        }
    }

    /// Watches until parameters say what `read` looks for. Without it there is no way to ask the cluster.
    ///
    /// # Errors
    /// As [`Watch::until_ready`].
    pub(super) async fn until_shared<T>(
        &mut self,
        names: &[String],
        limit: Duration,
        read: impl Fn(&BTreeMap<String, String>) -> Option<T>,
    ) -> Result<T, LaunchError> {
        loop {
            let found = match self.region.parameters(names).await {
                Err(error) if !error.may_pass() => return Err(error.into()),
                found => found.unwrap_or_default(),
            };
            if let Some(found) = read(&found) {
                return Ok(found);
            }
            self.look_around().await?;
            match verdict(&self.births) {
                Verdict::Failed => return Err(self.failed(None)),
                _ if self.began.elapsed() >= limit => {
                    self.listen().await;
                    return Err(self.failed(Some(limit.as_secs())));
                }
                _ => sleep(SHARED_PAUSE).await,
            }
        }
    }

    /// Waits until a group has so many instances, and takes note of them.
    ///
    /// # Errors
    /// The call's; too few, once the time is over.
    pub(super) async fn until_grouped(
        &mut self,
        name: &str,
        count: usize,
        limit: Duration,
    ) -> Result<(), LaunchError> {
        loop {
            let group = self.region.group(name).await?;
            let known: Vec<&String> = self.births.iter().map(|birth| &birth.id).collect();
            let ids = group.map(|group| group.instances).unwrap_or_default();
            let new: Vec<String> = ids.into_iter().filter(|id| !known.contains(&id)).collect();
            if !new.is_empty() {
                let made = self.region.instances(&new).await?;
                self.add(&made);
            }
            if self.births.len() >= count {
                return Ok(());
            }
            if self.began.elapsed() >= limit {
                let (group, has) = (name.to_owned(), self.births.len());
                return Err(LaunchError::Group { group, has, wants: count, limit_s: limit.as_secs() });
            }
            sleep(SHARED_PAUSE).await;
        }
    }

    /// Looks at instances and consoles, if it is time.
    async fn look_around(&mut self) -> Result<(), LaunchError> {
        if self.looked.is_none_or(|looked| looked.elapsed() >= INSTANCES_PAUSE) {
            self.look_at_instances().await?;
        }
        if self.heard.elapsed() >= CONSOLES_PAUSE {
            self.listen().await;
        }
        Ok(())
    }

    async fn look_at_cluster(&mut self) {
        let Some(client) = self.client else { return };
        let shown = stage::look::look(client).await;
        self.trouble = shown.as_ref().err().map(ToString::to_string);
        let Ok(shown) = shown else { return };
        let after = self.began.elapsed();
        for birth in self.births.iter_mut().filter(|birth| birth.ended.is_none()) {
            let stage = Stage::of(&birth.id, self.token, &shown);
            if birth.reach(stage, after.as_millis() as u64) {
                let what = format!("{} {} ({:.1} s)", birth.id, birth.stage(), after.as_secs_f64());
                self.progress.now(&birth.id, &what);
                if birth.is_over() {
                    self.progress.end(&birth.id, "");
                }
            }
        }
    }

    /// What EC2 can't say now is no reason to stop; that it refuses to say is.
    async fn look_at_instances(&mut self) -> Result<(), LaunchError> {
        self.looked = Some(Instant::now());
        let ids: Vec<String> = self.births.iter().map(|birth| birth.id.clone()).collect();
        let found = match self.region.instances(&ids).await {
            Err(error) if !error.may_pass() => return Err(error.into()),
            found => found.unwrap_or_default(),
        };
        for birth in self.births.iter_mut().filter(|birth| !birth.is_over()) {
            let instance = found.iter().find(|instance| instance.id == birth.id);
            if instance.is_some_and(|instance| birth.look(instance)) {
                self.progress.end(&birth.id, birth.ended.as_deref().unwrap_or_default());
            }
        }
        Ok(())
    }

    /// A console that can't be read costs a reason in a message and nothing else.
    async fn listen(&mut self) {
        self.heard = Instant::now();
        for birth in self.births.iter_mut().filter(|birth| birth.is_heard()).take(CONSOLES_MAX) {
            let console: Result<Option<String>, CloudError> = self.region.console(&birth.id).await;
            let Ok(Some(console)) = console else { continue };
            if birth.hear(&console) {
                let said = birth.said.last().map_or("", String::as_str);
                self.progress.now(&birth.id, &format!("{} says: {said}", birth.id));
            }
        }
    }

    fn failed(&self, limit_s: Option<u64>) -> LaunchError {
        let late = self.births.iter().filter(|birth| !birth.stage().is_ready());
        let failures = late.map(|birth| birth.failure(&self.goal)).collect();
        LaunchError::NotReady { failures, of: self.births.len(), limit_s, trouble: self.trouble.clone() }
    }
}
