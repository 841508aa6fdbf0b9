// SPDX-License-Identifier: Apache-2.0
//! What is made of a machine that boots: wait, give it up for dead, or say how its first boot ended.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::call::Accelerator;
use super::credential::{CONTROL_PLANE, FIRST_BOOT};
use super::look::{Look, Looks, Unit};
use crate::exit::Exit;

/// A machine on working KVM has come from one word on its console to the next in a fraction of this.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(40);

/// What is known at a moment.
#[derive(Debug, Clone)]
pub struct Seen<'a> {
    /// What runs the machine.
    pub accelerator: Accelerator,
    /// Whether it still runs.
    pub is_running: bool,
    /// Whether QEMU itself failed.
    pub has_failed: bool,
    /// Whether somebody wants to know how first boot ends; otherwise the machine runs until it is ended.
    pub is_check: bool,
    /// Since the start.
    pub elapsed: Duration,
    /// Since the console or the second serial port had a new byte.
    pub silence: Duration,
    /// The longest that it may take.
    pub limit: Option<Duration>,
    /// What the machine told.
    pub looks: &'a Looks,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Look again a little later.
    Wait,
    /// This accelerator does not run the machine.
    Dead,
    /// It is over.
    Done(Verdict),
}

/// How a boot ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// First boot succeeded.
    Succeeded,
    /// A unit of first boot failed for good.
    Failed {
        /// Its name.
        unit: String,
        /// The exit code of its program.
        exit: i32,
    },
    /// The boot is over and first boot was not begun.
    NotBegun,
    /// The image has no first boot.
    Absent,
    /// The time is over.
    Late {
        /// The limit in seconds.
        limit_s: u64,
        /// Whether the image's systemd answered at all.
        has_answered: bool,
        /// The exit code of the last try that failed.
        last_failure: Option<i32>,
    },
    /// The machine ended before it was known how first boot ends, or because it was told to.
    Ended {
        /// Whether QEMU failed.
        has_failed: bool,
    },
}

/// Decides.
pub fn next(seen: &Seen<'_>) -> Next {
    let decided = if seen.is_check { seen.looks.last.as_ref().and_then(judge) } else { None };
    let is_late = seen.limit.is_some_and(|limit| seen.elapsed >= limit);
    let is_settled = seen.looks.last.as_ref().is_some_and(is_settled);
    match decided {
        Some(verdict) if is_settled || is_late || !seen.is_running => return Next::Done(verdict),
        _ => {}
    }
    // Before the first look, which needs a whole kernel and systemd, anything may be KVM's fault.
    let is_early = seen.looks.last.is_none() && seen.accelerator == Accelerator::Kvm;
    if is_early && (seen.has_failed || seen.is_running && seen.silence >= SILENCE_LIMIT) {
        return Next::Dead;
    }
    if !seen.is_running {
        return Next::Done(Verdict::Ended { has_failed: seen.has_failed });
    }
    match seen.limit.filter(|_| is_late) {
        Some(limit) => Next::Done(late(limit, seen.looks)),
        None => Next::Wait,
    }
}

fn late(limit: Duration, looks: &Looks) -> Verdict {
    Verdict::Late {
        limit_s: limit.as_secs(),
        has_answered: looks.last.is_some(),
        last_failure: looks.last_failure,
    }
}

/// Whether systemd has nothing left to start (systemctl(1), is-system-running).
fn is_settled(look: &Look) -> bool {
    !["", "initializing", "starting"].contains(&&look.system[..])
}

/// Returns how first boot ended, if it has: on a control plane it has two halves.
fn judge(look: &Look) -> Option<Verdict> {
    let unit = |name: &str| look.units.get(name).cloned().unwrap_or_default();
    let (first, second) = (unit(FIRST_BOOT), unit(CONTROL_PLANE));
    if !first.load.is_empty() && first.load != "loaded" {
        return Some(Verdict::Absent);
    }
    failed(FIRST_BOOT, &first).or_else(|| failed(CONTROL_PLANE, &second)).or_else(|| {
        let is_second_over = second.active != "activating" && (second.active == "active" || is_settled(look));
        match &first.active[..] {
            "active" if is_second_over => Some(Verdict::Succeeded),
            "inactive" if is_settled(look) => Some(Verdict::NotBegun),
            _ => None,
        }
    })
}

fn failed(name: &str, unit: &Unit) -> Option<Verdict> {
    (unit.active == "failed").then(|| Verdict::Failed { unit: name.to_owned(), exit: unit.exit })
}

