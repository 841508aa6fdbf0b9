// SPDX-License-Identifier: Apache-2.0
//! The flow of a launch: look, plan, a token, the calls, and watching until every node is Ready. The token is revoked
//! however that ends.

use std::time::Duration;

use serde::Serialize;

use super::birth::{Birth, Goal};
use super::error::LaunchError;
use super::layer;
use super::look;
use super::plan::{Order, Plan, plan};
use super::tag;
use super::user_data::{Given, render};
use super::watch::Watch;
use crate::cloud::{NewInstances, Region};
use crate::cluster::{ApiError, ApiErrorKind, Client};
use crate::host::{clock, entropy, interrupt};
use crate::progress::Progress;
use crate::settings::Role;
use crate::settings::token::Token as Joins;
use crate::stage::Reached;
use crate::token::{TTL_S, Token};

/// What the token outlives the wait by: instances that are launched last begin last.
const TOKEN_SPARE_S: u64 = 300;

/// What a launch works with.
pub struct Desk<'a> {
    /// The region.
    pub region: &'a Region,
    /// The cluster, as an administrator.
    pub client: &'a Client,
    /// Hears how it goes.
    pub progress: &'a dyn Progress,
    /// Longest time until all nodes are Ready.
    pub limit: Duration,
}

impl std::fmt::Debug for Desk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk")
            .field("region", &self.region)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// Nodes that were launched, all Ready.
#[derive(Debug, Clone, Serialize)]
pub struct Launched {
    /// The cluster's name.
    pub cluster: String,
    /// The region.
    pub region: String,
    /// What they became.
    pub role: Role,
    /// Names the run, in tags.
    pub launch: String,
    /// They.
    pub nodes: Vec<Launch>,
}

/// One node that was launched.
#[derive(Debug, Clone, Serialize)]
pub struct Launch {
    /// `i-...`, which is the Node's name.
    pub instance: String,
    /// Its subnet.
    pub subnet: String,
    /// Its way.
    pub stages: Vec<Reached>,
}

/// Decides what a launch would do, and changes nothing. The token in its user-data is none that a cluster knows.
///
/// # Errors
/// What is wrong with the description in this region; calls that fail.
pub async fn rehearse(order: &Order<'_>, region: &Region) -> Result<Plan, LaunchError> {
    let plan = decide(order, region, &Token::of_chance(entropy::bytes()?)).await?;
    allowed(&plan, region).await?;
    Ok(plan)
}

/// Has EC2 judge every call of a plan.
pub(super) async fn allowed(plan: &Plan, region: &Region) -> Result<(), LaunchError> {
    for call in &plan.calls {
        region.rehearse(call).await?;
    }
    Ok(())
}

/// Launches workers and waits until all are Ready.
///
/// # Errors
/// What is wrong; instances that do not become nodes. They go on to run.
pub async fn launch(order: &Order<'_>, desk: &Desk<'_>) -> Result<Launched, LaunchError> {
    let token = Token::of_chance(entropy::bytes()?);
    let plan = decide(order, desk.region, &token).await?;
    let ttl_s = TTL_S.min(desk.limit.as_secs() + TOKEN_SPARE_S);
    let what = format!("kiln launch {}: {} nodes of {}", plan.launch, plan.count(), plan.cluster);
    let new = token.created(clock::now_s(), ttl_s, &what)?;
    let failed = |source| LaunchError::Api { what: "can't make a bootstrap token", source };
    desk.client.token_create(&new).await.map_err(failed)?;
    let left = format!(
        "its instances have the tag {}={} and go on to run, kiln launch --terminate ends them; token {} is good until \
         {}, kiln token revoke {} ends it",
        tag::LAUNCH,
        plan.launch,
        token.id,
        new.expiration,
        token.id
    );
    interrupt::leaves(&left);
    let made = make(&plan, &token.id, order, desk).await;
    revoke(&token.id, desk).await;
    interrupt::leaves_nothing();
    Ok(launched(order, &plan.launch, made?))
}

/// Looks and decides.
async fn decide(order: &Order<'_>, region: &Region, token: &Token) -> Result<Plan, LaunchError> {
    let image = look::image(order, region).await?;
    let given = Joins::parse(&token.reveal()).expect("a token that was drawn is one");
    let given = (order.role == Role::Worker).then_some(&given);
    let given = Given { ca: order.ca, token: given, ..Given::default() };
    let user_data = render(order.cluster, order.role, &given, order.form)?;
    let launch = name_of_run()?;
    Ok(plan(order, &image, &launch, &user_data))
}

async fn make(
    plan: &Plan,
    token: &str,
    order: &Order<'_>,
    desk: &Desk<'_>,
) -> Result<Vec<Birth>, LaunchError> {
    let endpoint = layer::endpoint(order.cluster, order.role);
    let goal = Goal::Joins { endpoint };
    let mut watch = Watch::new((desk.region, Some(desk.client)), desk.progress, Some(token), goal);
    for call in &plan.calls {
        one(call, &mut watch).await?;
    }
    watch.until_ready(desk.limit).await?;
    Ok(watch.births)
}

async fn one(call: &NewInstances, watch: &mut Watch<'_>) -> Result<(), LaunchError> {
    match watch.region.run(call).await {
        Ok(made) => {
            watch.add(&made);
            Ok(())
        }
        Err(call) if watch.births.is_empty() => Err(call.into()),
        Err(call) => {
            let made = watch.births.iter().map(|birth| birth.id.clone()).collect();
            Err(LaunchError::Partly { made, call })
        }
    }
}

/// A token that can't be revoked ends by itself within the hour; that is told and is no failure.
async fn revoke(id: &str, desk: &Desk<'_>) {
    match desk.client.token_delete(id).await {
        Ok(()) | Err(ApiError { kind: ApiErrorKind::NotFound { .. }, .. }) => {}
        Err(error) => {
            desk.progress.say(&format!(
                "warning: token {id} is not revoked ({error}); kiln token revoke {id} ends it"
            ));
        }
    }
}

/// Returns what came of it.
pub(super) fn launched(order: &Order<'_>, run: &str, births: Vec<Birth>) -> Launched {
    let node = |Birth { id, subnet, reached, .. }| Launch { instance: id, subnet, stages: reached };
    Launched {
        cluster: order.cluster.name.clone(),
        region: order.cluster.region.clone(),
        role: order.role,
        launch: run.to_owned(),
        nodes: births.into_iter().map(node).collect(),
    }
}

/// Draws a name for a run.
pub(super) fn name_of_run() -> Result<String, LaunchError> {
    Ok(entropy::bytes::<8>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}
