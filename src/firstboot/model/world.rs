// SPDX-License-Identifier: Apache-2.0
//! The model world as a value: what the API server holds, and for each machine the number of its local state.
//!
//! Machines are alike on purpose: each sees itself as Node `w` with its own UIDs `uid-0`, `uid-1`, ..., and all others as
//! `other`. They ask for blocks in the same order, which is the worst one, and worlds that differ by a swap of machines
//! are one world ([`World::canonical`]). UIDs are only ever compared, so a UID that nothing names any more is used again:
//! thus the world stays finite however often Nodes are deleted.

/// The largest configuration: three machines, three blocks.
pub(super) const MOST: usize = 3;

/// Who made a Node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Maker {
    /// First boot, with the annotation that names its instance.
    Kiln,
    /// A kubelet that was started again after the Node was gone.
    Kubelet,
}

/// A Node object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeObject {
    /// Its UID, as its machine counts.
    pub(super) uid: u8,
    /// The block in `spec.podCIDRs`.
    pub(super) block: Option<u8>,
    pub(super) maker: Maker,
}

/// The owner reference of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Owner {
    pub(super) machine: u8,
    pub(super) uid: u8,
}

/// A machine's certificate signing request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Csr {
    None,
    Pending,
    Issued,
}

/// What the API server holds. One name is one object: that much the store itself promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Server {
    pub(super) nodes: [Option<NodeObject>; MOST],
    pub(super) claims: [Option<Owner>; MOST],
    pub(super) csrs: [Csr; MOST],
    /// How many Nodes an operator may still delete.
    pub(super) deletions: u8,
}

impl Server {
    pub(super) fn new(deletions: u8) -> Self {
        Self { nodes: [None; MOST], claims: [None; MOST], csrs: [Csr::None; MOST], deletions }
    }

    /// Returns whether a claim's owner is a Node that is there.
    pub(super) fn is_live(&self, owner: Owner) -> bool {
        self.nodes[usize::from(owner.machine)].is_some_and(|node| node.uid == owner.uid)
    }

    /// Returns the block that a claim of this Node is on.
    pub(super) fn claims_of(&self, owner: Owner) -> impl Iterator<Item = u8> {
        let is_its = move |claim: &Option<Owner>| *claim == Some(owner);
        (0..).zip(self.claims).filter(move |(_, claim)| is_its(claim)).map(|(block, _)| block)
    }
}

/// The whole world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct World {
    pub(super) server: Server,
    /// Local states, as the [`super::machine::Machines`] number them.
    pub(super) locals: [u16; MOST],
}

const SWAPS: [&[[usize; MOST]]; MOST + 1] = [
    &[],
    &[[0, 1, 2]],
    &[[0, 1, 2], [1, 0, 2]],
    &[[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]],
];

impl World {
    /// Returns the least of the worlds that differ by a swap of machines.
    pub(super) fn canonical(&self, machines: usize) -> Self {
        let swapped = SWAPS[machines].iter().map(|places| self.swapped(places));
        swapped.min().expect("there is a machine")
    }

    fn swapped(&self, places: &[usize; MOST]) -> Self {
        let mut world = *self;
        for (from, to) in places.iter().copied().enumerate() {
            world.locals[to] = self.locals[from];
            world.server.nodes[to] = self.server.nodes[from];
            world.server.csrs[to] = self.server.csrs[from];
        }
        for owner in world.server.claims.iter_mut().flatten() {
            owner.machine = u8::try_from(places[usize::from(owner.machine)]).expect("few machines");
        }
        world
    }
}
