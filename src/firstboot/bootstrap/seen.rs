// SPDX-License-Identifier: Apache-2.0
//! What was seen of the API so far, and what follows from it.
//!
//! Each answer is folded in; what passes with time is waited for, within a limit. What somebody else has changed in an
//! object is left as it is, with a warning that names the field; a pool that differs stops everything.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Expected, Object, Plan, Probe, Step};
use crate::exit::Exit;

/// How long one step may be waited for: bindings and policies bite within a second or two, on a busy server within ten.
pub const WAIT_LIMIT: Duration = Duration::from_secs(30);

/// What became of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The server's status code and body.
    Said(u16, Value),
    /// None came; why.
    Nothing(String),
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
            (_, Answer::Nothing(reason)) => Outcome::Passing(reason.clone()),
            (Step::Apply(object), Answer::Said(code, body)) => self.applied(object, *code, body),
            (Step::ReadPool(pool), Answer::Said(code, body)) => self.pool_read(pool, *code, body),
            (Step::Probe(probe), Answer::Said(code, body)) => tried(probe, *code, body),
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

    fn applied(&mut self, object: &Object, code: u16, body: &Value) -> Outcome {
        match code {
            200..=299 => Outcome::Done,
            409 | 422 if object.is_pool() => {
                self.pool_refused = Some(message(body));
                Outcome::ReadPool
            }
            409 => {
                self.warnings.push(left_as_it_is(object, body));
                Outcome::Done
            }
            404 if object.kind().starts_with("ValidatingAdmission") => Outcome::Wrong(format!(
                "the API server does not know {}; Kubernetes 1.30 is the first that does",
                object.kind()
            )),
            400 | 404 | 422 => Outcome::Wrong(format!("{object}: {}", message(body))),
            // 403 too: a binding takes a moment until it is believed.
            code => Outcome::Passing(format!("{code} {}", message(body))),
        }
    }

    /// The pool that is there may say the same after all, under another manager of its fields.
    fn pool_read(&mut self, pool: &Object, code: u16, body: &Value) -> Outcome {
        let refused = self.pool_refused.clone().unwrap_or_default();
        match (code, differing(&pool.value["data"], &body["data"])) {
            (200, Some(difference)) => Outcome::Wrong(format!(
                "the cluster's pool ({pool}) is another than the settings' and can't be changed: {difference}"
            )),
            (200, None) if body["immutable"] == json!(true) => {
                self.warnings.push(format!("{pool}: left as it is: {refused}"));
                Outcome::Done
            }
            (200, None) => Outcome::Wrong(format!("the cluster's pool ({pool}) is not immutable: {refused}")),
            // It went away in between: it is applied again.
            (404, _) => {
                self.pool_refused = None;
                Outcome::Passing(refused)
            }
            (code, _) => Outcome::Passing(format!("{code} {}", message(body))),
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

fn tried(probe: &Probe, code: u16, body: &Value) -> Outcome {
    let said = message(body);
    let is_as_expected = match probe.expected {
        Expected::Accepted => matches!(code, 200..=299 | 409),
        Expected::Refused(words) => code == 403 && said.ends_with(words),
    };
    match (is_as_expected, code) {
        (true, _) => Outcome::Done,
        (false, 200..=299 | 409) => Outcome::Passing("it was accepted".to_owned()),
        (false, _) => Outcome::Passing(format!("{code} {said}")),
    }
}

/// The message of a `Status`, or nothing.
fn message(body: &Value) -> String {
    body["message"].as_str().unwrap_or_default().to_owned()
}

/// Names the fields that others manage and their managers, as the server tells them.
fn left_as_it_is(object: &Object, body: &Value) -> String {
    let causes = body["details"]["causes"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let fields: Vec<String> = causes
        .iter()
        .map(|cause| format!("{} ({})", text(&cause["field"]), text(&cause["message"])))
        .collect();
    match fields.is_empty() {
        true => format!("{object}: left as it is: {}", message(body)),
        false => format!("{object}: left as it is, others have set {}", fields.join(", ")),
    }
}

/// Names the first key of the pool's data that differs, and both values.
fn differing(wanted: &Value, found: &Value) -> Option<String> {
    let read = |data: &Value| -> BTreeMap<String, String> {
        serde_json::from_value(data.clone()).unwrap_or_default()
    };
    let (wanted, found) = (read(wanted), read(found));
    let keys = wanted.keys().chain(found.keys()).filter(|key| *key != "hash");
    let other = keys.into_iter().find(|key| wanted.get(*key) != found.get(*key))?;
    let show =
        |data: &BTreeMap<String, String>| data.get(other).map_or("nothing".to_owned(), |v| format!("{v:?}"));
    Some(format!("{other} is {} there and {} here", show(&found), show(&wanted)))
}
