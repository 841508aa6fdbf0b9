// SPDX-License-Identifier: Apache-2.0
//! Repair: only where the claim is lost for certain, the node's pods are taken down and the birth is gone through again.

use std::time::Duration;

use super::super::apply::ApplyError;
use super::super::next;
use super::super::observed::Found;
use super::super::reason::Reason;
use super::super::repair::{Action, revival, teardown};
use super::{Diary, Ending, Run, RunError};
use crate::exit::Exit;
use crate::host::command::{CommandError, Program};
use crate::host::links;

/// Stopping kubelet takes a moment, removing a hundred sandboxes a few minutes.
const ACTION_LIMIT: Duration = Duration::from_secs(300);

/// Over how many milliseconds repairs that are tried again spread.
const SPREAD_MS: u64 = 10_000;

/// Whether the claim is gone for certain. An intent is what an earlier repair that could not finish has left: pods are down
/// by then, and nobody else brings them up again.
fn is_lost(verdict: &Ending) -> bool {
    match &verdict.reason {
        Some(Reason::Lost { .. }) => true,
        Some(Reason::NoClaim) => matches!(verdict.seen.disk.claim, Found::Is(_)),
        _ => false,
    }
}

/// Why a repair failed.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The run before or after.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A program.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A file or link.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

impl Run<'_> {
    /// Asks whether the claim stands; if it is lost, takes down what uses it, makes a claim and starts what uses that.
    ///
    /// # Errors
    /// When this machine fails. A claim that stands, or a server that does not answer, leaves everything as it is.
    pub async fn repair(&self, diary: &mut Diary) -> Result<Ending, RepairError> {
        let judge = Run { decide: next::verify, may_run_pods: true, token: self.token.clone(), ..*self };
        let verdict = judge.run(diary).await?;
        if !is_lost(&verdict) {
            return Ok(verdict);
        }
        self.act(&teardown(self.settings))?;
        let ending = self.run(diary).await?;
        if ending.exit == Exit::TryAgain {
            // All that lost their claims together are not to come back together.
            let spread_ms = ending.seen.machine.chance as u64 % SPREAD_MS;
            tokio::time::sleep(Duration::from_millis(spread_ms)).await;
        }
        if ending.reason.is_none() {
            self.act(&revival(self.settings))?;
        }
        Ok(ending)
    }

    fn act(&self, actions: &[Action]) -> Result<(), RepairError> {
        for action in actions {
            match action {
                Action::Run { program, arguments } => {
                    Program::new(program, ACTION_LIMIT).args(arguments).run(&|_| ())?;
                }
                Action::Remove(path) => self.root.remove(path).map_err(ApplyError::from)?,
                Action::Empty(folder) => {
                    for name in self.root.list(folder).map_err(ApplyError::from)? {
                        self.root.remove(&format!("{folder}/{name}")).map_err(ApplyError::from)?;
                    }
                }
                Action::DeleteLink(name) => links::delete_link(name).map_err(ApplyError::from)?,
            }
        }
        Ok(())
    }
}
