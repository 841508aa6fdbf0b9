// SPDX-License-Identifier: Apache-2.0
//! What was seen of the API so far, and what follows from it.
//!
//! Each answer is folded in; what passes with time is waited for, within a limit. What somebody else has changed in an
//! object is left as it is, with a warning that names the field; a pool that differs stops everything.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Expected, Object, Plan, Probe, Step};
use crate::exit::Exit;

/// How long one step may be waited for: bindings and policies bite within a second or two, on a busy server within ten.
pub const WAIT_LIMIT: Duration = Duration::from_secs(30);

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was done, or would have been.
    Done,
    /// What was to be applied is so already.
    Unchanged,
    /// An object of this name is there already.
    Exists,
    /// The pool that is there.
    Pool {
        /// Its data.
        data: BTreeMap<String, String>,
        /// Whether it can never change.
        is_immutable: bool,
    },
    /// The pool is not there.
    NoPool,
    /// 403, in the server's words.
    Forbidden(String),
    /// Others manage fields that were to be applied: each field with what the server says of it.
    Conflict(Vec<String>),
    /// 422, in the server's words.
    Invalid(String),
    /// No answer, or one that may be another in a moment.
    Passing(String),
    /// An answer that will stay the same.
    Wrong(String),
}

/// What was seen so far in this run.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// So many steps of the plan are done.
    done: usize,
    trouble: Option<Trouble>,
    /// The server's words, when it did not take the pool.
    pool_refused: Option<String>,
    waited: Duration,
    /// For people: what was left as others have it.
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone)]
enum Trouble {
    /// Something that passes; to be waited for.
    Passing(String),
    /// Waited for; to be tried again.
    Again(String),
    Lasting(Stuck),
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// This request.
    Do(Step),
    /// Nothing for a moment, then [`Seen::waited`]; the reason.
    Wait(String),
    /// Nothing more.
    Done,
    /// Nothing that kiln could do.
    Stuck(Stuck),
}

/// Why it does not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// 78 when settings and cluster disagree, 75 when trying again may help.
    pub exit: Exit,
    /// The unmet condition and the fix.
    pub reason: String,
}

/// Returns what is to be done now.
pub fn next(plan: &Plan, seen: &Seen) -> Next {
    let Some(step) = plan.steps().get(seen.done) else { return Next::Done };
    match &seen.trouble {
        Some(Trouble::Lasting(stuck)) => Next::Stuck(stuck.clone()),
        Some(Trouble::Passing(reason) | Trouble::Again(reason)) if seen.waited >= WAIT_LIMIT => {
            let reason = format!("{step}: waited {} s in vain: {reason}", WAIT_LIMIT.as_secs());
            Next::Stuck(Stuck { exit: Exit::TryAgain, reason })
        }
        Some(Trouble::Passing(reason)) => Next::Wait(format!("{step}: {reason}")),
        Some(Trouble::Again(_)) | None => Next::Do(match step {
            Step::Apply(pool) if seen.pool_refused.is_some() => Step::ReadPool(pool.clone()),
            step => step.clone(),
        }),
    }
}

impl Seen {
    /// Notes what became of a step that [`next`] gave.
    pub fn fold(&mut self, step: &Step, answer: &Answer) {
        let outcome = match (step, answer) {
            (_, Answer::Passing(reason)) => Outcome::Passing(reason.clone()),
            (Step::Apply(object), answer) => self.applied(object, answer),
            (Step::ReadPool(pool), answer) => self.pool_read(pool, answer),
            (Step::Probe(probe), answer) => tried(probe, answer),
        };
        self.trouble = match outcome {
            Outcome::Done => {
                self.done += 1;
                self.waited = Duration::ZERO;
                self.pool_refused = None;
                None
            }
            Outcome::ReadPool => None,
            Outcome::Passing(reason) => Some(Trouble::Passing(reason)),
            Outcome::Wrong(reason) => Some(Trouble::Lasting(Stuck { exit: Exit::Config, reason })),
        };
    }

