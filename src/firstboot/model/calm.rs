// SPDX-License-Identifier: Apache-2.0
//! The way on when faults have stopped: one of the turns, always the same one, until nothing is left to be done.

use super::super::reason::Reason;
use super::local::Phase;
use super::machine::{Machines, Move};
use super::server::ask;
use super::turn::{Turn, What, turns};
use super::world::World;

/// What happens without a fault, the most urgent first.
const CALM: [What; 6] = [What::Change, What::Collect, What::Sign, What::Allocate, What::Answer, What::End];

/// Returns which of the turns is the calm one; none where nothing is left to be done.
pub(super) fn calm(machines: &mut Machines, world: &World, turns: &[(Turn, World)]) -> Option<usize> {
    let found = CALM.iter().find_map(|calm| turns.iter().position(|((what, _), _)| what == calm));
    if found.is_some() {
        return found;
    }
    let timers: Vec<usize> = places(turns, What::Timer).collect();
    if let Some(place) = timers.into_iter().find(|place| is_news(machines, world, turns[*place])) {
        return Some(place);
    }
    // A full pool is asked again when a block is free.
    let is_free = (0..machines.pool.count())
        .any(|index| !machines.pool.is_reserved(index) && world.server.claims[index as usize].is_none());
    places(turns, What::Restart).find(|place| {
        let local = machines.local(world.locals[turns[*place].0.1]);
        is_free && matches!(local.phase, Phase::Stopped(Reason::Exhausted { .. }))
    })
}

fn places(turns: &[(Turn, World)], wanted: What) -> impl Iterator<Item = usize> {
    turns.iter().enumerate().filter(move |(_, ((what, _), _))| *what == wanted).map(|(place, _)| place)
}

/// Whether a verification would end otherwise than with everything as it is.
fn is_news(machines: &mut Machines, world: &World, ((_, machine), begun): (Turn, World)) -> bool {
    let mut at = begun;
    for _ in 0..4 {
        if at == *world {
            return false;
        }
        let after = turns(machines, &at).into_iter();
        let calm = after.filter(|((what, who), _)| {
            *who == machine && matches!(what, What::Answer | What::End | What::Change)
        });
        let Some((_, next)) = calm.into_iter().next() else { return true };
        at = next;
    }
    at != *world
}

/// The name of [`second_run`].
pub(super) const SECOND_RUN: &str = "a second run writes nothing";

/// On a machine that runs pods, `run` is started by hand, without faults. Whatever it finds, it changes nothing; where
/// the claim stands it says that all is done.
pub(super) fn second_run(machines: &mut Machines, world: &World) -> Result<(), String> {
    for machine in 0..machines.model.machines {
        let local = machines.local(world.locals[machine]);
        if local.phase != Phase::Up || local.pods.is_none() {
            continue;
        }
        let mut at =
            machines.moved(world.locals[machine], "run", |local, pool| local.begin(Phase::Run, pool));
        let reason = loop {
            match machines.next(at).clone() {
                Move::Ask(step) if step.only_looks() => {
                    let (_, answer) = ask(world.server, machine, 0, &step, &machines.pool);
                    at = machines.answered(at, &step, answer)[0];
                }
                Move::End(reason) => break reason,
                other => return Err(format!("machine {machine} does {other:?}")),
            }
        };
        if !matches!(reason, None | Some(Reason::Lost { .. })) {
            return Err(format!("machine {machine} ends with {reason:?}"));
        }
    }
    Ok(())
}
