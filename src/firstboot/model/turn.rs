// SPDX-License-Identifier: Apache-2.0
//! All that can happen next in a world. Who does it, and how, has a name, so that a trace can be read.
//!
//! A request may not arrive, arrive without an answer, or be answered. So partitions of any length are all in here: a
//! machine is cut off for as long as none of its requests arrives. A change of a machine's own disk meets nobody else,
//! so where one is due, the others wait for it or for the power cut that comes before it (a partial order reduction:
//! such a step commutes with every step of the others, no law of a state can see it, and no program consists of such
//! steps alone).

use super::super::reason::Reason;
use super::super::step::Step;
use super::elsewhere::{elsewhere, others};
use super::local::Phase;
use super::machine::{Machines, Move};
use super::server::{Answer, ask};
use super::world::{NodeObject, Owner, World};

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum What {
    /// A durable change.
    Change,
    /// The garbage collector deletes a claim whose Node is gone.
    Collect,
    /// The controller signs.
    Sign,
    /// The cluster's own allocator sets podCIDRs.
    Allocate,
    /// A request is answered.
    Answer,
    /// A program ends.
    End,
    /// The timer starts a verification.
    Timer,
    /// What had ended is started again.
    Restart,
    /// A request is done, and its answer is lost; or it was never sent.
    Silence,
    /// A power cut, or a reboot.
    Crash,
    /// An operator deletes the Node, with the guard's annotation.
    Delete,
    /// A kubelet that is started again registers a Node.
    Register,
    /// The controller forgets a request, answered or not.
    Forget,
}

/// What happens, to which machine or block.
pub(super) type Turn = (What, usize);

/// Returns all worlds that may come next.
pub(super) fn turns(machines: &mut Machines, world: &World) -> Vec<(Turn, World)> {
    let count = machines.model.machines;
    let is_alone = |machine: &usize| meets_nobody(machines, world.locals[*machine]);
    let mut found = Vec::with_capacity(16);
    if let Some(machine) = (0..count).find(is_alone) {
        own(machines, world, machine, &mut found);
        return found;
    }
    elsewhere(machines, world, &mut found);
    for machine in 0..count {
        own(machines, world, machine, &mut found);
        others(machines, world, machine, &mut found);
    }
    found
}

/// Whether what a machine does next is neither seen nor met by any other: a change of its disk, a read of the pool, which
/// never changes, the report, which nobody reads, or the end of a program that leaves pods as they are.
fn meets_nobody(machines: &Machines, number: u16) -> bool {
    let local = machines.local(number);
    match machines.next(number) {
        Move::Change(_) => machines.ahead(number).is_none(),
        Move::Ask(Step::ReadPool | Step::Report | Step::AskVersion) => true,
        Move::End(None) => local.phase != Phase::Verify,
        Move::End(Some(Reason::Lost { .. })) => local.phase != Phase::Judge,
        Move::End(Some(_)) => true,
        Move::Ask(_) | Move::Rest => false,
    }
}

/// What a machine's own program does, and power cuts.
fn own(machines: &mut Machines, world: &World, machine: usize, found: &mut Vec<(Turn, World)>) {
    let from = world.locals[machine];
    let put = |to: u16| {
        let mut after = *world;
        after.locals[machine] = to;
        after
    };
    match machines.next(from).clone() {
        Move::Change(step) => {
            let to = machines.moved(from, "change", |local, pool| local.change(&step, pool));
            found.push(((What::Change, machine), put(to)));
            // Or a request is done first, that goes on beside the changes.
            if let Some(request) = machines.ahead(from).cloned() {
                asked(machines, world, machine, &request, found);
            }
        }
        Move::Ask(step) => asked(machines, world, machine, &step, found),
        Move::End(reason) => {
            let to = ended(machines, from, reason.as_ref());
            found.push(((What::End, machine), put(to)));
        }
        Move::Rest => rested(machines, from, &mut |what, to| found.push(((what, machine), put(to)))),
    }
    let count = machines.local(from).unsettled() + 1;
    for (undone, name) in CRASHES[..count].iter().enumerate() {
        let to = machines.moved(from, name, |local, pool| local.crash(undone, pool));
        found.push(((What::Crash, machine), put(to)));
    }
}

