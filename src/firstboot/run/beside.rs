// SPDX-License-Identifier: Apache-2.0
//! Changes of this machine, and its first look, beside a request that is under way: a server has its own work to do, and so
//! has a disk. One thread does both in turns.

use std::pin::{Pin, pin};
use std::time::Instant;

use super::super::apply::{Hands, change};
use super::super::look;
use super::super::next::{self, Next};
use super::super::observed::Observed;
use super::super::outcome::Outcome;
use super::super::step::Step;
use super::{Diary, Run, RunError};

impl Run<'_> {
    /// Returns what may be asked while changes of this machine are due.
    pub(super) fn ahead(&self, seen: &Observed) -> Option<Step> {
        self.change(seen).and_then(|_| next::ahead(self.settings, seen))
    }

    /// Returns the next step, if it is a change of this machine.
    fn change(&self, seen: &Observed) -> Option<Step> {
        match (self.decide)(self.settings, seen) {
            Next::Do(step) if step.is_change() => Some(step),
            _ => None,
        }
    }

    /// Makes a request and, until it is answered, the changes that are due; all of them are done when this returns.
    pub(super) async fn beside(
        &self,
        request: &Step,
        hands: &mut Hands<'_>,
        (seen, wanted): (&mut Observed, &mut look::Wanted),
        diary: &mut Diary,
        deadline: Instant,
    ) -> Result<(), RunError> {
        let (asked, begun) = (seen.clone(), Instant::now());
        let mut asking = pin!(hands.apply_ahead(request, &asked, deadline));
        let mut answer = None;
        // Whatever the answer is: they are due.
        while let Some(step) = self.change(seen) {
            if answer.is_none() {
                answer = come(asking.as_mut()).await;
            }
            self.settle_for(&step, diary)?;
            let begun = Instant::now();
            let outcome = change(self.root, &step, seen, wanted).map(|()| Outcome::Changed);
            diary.tried(self.root, &step, begun, &outcome)?;
            self.learn(seen, wanted, &step, outcome?)?;
        }
        let outcome = match answer {
            Some(outcome) => outcome,
            None => {
                // Who signs takes a while.
                if *request == Step::AwaitRequest {
                    self.settle(diary)?;
                }
                asking.await
            }
        };
        self.answered(request, begun, outcome, (seen, wanted), diary)
    }

    /// Looks for the first time. A node with a claim asks for it meanwhile; if it turns out that it has something else to
    /// do first, the answer counts for nothing.
    pub(super) async fn look_first(
        &self,
        hands: &mut Hands<'_>,
        (seen, wanted): (&mut Observed, &mut look::Wanted),
        diary: &mut Diary,
        deadline: Instant,
    ) -> Result<(), RunError> {
        let request = next::ahead(self.settings, seen).filter(|_| seen.is_held());
        let Some(request) = request else { return self.look_again(seen, wanted) };
        let (asked, begun) = (seen.clone(), Instant::now());
        let outcome = {
            let mut asking = pin!(hands.apply_ahead(&request, &asked, deadline));
            let mut early = come(asking.as_mut()).await;
            *wanted = look::credential(self.root, self.settings, seen, std::mem::take(wanted))?;
            if early.is_none() {
                early = come(asking.as_mut()).await;
            }
            look::network(self.root, self.settings, seen, wanted)?;
            let is_next = (self.decide)(self.settings, seen) == Next::Do(request.clone());
            match early {
                _ if !is_next => None,
                Some(answer) => Some(answer),
                None => Some(asking.await),
            }
        };
        match outcome {
            Some(outcome) => self.answered(&request, begun, outcome, (seen, wanted), diary),
            None => {
                hands.forget();
                Ok(())
            }
        }
    }

    fn answered(
        &self,
        request: &Step,
        begun: Instant,
        outcome: Outcome,
        (seen, wanted): (&mut Observed, &mut look::Wanted),
        diary: &mut Diary,
    ) -> Result<(), RunError> {
        let outcome = Ok(outcome);
        diary.tried(self.root, request, begun, &outcome)?;
        self.learn(seen, wanted, request, outcome?)
    }
}

/// How often what is under way is looked at before this machine does something of its own: the connection is made by then, or
/// its next message is sent.
const POLLS: u32 = 4;

/// Gives what is under way the time that it can use at once; returns its answer, if that has come.
async fn come<T>(mut under_way: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    for _ in 0..POLLS {
        tokio::select! {
            biased;
            answer = &mut under_way => return Some(answer),
            () = tokio::task::yield_now() => {}
        }
    }
    None
}
