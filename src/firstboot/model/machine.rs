// SPDX-License-Identifier: Apache-2.0
//! Drives the production decisions: what a machine in a local state does next, and where an answer takes it.
//!
//! Local states are numbered and each decision is made once: the same [`Observed`] can only be decided the same way.

use std::collections::HashMap;

use super::super::next::{self, Next};
use super::super::observed::{Found, Observed};
use super::super::reason::Reason;
use super::super::step::Step;
use super::local::{Local, Phase};
use super::server::Answer;
use crate::ipam::Ranges;
use crate::settings::Settings;

/// What decides.
pub(super) type Decide = fn(&Settings, &Observed) -> Next;

/// A configuration of the model.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) machines: usize,
    /// How many Nodes may be deleted.
    pub(super) deletions: u8,
    /// Whether only the Nodes of machines that run pods are deleted.
    pub(super) spares_idle: bool,
    pub(super) settings: Settings,
    /// A machine at the start.
    pub(super) start: Local,
    /// What decides a run, and what a verification: production's, or a mutant's.
    pub(super) decide: [Decide; 2],
    /// Before which requests all names are durable: [`Step::rests_on_disk`], or a mutant's.
    pub(super) settles: fn(&Step) -> bool,
    /// Whether a timer verifies while the node runs.
    pub(super) has_timer: bool,
    /// Whether a kubelet may be started again after its Node is gone.
    pub(super) registers: bool,
    /// The one law that is asked about; all of them where none is named.
    pub(super) only: Option<&'static str>,
    /// Whether a list shows podCIDRs of Nodes, as the seed's did.
    pub(super) lists_nodes: bool,
}

/// What a machine does next.
#[derive(Debug, Clone)]
pub(super) enum Move {
    /// A request.
    Ask(Step),
    /// A change of its own disk.
    Change(Step),
    /// The program ends: all is done, or this is why not.
    End(Option<Reason>),
    /// Nothing runs.
    Rest,
}

/// All local states that were met.
#[derive(Debug)]
pub(super) struct Machines {
    pub(super) model: Model,
    pub(super) pool: Ranges,
    met: Vec<(Local, Move, Option<Step>)>,
    numbers: HashMap<Local, u16>,
    answered: HashMap<(u16, Answer), Vec<u16>>,
    moved: HashMap<(u16, &'static str), u16>,
}

impl Machines {
    pub(super) fn new(model: Model) -> Self {
        let pool = Ranges::of(&model.settings.cluster).expect("the model's pool");
        Self {
            model,
            pool,
            met: Vec::new(),
            numbers: HashMap::new(),
            answered: HashMap::new(),
            moved: HashMap::new(),
        }
    }

    pub(super) fn local(&self, number: u16) -> &Local {
        &self.met[usize::from(number)].0
    }

    pub(super) fn next(&self, number: u16) -> &Move {
        &self.met[usize::from(number)].1
    }

    /// What else it may ask before its next change, of what others can meet: [`next::ahead`].
    pub(super) fn ahead(&self, number: u16) -> Option<&Step> {
        self.met[usize::from(number)].2.as_ref()
    }

    pub(super) fn count(&self) -> usize {
        self.met.len()
    }

    pub(super) fn number(&mut self, local: Local) -> u16 {
        if let Some(number) = self.numbers.get(&local) {
            return *number;
        }
        let number = u16::try_from(self.met.len()).expect("fewer local states than that");
        self.numbers.insert(local.clone(), number);
        let next = self.decided(&local);
        // A look at what never changes can be taken for the next turn's.
        let ahead = match next {
            Move::Change(_) => next::ahead(&self.model.settings, &local.seen),
            _ => None,
        };
        let ahead = ahead.filter(|step| *step != Step::AskVersion);
        self.met.push((local, next, ahead));
        number
    }

    /// Returns the local state that `change` makes of one; `name` says which change it is.
    pub(super) fn moved(
        &mut self,
        from: u16,
        name: &'static str,
        change: impl FnOnce(&mut Local, &Ranges),
    ) -> u16 {
        if let Some(to) = self.moved.get(&(from, name)) {
            return *to;
        }
        let mut local = self.local(from).clone();
        change(&mut local, &self.pool);
        let to = self.number(local);
        self.moved.insert((from, name), to);
        to
    }

    /// Returns where an answer takes a machine: an answer that does not come may be waited for, or given up.
    pub(super) fn answered(&mut self, from: u16, step: &Step, answer: Answer) -> Vec<u16> {
        if let Some(to) = self.answered.get(&(from, answer)) {
            return to.clone();
        }
        let mut local = self.local(from).clone();
        let Found::Is(identity) = &local.seen.disk.identity else { panic!("nobody asked") };
        let outcome = answer.outcome(step, identity, &self.pool);
        local.seen.learn(step, outcome);
        let settled = self.settled(local);
        let to: Vec<u16> = settled.into_iter().map(|local| self.number(local)).collect();
        self.answered.insert((from, answer), to.clone());
        to
    }

    /// What the loop does about a wait: rest and look again, or find that patience is over.
    fn settled(&self, local: Local) -> Vec<Local> {
        let Next::Wait(_) = self.decision(&local) else { return vec![local] };
        let mut settled = Vec::new();
        // Only a node that has a claim may lose its patience: that of others ends with the run's deadline.
        for is_over in [false, true].into_iter().take(1 + usize::from(local.seen.is_held())) {
            let mut after = local.clone();
            after.seen.is_patience_over |= is_over;
            if !(after.seen.is_patience_over && after.seen.is_held()) {
                after.seen.rest();
            }
            after.look(&self.pool);
            if !settled.contains(&after) {
                settled.push(after);
            }
        }
        settled
    }

    fn decision(&self, local: &Local) -> Next {
        let judges = matches!(local.phase, Phase::Verify | Phase::Judge);
        self.model.decide[usize::from(judges)](&self.model.settings, &local.seen)
    }

    fn decided(&self, local: &Local) -> Move {
        if matches!(local.phase, Phase::Up | Phase::Stopped(_)) {
            return Move::Rest;
        }
        match self.decision(local) {
            Next::Do(step) if step.is_request() => Move::Ask(step),
            Next::Do(step) => Move::Change(step),
            Next::Done => Move::End(None),
            Next::Wait(reason) | Next::Stuck(reason) => Move::End(Some(reason)),
        }
    }
}

/// The decisions that ship.
pub(super) const PRODUCTION: [Decide; 2] = [next::next, next::verify];
