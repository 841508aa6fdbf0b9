// SPDX-License-Identifier: Apache-2.0
//! The laws, by name. Each is a function of its own, and says in words what is broken.

use super::super::reason::Reason;
use super::local::{Local, Phase};
use super::machine::{Machines, Move};
use super::turn::{Turn, What};
use super::world::{Owner, World};

/// What a law looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) machines: &'a Machines,
    pub(super) world: &'a World,
}

/// A law of every world.
pub(super) type Law = fn(View<'_>) -> Result<(), String>;

/// What holds in every world.
pub(super) const ALWAYS: [(&str, Law); 4] = [
    ("one user per block", one_user_per_block),
    ("a running node holds its block", a_running_node_holds_its_block),
    ("one claim per owner", one_claim_per_owner),
    ("only what may be claimed is claimed", only_what_may_be_claimed),
];

/// What holds where faults have stopped and nothing is left to be done.
pub(super) const IN_THE_END: [(&str, Law); 3] = [
    ("a free block is found", a_free_block_is_found),
    ("one user per block in the end", an_overlap_ends),
    ("nothing is leaked", nothing_is_leaked),
];

impl<'a> View<'a> {
    fn locals(&self) -> impl Iterator<Item = (u8, &'a Local)> + use<'a> {
        let (machines, world) = (self.machines, self.world);
        let numbers = world.locals.iter().take(machines.model.machines);
        (0..).zip(numbers).map(move |(machine, number)| (machine, machines.local(*number)))
    }

    fn claims_nothing(&self) -> bool {
        self.machines.pool.addressing == crate::settings::Addressing::Kcm
    }

    /// The Node that a machine holds its block by, if it is there.
    fn live(&self, machine: u8, local: &Local) -> Option<Owner> {
        let owner = Owner { machine, uid: local.held_by()? };
        self.world.server.is_live(owner).then_some(owner)
    }
}

/// No block has two users. The exception is a user whose Node was deleted, until a verification that reaches the API
/// has had it torn down.
fn one_user_per_block(view: View<'_>) -> Result<(), String> {
    for block in 0..4 {
        let is_user = |(machine, local): &(u8, &Local)| {
            local.pods == Some(block) && view.live(*machine, local).is_some()
        };
        let users = view.locals().filter(is_user).count();
        if users > 1 {
            return Err(format!("{users} machines whose Nodes are there use block {block}"));
        }
    }
    Ok(())
}

/// Pods on a block, and the Node there: then the claim on that block is this Node's. In kcm mode the Node says so.
fn a_running_node_holds_its_block(view: View<'_>) -> Result<(), String> {
    for (machine, local) in view.locals() {
        let (Some(block), Some(owner)) = (local.pods, view.live(machine, local)) else { continue };
        let node = view.world.server.nodes[usize::from(machine)];
        let is_published = node.is_some_and(|node| node.block == Some(block));
        let is_claimed = view.world.server.claims[usize::from(block)] == Some(owner);
        if !is_published || !(is_claimed || view.claims_nothing()) {
            return Err(format!("machine {machine} runs pods on block {block} that is not its Node's"));
        }
    }
    Ok(())
}

/// No Node that is there owns two claims.
fn one_claim_per_owner(view: View<'_>) -> Result<(), String> {
    for (machine, node) in (0..).zip(view.world.server.nodes) {
        let Some(node) = node else { continue };
        let count = view.world.server.claims_of(Owner { machine, uid: node.uid }).count();
        if count > 1 {
            return Err(format!("the Node of machine {machine} owns {count} claims"));
        }
    }
    Ok(())
}

/// A claim is on a block that nodes may have; that there is one per block is the store's promise.
fn only_what_may_be_claimed(view: View<'_>) -> Result<(), String> {
    for (index, claim) in (0..).zip(view.world.server.claims) {
        if claim.is_some() && (view.machines.pool.is_reserved(index) || view.claims_nothing()) {
            return Err(format!("block {index} is claimed"));
        }
    }
    Ok(())
}

/// Each machine runs; or it says that the pool is exhausted, and each block has a user.
fn a_free_block_is_found(view: View<'_>) -> Result<(), String> {
    for (machine, local) in view.locals() {
        match &local.phase {
            Phase::Up if local.pods.is_some() => {}
            Phase::Stopped(Reason::Exhausted { used, total }) if used == total => {
                let users = view.locals().filter(|(_, local)| local.pods.is_some()).count();
                if users != usize::try_from(*total).expect("few blocks") {
                    return Err(format!(
                        "machine {machine} found no block, and {users} of {total} have users"
                    ));
                }
            }
            Phase::Stopped(reason) => return Err(format!("machine {machine} stopped: {reason}")),
            phase => return Err(format!("machine {machine} rests in {phase:?}")),
        }
    }
    Ok(())
}

/// What overlap a deleted Node allows is over when each machine has verified.
fn an_overlap_ends(view: View<'_>) -> Result<(), String> {
    for (machine, local) in view.locals() {
        if let Some(block) = local.pods
            && view.live(machine, local).is_none()
        {
            return Err(format!("machine {machine} still uses block {block}, and its Node is gone"));
        }
    }
    a_running_node_holds_its_block(view)
}

/// Each claim's owner is there and uses it.
fn nothing_is_leaked(view: View<'_>) -> Result<(), String> {
    for (block, claim) in (0..).zip(view.world.server.claims) {
        let Some(owner) = claim else { continue };
        let user = view.locals().find(|(machine, _)| *machine == owner.machine);
        let is_used = user.is_some_and(|(_, local)| local.pods == Some(block));
        if !is_used || !view.world.server.is_live(owner) {
            return Err(format!(
                "block {block} is claimed by machine {}, which does not use it",
                owner.machine
            ));
        }
    }
    Ok(())
}

/// The name of [`teardown`].
pub(super) const TEARDOWN: &str = "no teardown while the claim stands";

/// Nothing is taken down while the claim on the recorded block stands with the recorded owner.
pub(super) fn teardown(view: View<'_>, turn: Turn) -> Result<(), String> {
    let (What::End, machine) = turn else { return Ok(()) };
    let number = view.world.locals[machine];
    let local = view.machines.local(number);
    let (Phase::Judge, Move::End(Some(Reason::Lost { .. }))) = (&local.phase, view.machines.next(number))
    else {
        return Ok(());
    };
    let (Some(uid), Some(block)) = (local.held_by(), local.block(&view.machines.pool)) else {
        return Err(format!("machine {machine} takes down what it never had"));
    };
    let owner = Owner { machine: u8::try_from(machine).expect("few machines"), uid };
    let node = view.world.server.nodes[machine].filter(|node| node.uid == uid && node.block == Some(block));
    let stands = view.world.server.claims[usize::from(block)] == Some(owner);
    if stands || (view.claims_nothing() && node.is_some()) {
        return Err(format!("machine {machine} takes down its pods on block {block}"));
    }
    Ok(())
}
