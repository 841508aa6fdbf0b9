// SPDX-License-Identifier: Apache-2.0
//! Every world that can be reached, breadth first; and from each of them the way on when faults stop.

use std::collections::HashMap;
use std::fmt;

use super::calm::{SECOND_RUN, calm, second_run};
use super::law::{ALWAYS, IN_THE_END, TEARDOWN, View, teardown};
use super::local::{Local, Phase};
use super::machine::{Machines, Model, Move};
use super::turn::turns;
use super::world::{MOST, Server, World};

/// A law that was broken, and how it came to that.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) law: &'static str,
    pub(super) why: String,
    /// What happened, from the start.
    pub(super) trace: Vec<String>,
}

/// What was explored.
#[derive(Debug, Default)]
pub(super) struct Extent {
    pub(super) worlds: usize,
    pub(super) turns: usize,
    pub(super) depth: u32,
    pub(super) locals: usize,
    /// Worlds in which nothing is left to be done when faults have stopped.
    pub(super) ends: usize,
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worlds, turns, depth, locals, ends } = self;
        write!(
            f,
            "{worlds} worlds, {turns} turns, depth {depth}; {locals} states of one machine, {ends} ends"
        )
    }
}

/// A world that was met.
#[derive(Debug)]
struct Met {
    parent: u32,
    depth: u32,
    /// The world that comes next when faults stop; itself where nothing is left to be done.
    calm: u32,
}

/// The exploration.
#[derive(Debug)]
struct Search {
    machines: Machines,
    worlds: Vec<World>,
    met: Vec<Met>,
    numbers: HashMap<World, u32>,
    turns: usize,
}

/// Explores a configuration to its end.
pub(super) fn explore(model: Model) -> Result<Extent, Broken> {
    let mut search = Search {
        machines: Machines::new(model),
        worlds: Vec::new(),
        met: Vec::new(),
        numbers: HashMap::new(),
        turns: 0,
    };
    search.begin();
    let mut at = 0;
    while at < search.worlds.len() {
        search.expand(at)?;
        at += 1;
    }
    let ends = search.ends()?;
    Ok(Extent {
        worlds: search.worlds.len(),
        turns: search.turns,
        depth: search.met.last().map_or(0, |met| met.depth),
        locals: search.machines.count(),
        ends,
    })
}

impl Search {
    fn begin(&mut self) {
        let Model { machines, deletions, start, .. } = self.machines.model.clone();
        let mut absent = Local::fresh();
        absent.phase = Phase::Up;
        let mut locals = [self.machines.number(absent); MOST];
        locals[..machines].fill(self.machines.number(start));
        self.enter(World { server: Server::new(deletions), locals }, 0, 0);
    }

    fn enter(&mut self, world: World, parent: u32, depth: u32) -> u32 {
        let next = u32::try_from(self.worlds.len()).expect("fewer worlds than that");
        let number = *self.numbers.entry(world).or_insert(next);
        if number == next {
            self.worlds.push(world);
            self.met.push(Met { parent, depth, calm: number });
        }
        number
    }

    fn expand(&mut self, at: usize) -> Result<(), Broken> {
        let world = self.worlds[at];
        self.check(at, &ALWAYS)?;
        if self.asks(SECOND_RUN) {
            second_run(&mut self.machines, &world).map_err(|why| self.broken(at, SECOND_RUN, why))?;
        }
        let turns = turns(&mut self.machines, &world);
        let way = calm(&mut self.machines, &world, &turns);
        let number = u32::try_from(at).expect("fewer worlds than that");
        for (place, (turn, after)) in turns.into_iter().enumerate() {
            let view = View { machines: &self.machines, world: &world };
            if self.asks(TEARDOWN) {
                teardown(view, turn).map_err(|why| self.broken(at, TEARDOWN, why))?;
            }
            self.turns += 1;
            let after = after.canonical(self.machines.model.machines);
            let entered = self.enter(after, number, self.met[at].depth + 1);
            if way == Some(place) {
                self.met[at].calm = entered;
            }
        }
        Ok(())
    }

    fn asks(&self, law: &str) -> bool {
        self.machines.model.only.is_none_or(|only| only == law)
    }

    fn check(&self, at: usize, laws: &[(&'static str, super::law::Law)]) -> Result<(), Broken> {
        let view = View { machines: &self.machines, world: &self.worlds[at] };
        for (name, law) in laws.iter().filter(|(name, _)| self.asks(name)) {
            law(view).map_err(|why| self.broken(at, name, why))?;
        }
        Ok(())
    }

    /// From every world the calm way comes to an end, and there everything is as it should be.
    fn ends(&self) -> Result<usize, Broken> {
        let mut is_good = vec![false; self.worlds.len()];
        let mut ends = 0;
        for start in 0..self.worlds.len() {
            let (mut at, mut way) = (start, Vec::new());
            while !is_good[at] {
                way.push(at);
                let next = self.met[at].calm as usize;
                if next == at {
                    self.check(at, &IN_THE_END)?;
                    ends += 1;
                    break;
                }
                if way.len() > 10_000 {
                    return Err(self.broken(start, "a free block is found", "it never ends".to_owned()));
                }
                at = next;
            }
            for at in way {
                is_good[at] = true;
            }
        }
        Ok(ends)
    }

    fn broken(&self, at: usize, law: &'static str, why: String) -> Broken {
        let (mut at, mut trace) = (at, Vec::new());
        while at != 0 {
            let parent = self.met[at].parent as usize;
            trace.push(self.told(parent, at));
            at = parent;
        }
        trace.reverse();
        Broken { law, why, trace }
    }

    /// Machines may change places from line to line, as worlds that differ by that are one.
    fn told(&self, from: usize, to: usize) -> String {
        let shown = |number: &u16| match self.machines.next(*number) {
            Move::Ask(step) | Move::Change(step) => step.word().to_owned(),
            Move::End(reason) => {
                format!("ends ({})", reason.as_ref().map_or_else(|| "done".to_owned(), ToString::to_string))
            }
            Move::Rest => {
                format!("{:?} on {:?}", self.machines.local(*number).phase, self.machines.local(*number).pods)
            }
        };
        let world = &self.worlds[to];
        let count = self.machines.model.machines;
        let locals: Vec<String> = world.locals[..count].iter().map(shown).collect();
        let Server { nodes, claims, .. } = world.server;
        format!("{from}->{to} {locals:?} nodes {:?} claims {claims:?}", &nodes[..count])
    }
}
