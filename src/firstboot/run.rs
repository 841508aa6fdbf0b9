// SPDX-License-Identifier: Apache-2.0
//! The loop: look, decide one step, do it, record it, look again; with a deadline and a limit on turns.
//!
//! Each file is synced before it has its name; the names themselves, and the ledger, are synced for many steps at once.

mod addons;
mod beside;
mod diary;
mod images;
mod plane;
mod repair;
mod share;
mod tend;
mod volume;
mod waits;

use std::time::{Duration, Instant};

use super::apply::{ApplyError, Hands};
use super::credential::{CURRENT, stored};
use super::identity;
use super::look::{self, LookError};
use super::look_cloud;
use super::next::Next;
use super::observed::{Found, Observed, Version};
use super::outcome::Outcome;
use super::reason::Reason;
use super::step::Step;
use super::vpc::Attachment;
use crate::aws::Ec2;
use crate::cluster::{Counts, Credential, Limits};
use crate::exit::Exit;
use crate::host::entropy::{self, EntropyError};
use crate::host::files::FileError;
use crate::host::root::Root;
use crate::settings::Settings;

pub use diary::Diary;
pub use images::{ImagesError, Imported, import};
pub use repair::RepairError;
use waits::Waits;

/// How long a unit's run may wait: it ends before TimeoutStartSec=10min does, so that the reason is told.
pub const DEADLINE: Duration = Duration::from_secs(8 * 60);
/// How long a node with a recorded claim asks a server that does not answer.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long the own API server may take until it is ready; the unit starts again after that.
const READY_LIMIT: Duration = Duration::from_secs(120);
/// A birth has some 30 turns, each miss of a claim three more, each wait one.
const TURNS_MAX: u32 = 5_000;
/// What a run is about.
#[derive(Debug)]
pub struct Run<'a> {
    /// The tree of the node.
    pub root: &'a Root,
    /// What the node is told.
    pub settings: &'a Settings,
    /// The bootstrap token, or [`Credential::None`].
    pub token: Credential,
    /// Why what was given as the token is none, if something was.
    pub bad_token: Option<&'a str>,
    /// What decides: [`super::next::next`], or [`super::next::verify`].
    pub decide: fn(&Settings, &Observed) -> Next,
    /// Whether pods may be running on the recorded block, whatever the links say.
    pub may_run_pods: bool,
    /// How long it may wait for others; for units [`DEADLINE`].
    pub limit: Duration,
    /// Where in its VPC the machine is, if it is an instance.
    pub attachment: Option<&'a Attachment>,
    /// EC2, where the machine is an instance.
    pub ec2: Option<&'a Ec2>,
}

/// Why a run could not be.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The machine could not be looked at.
    #[error(transparent)]
    Look(#[from] LookError),
    /// A step on this machine failed.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The ledger could not be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The loop did not come to an end.
    #[error("no end after {TURNS_MAX} turns; the last step was to {0}")]
    Turns(String),
}

/// How a run ended.
#[derive(Debug)]
pub struct Ending {
    /// The exit code.
    pub exit: Exit,
    /// The unmet condition.
    pub reason: Option<Reason>,
    /// What was seen last.
    pub seen: Observed,
    /// What works and was left as others have it, in a line each.
    pub warnings: Vec<String>,
}

/// The end of the turns.
#[derive(Debug)]
struct End {
    reason: Option<Reason>,
    seen: Observed,
    counts: Counts,
}

