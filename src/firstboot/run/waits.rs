// SPDX-License-Identifier: Apache-2.0
//! Pauses between tries, ever longer while the same is waited for, and when there may be no more of them.

use std::mem::{Discriminant, discriminant};
use std::time::{Duration, Instant};

use crate::cluster::Backoff;
use crate::firstboot::observed::Observed;
use crate::firstboot::reason::Reason;
use crate::firstboot::step::Step;

/// Pauses between tries of an unborn node, and of one that has its claim.
const PAUSES: [(Duration, Duration); 2] = [
    (Duration::from_millis(250), Duration::from_secs(15)),
    (Duration::from_millis(100), Duration::from_millis(800)),
];

/// The waits of a run.
pub(super) struct Waits {
    /// When the run ends, whatever it waits for.
    pub deadline: Instant,
    /// Until when a node that has its claim waits for whatever keeps it from an answer.
    patience: Option<Instant>,
    pauses: (Duration, Duration),
    seed: u64,
    backoff: Backoff,
    /// What was waited for, and how often in a row.
    row: Option<(Discriminant<Reason>, u32)>,
}

impl Waits {
    /// `patience` is of a node that has its claim.
    pub fn new(patience: Option<Instant>, seed: u64, deadline: Instant) -> Self {
        let pauses = PAUSES[usize::from(patience.is_some())];
        let backoff = Backoff::new(pauses.0, pauses.1, seed);
        Self { deadline, patience, pauses, seed, backoff, row: None }
    }

    /// A step that changed something ends a row. One that only looks does not: after each wait it is looked again.
    pub fn went(&mut self, step: &Step, seen: &Observed) {
        if !step.only_looks() && seen.trouble.is_none() && seen.vpc.trouble.is_none() && self.row.is_some() {
            self.begin();
        }
    }

    /// A node that has its claim goes on without an answer when its patience is over, and not earlier: how often it may
    /// ask until then depends on nothing but chance.
    pub fn may_wait(&self, reason: &Reason) -> bool {
        let is_in_row = self.patience.is_some() || self.waited(reason) < reason.waits_max();
        is_in_row && Instant::now() < self.deadline
    }

    pub async fn wait(&mut self, reason: &Reason) {
        let pause = self.next(reason);
        tokio::time::sleep(pause.min(self.left(Instant::now()))).await;
        // Only here, so that whoever looks at the time after a wait finds it over as well.
        self.patience.take_if(|until| Instant::now() >= *until);
    }

    /// No server can ask for more than what is left.
    fn left(&self, now: Instant) -> Duration {
        self.patience.unwrap_or(self.deadline).min(self.deadline).saturating_duration_since(now)
    }

    fn begin(&mut self) {
        self.row = None;
        self.backoff = Backoff::new(self.pauses.0, self.pauses.1, self.seed);
    }

    /// How often in a row this was waited for.
    fn waited(&self, reason: &Reason) -> u32 {
        self.row.filter(|(what, _)| *what == discriminant(reason)).map_or(0, |(_, times)| times)
    }

    fn next(&mut self, reason: &Reason) -> Duration {
        let times = self.waited(reason);
        if times == 0 {
            self.begin();
        }
        self.row = Some((discriminant(reason), times + 1));
        self.backoff.pause(reason.retry_after_s().map(Duration::from_secs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firstboot::vpc::Fault;

    fn denied() -> Reason {
        Fault::Denied { call: "CreateRoute".to_owned(), said: "no".to_owned() }.into()
    }

    fn create() -> Step {
        let block = "10.244.1.0/24".parse().unwrap();
        Step::CreateRoute { table: "rtb-a".to_owned(), block, interface: "eni-1".to_owned() }
    }

    /// Waits for `reason`, looks and tries in vain, as a run does.
    fn try_in_vain(waits: &mut Waits, reason: Reason) -> Duration {
        let pause = waits.next(&reason);
        let mut seen = Observed::default();
        waits.went(&Step::ReadRoutes("vpc-1".to_owned()), &seen);
        seen.vpc.trouble = Some(reason);
        waits.went(&create(), &seen);
        pause
    }

    #[test]
    fn what_is_refused_again_and_again_is_given_up() {
        let mut waits = Waits::new(None, 7, Instant::now() + Duration::from_secs(60));
        let mut tries = 0;
        while waits.may_wait(&denied()) {
            try_in_vain(&mut waits, denied());
            tries += 1;
        }
        assert_eq!(tries, denied().waits_max());
    }

    #[test]
    fn pauses_grow_although_looks_between_them_succeed() {
        let throttled = || -> Reason {
            Fault::Throttled { call: "CreateRoute".to_owned(), code: "RequestLimitExceeded".to_owned() }
                .into()
        };
        let mut waits = Waits::new(None, 7, Instant::now() + Duration::from_secs(60));
        let pauses: Vec<Duration> = (0..12).map(|_| try_in_vain(&mut waits, throttled())).collect();
        assert!(pauses.iter().max().unwrap() > &(pauses[0] * 4), "{pauses:?}");
        // What brings something ends it, and so does another thing that is waited for.
        waits.went(&create(), &Observed::default());
        assert_eq!(waits.next(&throttled()), pauses[0]);
        waits.next(&throttled());
        assert_eq!(waits.next(&Reason::NoToken), pauses[0]);
    }

    #[test]
    fn a_node_that_has_its_claim_waits_out_its_patience_and_no_server_makes_it_longer() {
        let now = Instant::now();
        let patience = now + Duration::from_secs(4);
        let mut waits = Waits::new(Some(patience), 7, now + Duration::from_secs(60));
        for _ in 0..40 {
            waits.next(&denied());
        }
        assert!(waits.may_wait(&denied()), "however often it was tried");
        assert!(waits.left(now) <= Duration::from_secs(4));
        assert_eq!(waits.left(patience + Duration::from_secs(1)), Duration::ZERO, "not even once");
        waits.patience = None;
        assert!(waits.left(now) > Duration::from_secs(50), "what else is waited for has the deadline");
        assert!(!waits.may_wait(&denied()));
    }
}
