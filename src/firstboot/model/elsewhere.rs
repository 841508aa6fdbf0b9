// SPDX-License-Identifier: Apache-2.0
//! What happens to a cluster's objects without the machine: the garbage collector, controllers, an operator, kubelet.

use super::local::Phase;
use super::machine::Machines;
use super::turn::{Turn, What, fresh};
use super::world::{Csr, Maker, NodeObject, World};
use crate::settings::Addressing;

/// Garbage collector, controllers.
pub(super) fn elsewhere(machines: &Machines, world: &World, found: &mut Vec<(Turn, World)>) {
    for (block, claim) in world.server.claims.iter().enumerate() {
        if claim.is_some_and(|owner| !world.server.is_live(owner)) {
            let mut after = *world;
            after.server.claims[block] = None;
            found.push(((What::Collect, block), after));
        }
    }
    for machine in 0..machines.model.machines {
        let csr = world.server.csrs[machine];
        let turns: &[(What, Csr)] = match csr {
            Csr::None => &[],
            Csr::Pending => &[(What::Sign, Csr::Issued), (What::Forget, Csr::None)],
            Csr::Issued => &[(What::Forget, Csr::None)],
        };
        for (what, csr) in turns {
            let mut after = *world;
            after.server.csrs[machine] = *csr;
            found.push(((*what, machine), after));
        }
    }
    if machines.pool.addressing == Addressing::Kcm {
        allocations(machines, world, found);
    }
}

fn allocations(machines: &Machines, world: &World, found: &mut Vec<(Turn, World)>) {
    let usable = (0..machines.pool.count()).filter(|index| !machines.pool.is_reserved(*index));
    let is_free = |block: &u8| !world.server.nodes.iter().flatten().any(|node| node.block == Some(*block));
    let free: Vec<u8> = usable.filter_map(|index| u8::try_from(index).ok()).filter(is_free).collect();
    for machine in 0..machines.model.machines {
        for block in &free {
            let mut after = *world;
            if let Some(node @ NodeObject { block: None, .. }) = &mut after.server.nodes[machine] {
                node.block = Some(*block);
                found.push(((What::Allocate, machine), after));
            }
        }
    }
}

/// What others do to a machine's Node.
pub(super) fn others(machines: &Machines, world: &World, machine: usize, found: &mut Vec<(Turn, World)>) {
    let mut after = *world;
    let is_spared = machines.model.spares_idle && machines.local(world.locals[machine]).pods.is_none();
    if world.server.nodes[machine].is_some() && world.server.deletions > 0 && !is_spared {
        after.server.nodes[machine] = None;
        after.server.deletions -= 1;
        found.push(((What::Delete, machine), after));
    }
    let is_up = machines.local(world.locals[machine]).phase == Phase::Up;
    if machines.model.registers && is_up && world.server.nodes[machine].is_none() {
        let uid = fresh(machines, world, machine);
        after.server.nodes[machine] = Some(NodeObject { uid, block: None, maker: Maker::Kubelet });
        found.push(((What::Register, machine), after));
    }
}
