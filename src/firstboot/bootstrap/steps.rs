// SPDX-License-Identifier: Apache-2.0
//! The order of a cluster's birth in the API, one request after the other.
//!
//! Objects are applied by server-side apply and never by force. All of it can be done again at every boot, and then
//! changes nothing.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::{Expected, Object, Probe, after_proof, before_proof, proof};
use crate::ipam::{Ranges, RangesError};
use crate::settings::Settings;

/// All that is to be done, in order.
#[derive(Debug, Clone)]
pub struct Plan {
    steps: Vec<Step>,
}

impl Plan {
    /// Returns the plan for a cluster: what nodes need to be kept in bounds, the proof that it does, nodes' rights.
    ///
    /// # Errors
    /// When the settings describe no pool.
    pub fn of(settings: &Settings) -> Result<Self, RangesError> {
        let ranges = Ranges::of(&settings.cluster)?;
        let before = before_proof(&ranges).into_iter().map(Step::Apply);
        let probes = proof::probes(&ranges).into_iter().map(Step::Probe);
        let after = after_proof().into_iter().map(Step::Apply);
        Ok(Self { steps: before.chain(probes).chain(after).collect() })
    }

    /// Returns a plan that applies objects and proves nothing.
    pub fn applying(objects: Vec<Object>) -> Self {
        Self { steps: objects.into_iter().map(Step::Apply).collect() }
    }

    /// Returns what tells the plan's objects from those of another kiln or of other settings.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for step in &self.steps {
            if let Step::Apply(object) = step {
                hash.update(object.value.to_string());
            }
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Returns the steps in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// The object is applied.
    Apply(Object),
    /// The pool is read, because it could not be applied: the two are told apart for people.
    ReadPool(Object),
    /// A policy is tried, and nothing is changed.
    Probe(Probe),
}

/// As part of a sentence: what is done.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Apply(object) => write!(f, "apply {object}"),
            Self::ReadPool(pool) => write!(f, "read {pool}"),
            Self::Probe(probe) => match probe.expected {
                Expected::Accepted => write!(f, "try whether {} is accepted", probe.what),
                Expected::Refused(_) => write!(f, "try whether {} is refused", probe.what),
            },
        }
    }
}
