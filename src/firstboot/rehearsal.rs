// SPDX-License-Identifier: Apache-2.0
//! What a run would do, as far as that can be known without asking the server. Pure: each step is supposed to have
//! happened, until one whose answer decides what follows.

use super::next::{KEY, Next};
use super::observed::{Certificate, Found, Observed};
use super::step::Step;
use crate::settings::Settings;

/// Nothing local takes more steps.
const STEPS_MAX: usize = 200;

/// Returns the steps that would be done, and what would end them if it is no step.
pub fn rehearse(
    settings: &Settings,
    mut seen: Observed,
    decide: fn(&Settings, &Observed) -> Next,
) -> (Vec<Step>, Option<Next>) {
    let mut steps = Vec::new();
    while steps.len() < STEPS_MAX {
        match decide(settings, &seen) {
            Next::Do(step) => {
                let is_known = suppose(&mut seen, &step);
                steps.push(step);
                if !is_known {
                    return (steps, None);
                }
            }
            end => return (steps, Some(end)),
        }
    }
    (steps, None)
}

/// Supposes that a step has happened; returns whether what follows is known.
fn suppose(seen: &mut Observed, step: &Step) -> bool {
    let disk = &mut seen.disk;
    match step {
        Step::RecordIdentity(identity) => disk.identity = Found::Is(identity.clone()),
        Step::MakeKey => disk.key = Found::Is(String::new()),
        Step::LinkCertificate(_) => disk.certificate = Certificate::Current,
        Step::Remove(path) if path == KEY => disk.key = Found::Missing,
        Step::Remove(path) if disk.token_file.as_ref() == Some(path) => disk.token_file = None,
        Step::Write(path) => {
            disk.credential.retain(|missing| missing != path);
            disk.files.retain(|missing| missing != path);
            disk.last = disk.last.take().filter(|missing| missing != path);
        }
        Step::Repair(what) => seen.machine.stale.retain(|stale| stale != what),
        _ => return false,
    }
    true
}
