// SPDX-License-Identifier: Apache-2.0
//! Calls of EC2 as the instance's role: one call a step, and what a failed one means for a node.

use super::super::outcome::Outcome;
use super::super::reason::Reason;
use super::super::step::Step;
use super::super::vpc::Fault;
use super::Hands;
use crate::aws::{AwsError, AwsErrorKind as Kind};

impl Hands<'_> {
    pub(super) async fn call(&self, step: &Step) -> Result<Outcome, Reason> {
        let Some(ec2) = self.ec2 else { return Err(Fault::NoInstance.into()) };
        let done = match step {
            Step::ReadRoutes(vpc) => {
                return ec2.route_tables(vpc).await.map(Outcome::Tables).map_err(|error| reason(error, step));
            }
            Step::SourceCheckOff(interface) => ec2.source_check_off(interface).await,
            Step::CreateRoute { table, block, interface } => ec2.create_route(table, *block, interface).await,
            Step::ReplaceRoute { table, block, interface, .. } => {
                ec2.replace_route(table, *block, interface).await
            }
            step => return Err(Reason::Access(format!("no call of EC2 is to {step}"))),
        };
        match done {
            Ok(()) => Ok(Outcome::Called),
            Err(AwsError { kind: Kind::Exists, .. }) => Ok(Outcome::RouteExists),
            Err(error) => Err(reason(error, step)),
        }
    }
}

fn reason(error: AwsError, step: &Step) -> Reason {
    let AwsError { call, kind } = error;
    let why = kind.to_string();
    let table = match step {
        Step::CreateRoute { table, .. } | Step::ReplaceRoute { table, .. } => table.clone(),
        _ => String::new(),
    };
    let fault = match kind {
        Kind::Quota(said) => Fault::Quota { call, table, said },
        Kind::Denied(said) => Fault::Denied { call, said },
        Kind::Throttled(code) => Fault::Throttled { call, code },
        Kind::NoRole => Fault::NoRole,
        Kind::Credentials(_) => Fault::Credentials { call, why },
        Kind::Unreachable { .. } => Fault::Unreachable { call, why },
        Kind::Clock(_) => Fault::Clock { call, why },
        // A route that is gone since it was read: the tables are read again.
        Kind::NotFound(_) if matches!(step, Step::ReplaceRoute { .. }) => Fault::Unanswered { call, why },
        Kind::Off | Kind::Refused(_) | Kind::NotFound(_) => Fault::Refused { call, why },
        Kind::Unanswered(_) | Kind::Server(_) | Kind::Malformed(_) | Kind::Exists => {
            Fault::Unanswered { call, why }
        }
    };
    fault.into()
}
