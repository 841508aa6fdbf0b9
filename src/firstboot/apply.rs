// SPDX-License-Identifier: Apache-2.0
//! Does one step, and says what it came to. It makes no choices.

mod certificate;
mod cluster;
pub(super) mod fault;
mod local;
mod vpc;

use std::time::{Duration, Instant};

use super::credential::{CURRENT, stored};
use super::look::Wanted;
use super::observed::{Certificate, Found, Observed, Request};
use super::outcome::Outcome;
use super::reason::{Fault, Reason};
use super::step::Step;
use crate::aws::Ec2;
use crate::cluster::{Access, Client, Counts, Credential, Csr, Limits};
use crate::host::command::CommandError;
use crate::host::entropy::EntropyError;
use crate::host::files::FileError;
use crate::host::links::LinksError;
use crate::host::root::Root;
use crate::settings::Settings;

pub use local::change;

/// Why a step on this machine failed. A request that fails is no error but an [`Outcome::Trouble`].
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A link or route.
    #[error(transparent)]
    Links(#[from] LinksError),
    /// Another program.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// No randomness for a key.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The machine is no longer as it was looked at.
    #[error("can't {0}: it is not as it was a moment ago")]
    Moved(String),
}

/// What steps are done with.
#[derive(Debug)]
pub struct Hands<'a> {
    /// The tree of the node.
    pub root: &'a Root,
    /// What the node is told.
    pub settings: &'a Settings,
    /// The bootstrap token, for certificate requests alone.
    pub token: Credential,
    /// How long to wait for what.
    pub limits: Limits,
    /// Seed of pauses.
    pub seed: u64,
    /// EC2, where the machine is an instance.
    pub ec2: Option<&'a Ec2>,
    bootstrap: Option<Client>,
    node: Option<Client>,
    csr: Option<Csr>,
}

impl<'a> Hands<'a> {
    /// Returns hands that have asked nobody yet.
    pub fn new(root: &'a Root, settings: &'a Settings, token: Credential, limits: Limits, seed: u64) -> Self {
        Self { root, settings, token, limits, seed, ec2: None, bootstrap: None, node: None, csr: None }
    }

    /// Returns what all requests have cost so far.
    pub fn counts(&self) -> Counts {
        let counts = |client: &Option<Client>| client.as_ref().map(Client::counts).unwrap_or_default();
        counts(&self.bootstrap) + counts(&self.node)
    }

    /// Does a step; waits for the certificate until `deadline` at most. `report` is what [`Step::Report`] sends.
    ///
    /// # Errors
    /// When the machine refuses: a full disk, a read-only file system.
    pub async fn apply(
        &mut self,
        step: &Step,
        seen: &Observed,
        wanted: &Wanted,
        report: &str,
        deadline: Instant,
    ) -> Result<Outcome, ApplyError> {
        if step.is_call() {
            return Ok(self.call(step).await.unwrap_or_else(Outcome::Trouble));
        }
        if step.is_request() {
            return Ok(self.ask(step, seen, report, deadline).await.unwrap_or_else(Outcome::Trouble));
        }
        change(self.root, step, seen, wanted)?;
        Ok(Outcome::Changed)
    }

    /// Makes a request of [`super::next::ahead`]; waits for the certificate until `deadline` at most.
    pub async fn apply_ahead(&mut self, step: &Step, seen: &Observed, deadline: Instant) -> Outcome {
        self.ask(step, seen, "", deadline).await.unwrap_or_else(Outcome::Trouble)
    }

    /// Forgets the node's credential: what was asked with it is of no use.
    pub fn forget(&mut self) {
        self.node = None;
    }

    async fn ask(
        &mut self,
        step: &Step,
        seen: &Observed,
        report: &str,
        deadline: Instant,
    ) -> Result<Outcome, Reason> {
        let Found::Is(identity) = &seen.disk.identity else {
            return Err(Reason::Access("this machine has no identity yet".to_owned()));
        };
        match step {
            Step::ReadClock => self.read_clock().await,
            Step::SendRequest => self.send_request(identity).await,
            Step::ReadRequest => self.read_request(identity).await,
            Step::AwaitRequest => {
                let left = deadline.saturating_duration_since(Instant::now());
                self.await_request(identity, left.min(AWAIT_MAX)).await
            }
            step => self.ask_as_node(step, identity, seen, report).await,
        }
    }

    /// Whatever it answers, it says when.
    async fn read_clock(&mut self) -> Result<Outcome, Reason> {
        let client = self.bootstrap()?;
        let answer = client.version().await;
        match client.skew_s() {
            Some(skew_s) => Ok(Outcome::Clock(skew_s)),
            None => Err(answer
                .err()
                .map_or_else(|| Fault::Nonsense("it has no date".to_owned()).into(), fault::reason)),
        }
    }

    fn bootstrap(&mut self) -> Result<Client, Reason> {
        let credential = self.token.clone();
        connected(&mut self.bootstrap, self.settings, self.limits, credential)
    }

    fn node(&mut self, seen: &Observed) -> Result<Client, Reason> {
        if let Some(client) = &self.node {
            return Ok(client.clone());
        }
        let pem = match &seen.disk.certificate {
            Certificate::Missing if matches!(seen.server.request, Request::Issued(_)) => {
                local::issued(self.root, seen)
            }
            Certificate::Stored(name) => self.root.text(&stored(name), PEM_MAX_BYTES),
            _ => self.root.text(&stored(CURRENT), PEM_MAX_BYTES),
        };
        let pem = pem.map_err(|error| Reason::Unfit(error.to_string()))?.unwrap_or_default();
        connected(&mut self.node, self.settings, self.limits, Credential::of_pem(&pem))
    }
}

/// One watch is cut after this long, so that what is missing is told meanwhile.
const AWAIT_MAX: Duration = Duration::from_secs(30);
/// Certificate, chain and key have a few kilobytes.
const PEM_MAX_BYTES: u64 = 256 << 10;

fn connected(
    slot: &mut Option<Client>,
    settings: &Settings,
    limits: Limits,
    credential: Credential,
) -> Result<Client, Reason> {
    if let Some(client) = slot {
        return Ok(client.clone());
    }
    let access = Access { limits, ..Access::of_node(&settings.api.endpoint, &settings.api.ca, credential) };
    let client = Client::new(&access).map_err(|error| Reason::Access(error.to_string()))?;
    *slot = Some(client.clone());
    Ok(client)
}