    /// Notes that `time` went by after [`Next::Wait`].
    pub fn waited(&mut self, time: Duration) {
        self.waited += time;
        if let Some(Trouble::Passing(reason)) = &self.trouble {
            self.trouble = Some(Trouble::Again(reason.clone()));
        }
    }

    fn applied(&mut self, object: &Object, answer: &Answer) -> Outcome {
        match answer {
            Answer::Conflict(fields) if object.is_pool() => self.refuse(&fields.join(", ")),
            Answer::Invalid(words) if object.is_pool() => self.refuse(words),
            Answer::Conflict(fields) => {
                let fields = fields.join(", ");
                self.warnings.push(format!("{object}: left as it is, others have set {fields}"));
                Outcome::Done
            }
            // A binding takes a moment until it is believed.
            Answer::Forbidden(words) => Outcome::Passing(words.clone()),
            Answer::Invalid(words) | Answer::Wrong(words) => Outcome::Wrong(format!("{object}: {words}")),
            _ => Outcome::Done,
        }
    }

    fn refuse(&mut self, words: &str) -> Outcome {
        self.pool_refused = Some(words.to_owned());
        Outcome::ReadPool
    }

    /// The pool that is there may say the same after all, under another manager of its fields.
    fn pool_read(&mut self, pool: &Object, answer: &Answer) -> Outcome {
        let refused = self.pool_refused.clone().unwrap_or_default();
        match answer {
            Answer::Pool { data, is_immutable } => match (differing(pool, data), is_immutable) {
                (Some(difference), _) => Outcome::Wrong(format!(
                    "the cluster's pool ({pool}) is another than the settings' and can't be changed: {difference}"
                )),
                (None, false) => Outcome::Wrong(format!(
                    "the cluster's pool ({pool}) is not immutable, and can't be made so: {refused}"
                )),
                (None, true) => {
                    self.warnings.push(format!("{pool}: left as it is: {refused}"));
                    Outcome::Done
                }
            },
            // It went away in between: it is applied again.
            Answer::NoPool => {
                self.pool_refused = None;
                Outcome::Passing(refused)
            }
            answer => Outcome::Passing(words(answer)),
        }
    }
}

/// What an answer makes of a step.
enum Outcome {
    Done,
    ReadPool,
    Passing(String),
    Wrong(String),
}

fn tried(probe: &Probe, answer: &Answer) -> Outcome {
    let is_as_expected = match (probe.expected, answer) {
        // That it exists is said only after admission.
        (Expected::Accepted, Answer::Done | Answer::Exists) => true,
        (Expected::Refused(rule), Answer::Forbidden(words)) => words.ends_with(rule),
        _ => false,
    };
    if is_as_expected { Outcome::Done } else { Outcome::Passing(words(answer)) }
}

/// Why an answer is not the one that is waited for.
fn words(answer: &Answer) -> String {
    match answer {
        Answer::Done | Answer::Unchanged | Answer::Exists | Answer::Pool { .. } | Answer::NoPool => {
            "it is accepted".to_owned()
        }
        Answer::Conflict(fields) => format!("others have set {}", fields.join(", ")),
        Answer::Forbidden(words) | Answer::Invalid(words) | Answer::Passing(words) | Answer::Wrong(words) => {
            words.clone()
        }
    }
}

/// Names the first key of the pool's data that differs, and both values. The hash differs with any of them.
fn differing(pool: &Object, found: &BTreeMap<String, String>) -> Option<String> {
    let wanted: BTreeMap<String, String> =
        serde_json::from_value(pool.value["data"].clone()).unwrap_or_default();
    let keys = wanted.keys().chain(found.keys()).filter(|key| *key != "hash");
    let other = keys.into_iter().find(|key| wanted.get(*key) != found.get(*key))?;
    let show = |data: &BTreeMap<String, String>| {
        data.get(other).map_or("nothing".to_owned(), |value| format!("{value:?}"))
    };
    Some(format!("{other} is {} there and {} here", show(found), show(&wanted)))
}