impl Run<'_> {
    /// Looks at the machine and what is on its disk; asks nobody.
    ///
    /// # Errors
    /// When something can't be read.
    pub fn look(&self) -> Result<(Observed, look::Wanted), RunError> {
        let mut seen = self.look_at_records()?;
        let mut wanted = look::Wanted::default();
        self.look_again(&mut seen, &mut wanted)?;
        Ok((seen, wanted))
    }

    /// Looks at the machine and at kiln's own records, which takes next to no time.
    fn look_at_records(&self) -> Result<Observed, RunError> {
        let chance = u128::from_be_bytes(entropy::bytes()?);
        let has_token = self.token != Credential::None;
        let machine = look::machine(self.root, self.settings, has_token, chance)?;
        let mut seen = Observed { machine, ..Observed::default() };
        seen.machine.may_run_pods = self.may_run_pods;
        seen.machine.bad_token = self.bad_token.map(str::to_owned);
        seen.machine.attachment = self.attachment.cloned();
        look::records(self.root, &mut seen)?;
        Ok(seen)
    }

    /// Runs until all is done, nothing can be done, or the time is over.
    ///
    /// # Errors
    /// When this machine fails: its disk, its kernel.
    pub async fn run(&self, diary: &mut Diary) -> Result<Ending, RunError> {
        let root = self.root.batched();
        let turned = Run { root: &root, token: self.token.clone(), ..*self }.turns(diary).await;
        // Whatever it came to: what comes next may rest on it.
        root.settle()?;
        let End { reason, seen, counts } = turned?;
        let warning = match &seen.server.version {
            Version::Untried(version) => Some(format!("the API server is {version}")),
            _ => None,
        };
        let mut ending = diary.end(self.root, reason, seen, counts);
        ending.warnings.extend(warning);
        if diary.is_kept()
            && let Found::Is(recorded) = &ending.seen.disk.identity
        {
            ending.warnings.extend(identity::departures(&self.settings.node, recorded));
            ending.warnings.extend(self.exposed()?);
        }
        Ok(ending)
    }

    async fn turns(&self, diary: &mut Diary) -> Result<End, RunError> {
        let mut seen = self.look_at_records()?;
        let mut wanted = look::Wanted::default();
        let start = Instant::now();
        let is_born = seen.is_held();
        let seed = seen.machine.chance as u64;
        let mut hands = Hands::new(self.root, self.settings, self.token.clone(), limits(is_born), seed);
        hands.ec2 = self.ec2;
        let mut waits = Waits::new(is_born.then(|| start + PATIENCE), seed, start + self.limit);
        let mut last = String::new();
        self.look_first(&mut hands, (&mut seen, &mut wanted), diary, waits.deadline).await?;
        for _ in 0..TURNS_MAX {
            if let Some(request) = self.ahead(&seen) {
                self.beside(&request, &mut hands, (&mut seen, &mut wanted), diary, waits.deadline).await?;
                continue;
            }
            diary.called(self.ec2.map_or(0, Ec2::calls));
            match (self.decide)(self.settings, &seen) {
                Next::Do(step) => {
                    last = step.to_string();
                    let line =
                        if step == Step::Report { diary.line(&seen, hands.counts()) } else { String::new() };
                    self.settle_for(&step, diary)?;
                    let begun = Instant::now();
                    let outcome = hands.apply(&step, &seen, &wanted, &line, waits.deadline).await;
                    diary.tried(self.root, &step, begun, &outcome)?;
                    self.learn(&mut seen, &mut wanted, &step, outcome?)?;
                    waits.went(&step, &seen);
                }
                Next::Wait(reason) if waits.may_wait(&reason) => {
                    self.settle(diary)?;
                    waits.wait(&reason).await;
                    seen.is_patience_over = start.elapsed() >= PATIENCE;
                    if !(seen.is_patience_over && seen.is_held()) {
                        seen.rest();
                    }
                    seen.vpc.rest();
                    self.look_again(&mut seen, &mut wanted)?;
                }
                Next::Wait(reason) | Next::Stuck(reason) => {
                    return Ok(End { reason: Some(reason), seen, counts: hands.counts() });
                }
                Next::Done => return Ok(End { reason: None, seen, counts: hands.counts() }),
            }
        }
        Err(RunError::Turns(last))
    }

    /// Names are made durable for many steps at once: before a step that rests on them, and with the ledger, on which
    /// nothing rests, before a wait, which has the time for it.
    fn settle_for(&self, step: &Step, diary: &mut Diary) -> Result<(), FileError> {
        match step {
            Step::AwaitRequest => self.settle(diary),
            step if step.rests_on_disk() => self.root.settle(),
            _ => Ok(()),
        }
    }

    fn settle(&self, diary: &mut Diary) -> Result<(), FileError> {
        self.root.settle()?;
        diary.keep(self.root)
    }

    fn learn(
        &self,
        seen: &mut Observed,
        wanted: &mut look::Wanted,
        step: &Step,
        outcome: Outcome,
    ) -> Result<(), RunError> {
        let has_changed = outcome == Outcome::Changed;
        seen.learn(step, outcome);
        if has_changed { self.look_again(seen, wanted) } else { Ok(()) }
    }

    fn look_again(&self, seen: &mut Observed, wanted: &mut look::Wanted) -> Result<(), RunError> {
        *wanted = look::look(self.root, self.settings, seen, std::mem::take(wanted))?;
        self.look_for_addresses(seen)
    }

    /// kubelet's own file is its owner's alone; whoever made it otherwise is told.
    fn exposed(&self) -> Result<Option<String>, FileError> {
        let path = stored(CURRENT);
        let mode = self.root.mode(&path)?.filter(|mode| mode & 0o077 != 0);
        let line = |mode| {
            format!(
                "{path} holds a private key, and others may read it (mode {mode:04o}); give it mode 0600, and delete the \
                 Node's credential if they may have"
            )
        };
        Ok(mode.map(line))
    }

    /// They matter until it is decided who the machine is, and once more in a run that may decide it anew.
    fn look_for_addresses(&self, seen: &mut Observed) -> Result<(), RunError> {
        let is_open = !seen.is_settled() && seen.machine.sources.is_empty();
        if seen.disk.identity == Found::Missing || is_open {
            let look::Sources { addresses, unresolved } = look::sources(self.settings)?;
            (seen.machine.sources, seen.machine.unresolved) = (addresses, unresolved);
            seen.machine.awaited = look_cloud::awaited(self.settings).map_err(LookError::from)?;
        }
        Ok(())
    }
}

fn limits(is_born: bool) -> Limits {
    if !is_born {
        return Limits::default();
    }
    Limits { connect: Duration::from_secs(2), request: Duration::from_secs(3) }
}
