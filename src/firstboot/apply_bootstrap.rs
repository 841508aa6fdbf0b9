// SPDX-License-Identifier: Apache-2.0
//! Does one step of [`super::bootstrap`] and says what became of it; what is next is not decided here.

use super::bootstrap::{self, Answer, By, Probe, Step, Verb};
use crate::cluster::{ApiError, ApiErrorKind as Kind, Client, Object};
use crate::ipam::{NAMESPACE, POOL};

/// The credentials of the machine that makes the cluster.
#[derive(Debug, Clone)]
pub struct Clients {
    /// super-admin.conf.
    pub break_glass: Client,
    /// admin.conf.
    pub admin: Client,
    /// Whether an object is read before it is applied, and not applied where it is as it should be: an apply that changes
    /// nothing else may still note its own time anew.
    pub looks_first: bool,
}

impl Clients {
    /// Does the step.
    pub async fn answer(&self, step: &Step) -> Answer {
        match step {
            Step::Apply(object) => {
                let client = match object.by() {
                    By::BreakGlass => &self.break_glass,
                    By::Admin => &self.admin,
                };
                let wanted = Object(object.value.clone());
                if self.looks_first && is_so(client, object, &wanted).await {
                    return Answer::Unchanged;
                }
                said(client.apply(&wanted).await)
            }
            Step::ReadPool(_) => match self.admin.config_map_get(NAMESPACE, POOL).await {
                Ok(pool) => Answer::Pool { data: pool.data, is_immutable: pool.immutable },
                Err(ApiError { kind: Kind::NotFound { .. }, .. }) => Answer::NoPool,
                Err(error) => failed(&error),
            },
            Step::Probe(probe) => self.probe(probe).await,
        }
    }

    async fn probe(&self, probe: &Probe) -> Answer {
        let client = self.admin.dry_run().impersonating(&probe.user, &probe.groups);
        let object = Object(probe.object.value.clone());
        said(match probe.verb {
            Verb::Create => client.create(&object).await,
            Verb::Apply => client.apply(&object).await,
        })
    }
}

/// What can't be read is applied, and that says why.
async fn is_so(client: &Client, object: &bootstrap::Object, wanted: &Object) -> bool {
    client.get(&wanted.place()).await.is_ok_and(|found| object.is_met_by(&found.0))
}

fn said(result: Result<Object, ApiError>) -> Answer {
    result.map_or_else(|error| failed(&error), |_| Answer::Done)
}

fn failed(error: &ApiError) -> Answer {
    match &error.kind {
        Kind::Forbidden { message } => Answer::Forbidden(message.clone()),
        Kind::AlreadyExists { .. } => Answer::Exists,
        Kind::Conflict { causes, .. } if !causes.is_empty() => Answer::Conflict(
            causes.iter().map(|cause| format!("{} ({})", cause.field, cause.message)).collect(),
        ),
        Kind::Conflict { message, .. } => Answer::Conflict(vec![message.clone()]),
        Kind::Invalid { message, .. } => Answer::Invalid(message.clone()),
        _ if error.may_pass() => Answer::Passing(error.to_string()),
        _ => Answer::Wrong(error.to_string()),
    }
}