impl Verdict {
    /// Returns the exit code that fits a check: first boot's own where it is one that kiln has.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Succeeded => Exit::Done,
            Self::Failed { exit: 75, .. } | Self::Late { .. } => Exit::TryAgain,
            Self::Failed { exit: 78, .. } | Self::Absent => Exit::Config,
            Self::Failed { .. } | Self::NotBegun | Self::Ended { .. } => Exit::Failed,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded => f.write_str("first boot succeeded"),
            Self::Failed { unit, exit } => write!(f, "first boot failed: {unit} ended with {exit}"),
            Self::NotBegun => f.write_str("the machine has booted, but nothing started first boot"),
            Self::Absent => write!(f, "the image has no {FIRST_BOOT}: kiln did not bake it"),
            Self::Late { limit_s, has_answered: false, .. } => write!(
                f,
                "the image's systemd did not answer within {limit_s} s: the machine is slower than --timeout allows, \
                 does not boot, or has a systemd older than 256, which takes no units from outside"
            ),
            Self::Late { limit_s, last_failure: Some(exit), .. } => write!(
                f,
                "first boot has not succeeded within {limit_s} s; its last try ended with {exit} and it goes on trying"
            ),
            Self::Late { limit_s, .. } => write!(f, "first boot has not ended within {limit_s} s"),
            Self::Ended { has_failed: true } => f.write_str("QEMU failed"),
            Self::Ended { .. } => f.write_str("the machine ended before its first boot did"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::look::tests::look;
    use super::*;

    fn seen(looks: &Looks) -> Seen<'_> {
        let [elapsed, silence] = [50, 1].map(Duration::from_secs);
        Seen {
            accelerator: Accelerator::Tcg,
            is_running: true,
            has_failed: false,
            is_check: true,
            elapsed,
            silence,
            limit: Some(Duration::from_secs(60)),
            looks,
        }
    }

    fn verdict(next: Next) -> Verdict {
        match next {
            Next::Done(verdict) => verdict,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn success_and_failure_wait_until_the_system_has_settled_or_time_is_over() {
        let good = "ActiveState=active\nSubState=exited\nExecMainStatus=0";
        assert_eq!(next(&seen(&look("starting", good))), Next::Wait);
        assert_eq!(next(&seen(&look("degraded", good))), Next::Done(Verdict::Succeeded));
        let bad = look("starting", "ActiveState=failed\nSubState=failed\nExecMainStatus=78");
        let late = Seen { elapsed: Duration::from_secs(60), ..seen(&bad) };
        let verdict = verdict(next(&late));
        assert_eq!(
            (verdict.exit(), &verdict.to_string()[..]),
            (Exit::Config, "first boot failed: kiln-firstboot.service ended with 78")
        );
    }

    #[test]
    fn a_first_boot_that_is_tried_again_ends_with_the_time() {
        let looks = look(
            "starting",
            "ActiveState=activating\nSubState=auto-restart\nExecMainStatus=75\n\
            ExecMainExitTimestampMonotonic=9",
        );
        assert_eq!(next(&seen(&looks)), Next::Wait);
        let verdict = verdict(next(&Seen { elapsed: Duration::from_secs(61), ..seen(&looks) }));
        assert_eq!(verdict.exit(), Exit::TryAgain);
        assert!(verdict.to_string().contains("its last try ended with 75"), "{verdict}");
    }

    #[test]
    fn kvm_that_fails_or_says_nothing_is_dead_and_emulation_is_waited_for() {
        let none = Looks::default();
        let silent = Seen { accelerator: Accelerator::Kvm, silence: SILENCE_LIMIT, ..seen(&none) };
        assert_eq!(next(&silent), Next::Dead);
        assert_eq!(next(&Seen { accelerator: Accelerator::Tcg, ..silent.clone() }), Next::Wait);
        let ended = Seen { is_running: false, has_failed: true, silence: Duration::ZERO, ..silent };
        assert_eq!(next(&ended), Next::Dead);
        let emulated = Seen { accelerator: Accelerator::Tcg, ..ended };
        assert_eq!(next(&emulated), Next::Done(Verdict::Ended { has_failed: true }));
        // Once its systemd has answered, a quiet machine is a quiet machine.
        let looks = look("starting", "ActiveState=activating");
        let quiet = Seen { accelerator: Accelerator::Kvm, silence: SILENCE_LIMIT, ..seen(&looks) };
        assert_eq!(next(&quiet), Next::Wait);
    }

    #[test]
    fn images_without_first_boot_and_machines_that_end_are_told() {
        let absent = look("running", "LoadState=not-found\nActiveState=inactive");
        assert_eq!(verdict(next(&seen(&absent))).exit(), Exit::Config);
        let idle = look("running", "ActiveState=inactive\nSubState=dead");
        assert_eq!(verdict(next(&seen(&idle))), Verdict::NotBegun);
        let none = Looks::default();
        let ended = Seen { is_running: false, ..seen(&none) };
        assert_eq!(verdict(next(&ended)).exit(), Exit::Failed);
        let late = Seen { elapsed: Duration::from_secs(61), ..seen(&none) };
        assert!(verdict(next(&late)).to_string().contains("older than 256"));
    }
}