/// A power cut that undoes none, one, ... of a machine's last changes.
const CRASHES: [&str; 10] = [
    "crash", "crash, 1", "crash, 2", "crash, 3", "crash, 4", "crash, 5", "crash, 6", "crash, 7", "crash, 8",
    "crash, 9",
];

fn asked(
    machines: &mut Machines,
    world: &World,
    machine: usize,
    step: &Step,
    found: &mut Vec<(Turn, World)>,
) {
    let mut from = world.locals[machine];
    if (machines.model.settles)(step) {
        from = machines.moved(from, "settle", |local, _| local.settle());
    }
    let fresh = fresh(machines, world, machine);
    let (server, mut answer) = ask(world.server, machine, fresh, step, &machines.pool);
    if let (true, Answer::Listing(claims)) = (machines.model.lists_nodes, &mut answer) {
        for (number, node) in world.server.nodes.iter().enumerate() {
            if let Some(NodeObject { uid, block: Some(block), .. }) = node {
                claims[usize::from(*block)] = Some((number == machine).then_some(*uid));
            }
        }
    }
    // Not done, or done: the machine can't tell.
    let servers = if server == world.server { vec![server] } else { vec![world.server, server] };
    for (what, answer, servers) in
        [(What::Answer, answer, &[server][..]), (What::Silence, Answer::Nothing, &servers)]
    {
        for to in machines.answered(from, step, answer) {
            for server in servers {
                let mut after = World { server: *server, ..*world };
                after.locals[machine] = to;
                found.push(((what, machine), after));
            }
        }
    }
}

/// Returns a UID that nothing in the world names.
pub(super) fn fresh(machines: &Machines, world: &World, machine: usize) -> u8 {
    let is_named = |uid: &u8| {
        let owner = Owner { machine: u8::try_from(machine).expect("few machines"), uid: *uid };
        world.server.is_live(owner)
            || world.server.claims.contains(&Some(owner))
            || machines.local(world.locals[machine]).names(*uid)
    };
    (0..).find(|uid| !is_named(uid)).expect("few names are in use")
}

/// What systemd starts when a program has ended.
fn ended(machines: &mut Machines, from: u16, reason: Option<&Reason>) -> u16 {
    let local = machines.local(from);
    let has_pods = local.pods.is_some();
    let is_lost = matches!(reason, Some(Reason::Lost { .. }));
    match (&local.phase, reason) {
        // kubelet's own question (`verify --unless-just-found`) may be left out then, so nothing is to rest on it.
        (Phase::Run | Phase::Repair | Phase::Verify, None) => machines.moved(from, "up", |local, pool| {
            local.pods = local.block(pool);
            local.ended(Phase::Up, pool);
        }),
        (Phase::Verify, Some(_)) if is_lost => begun(machines, from, "judge", Phase::Judge),
        (Phase::Judge, Some(_)) if is_lost => {
            machines.moved(from, "teardown", |local, pool| local.teardown(pool))
        }
        (Phase::Judge, None) if !has_pods => begun(machines, from, "verify", Phase::Verify),
        (Phase::Judge, None) => machines.moved(from, "stay", |local, pool| local.ended(Phase::Up, pool)),
        (_, Some(_)) if has_pods => machines.moved(from, "stay", |local, pool| local.ended(Phase::Up, pool)),
        (_, Some(reason)) => {
            let phase = Phase::Stopped(reason.clone());
            machines.moved(from, "stop", |local, pool| local.ended(phase, pool))
        }
        (phase, None) => panic!("{phase:?} runs nothing that could end"),
    }
}

fn begun(machines: &mut Machines, from: u16, name: &'static str, phase: Phase) -> u16 {
    machines.moved(from, name, |local, pool| local.begin(phase, pool))
}

fn rested(machines: &mut Machines, from: u16, found: &mut dyn FnMut(What, u16)) {
    if machines.local(from).phase == Phase::Up {
        if machines.model.has_timer {
            found(What::Timer, begun(machines, from, "verify", Phase::Verify));
        }
    } else {
        found(What::Restart, begun(machines, from, "run", Phase::Run));
    }
}
