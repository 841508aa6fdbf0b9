// SPDX-License-Identifier: Apache-2.0
//! The flow of a farewell: look, decide; then no new pods, pods leave, instances end, and last, once a machine is off, its
//! Node is deleted, which frees its block.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::error::LaunchError;
use super::farewell::{Farewell, Going, Known, Meant, farewell, leaving};
use super::{tag, trust};
use crate::cloud::{InstanceState, Region};
use crate::cluster::{ApiError, ApiErrorKind, Client, ObjectRef, Pod};
use crate::names::ALLOW_DELETE;
use crate::progress::Progress;

/// How often pods and instances are looked at.
const PAUSE: Duration = Duration::from_secs(2);

/// What a farewell works with.
pub struct Leaving<'a> {
    /// The region.
    pub region: &'a Region,
    /// The cluster, as an administrator; none where it is gone already, or goes as a whole.
    pub client: Option<&'a Client>,
    /// Hears how it goes.
    pub progress: &'a dyn Progress,
    /// Longest time for pods to leave, and for instances to end.
    pub limit: Duration,
    /// Whether pods are given time to leave.
    pub drains: bool,
    /// The path of parameters below which the cluster's control plane shares what is public.
    pub share: &'a str,
}

impl std::fmt::Debug for Leaving<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leaving")
            .field("region", &self.region)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// Decides what would go, and changes nothing.
///
/// # Errors
/// Calls that fail.
pub async fn look_back(cluster: &str, meant: &Meant, desk: &Leaving<'_>) -> Result<Farewell, LaunchError> {
    let found = desk.region.instances_tagged(tag::CLUSTER, cluster).await?;
    let of = (cluster, desk.region.name());
    let mut going = farewell(of, meant, &found, &[]);
    if let Some(group) = &meant.group
        && going.instances.is_empty()
        && desk.region.group(group).await?.is_none()
    {
        going.group = None;
    }
    if going.is_whole {
        let shared = desk.region.parameters(&trust::all_names(desk.share)).await?;
        going.parameters = shared.into_keys().collect();
    }
    let Some(client) = desk.client.filter(|_| !going.is_whole) else { return Ok(going) };
    let nodes = client.nodes().await.map_err(failed("can't list Nodes"))?;
    let mut going = Farewell { group: going.group, ..farewell(of, meant, &found, &nodes) };
    for one in going.instances.iter_mut().filter(|one| one.node.is_some()) {
        let pods = client.pods_on(&one.id).await.map_err(failed("can't list pods"))?;
        one.pods = leaving(&pods).count();
    }
    Ok(going)
}

/// Terminates what was decided.
///
/// # Errors
/// What fails; pods that do not leave in time, and then nothing is terminated.
pub async fn terminate(going: &Farewell, desk: &Leaving<'_>) -> Result<(), LaunchError> {
    let client = desk.client.filter(|_| !going.is_whole);
    let nodes: Vec<(&str, &Known)> = going
        .instances
        .iter()
        .filter_map(|Going { id, node, .. }| Some((id.as_str(), node.as_ref()?)))
        .collect();
    if let Some(client) = client.filter(|_| desk.drains) {
        for (id, node) in &nodes {
            cordon(client, id, &node.uid).await.map_err(failed("can't keep new pods away"))?;
        }
        drain(client, &nodes, desk).await?;
    }
    match &going.group {
        Some(group) => desk.region.delete_group(group).await?,
        None => desk.region.terminate(&going.ids()).await?,
    }
    ended(going, desk).await?;
    for (id, node) in nodes {
        let Some(client) = client else { break };
        remove(client, id, &node.uid)
            .await
            .map_err(failed("can't delete the Node of a machine that is off"))?;
        desk.progress.say(&format!("{id} is off, and its Node is deleted"));
    }
    // Whoever launches the next one of this name is not to find them.
    for name in &going.parameters {
        desk.region.delete_parameter(name).await?;
        desk.progress.say(&format!("{name} is removed"));
    }
    Ok(())
}

fn failed(what: &'static str) -> impl Fn(ApiError) -> LaunchError {
    move |source| LaunchError::Api { what, source }
}

async fn cordon(client: &Client, id: &str, uid: &str) -> Result<(), ApiError> {
    let patch = json!([
        { "op": "test", "path": "/metadata/uid", "value": uid },
        { "op": "add", "path": "/spec/unschedulable", "value": true },
    ]);
    client.node_patch(id, &patch).await.map(drop)
}

/// Asks all pods to leave until none is left: budgets say when.
async fn drain(client: &Client, nodes: &[(&str, &Known)], desk: &Leaving<'_>) -> Result<(), LaunchError> {
    let start = Instant::now();
    loop {
        let mut left = Vec::new();
        for (id, _) in nodes {
            let pods = client.pods_on(id).await.map_err(failed("can't list pods"))?;
            for pod in leaving(&pods) {
                left.push(format!(
                    "{id}: {}/{}{}",
                    pod.meta.namespace,
                    pod.meta.name,
                    evict(client, pod).await?
                ));
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        if start.elapsed() >= desk.limit {
            return Err(LaunchError::NotDrained { left, limit_s: desk.limit.as_secs() });
        }
        desk.progress.say(&format!("{} pods have yet to leave", left.len()));
        sleep(PAUSE).await;
    }
}

/// Returns why a pod stays for now, if it is not on its way.
async fn evict(client: &Client, pod: &Pod) -> Result<String, LaunchError> {
    if pod.meta.deletion_timestamp.is_some() {
        return Ok(String::new());
    }
    match client.pod_evict(&pod.meta).await.map_err(|error| (error.may_pass(), error)) {
        // It is gone, or another one has its name, which the next look tells.
        Ok(()) => Ok(String::new()),
        Err((_, ApiError { kind: ApiErrorKind::NotFound { .. } | ApiErrorKind::Conflict { .. }, .. })) => {
            Ok(String::new())
        }
        Err((true, error)) => Ok(format!(" ({})", error.kind)),
        Err((false, source)) => Err(failed("can't ask a pod to leave")(source)),
    }
}

/// Waits until every machine is off: a Node that is deleted before loses its block to another while it runs.
async fn ended(going: &Farewell, desk: &Leaving<'_>) -> Result<(), LaunchError> {
    let start = Instant::now();
    if going.instances.is_empty() {
        return Ok(());
    }
    loop {
        let known = desk.region.instances_left(&going.ids()).await?;
        let is_there = known.into_iter().filter(|it| it.state != InstanceState::Terminated);
        let left: Vec<String> = is_there.map(|it| it.id).collect();
        if left.is_empty() {
            return Ok(());
        }
        if start.elapsed() >= desk.limit {
            return Err(LaunchError::NotEnded { left, limit_s: desk.limit.as_secs() });
        }
        sleep(PAUSE).await;
    }
}

/// Deletes the Node with this UID. One that is still called Ready is told to be meant: the control plane has not noticed yet.
async fn remove(client: &Client, id: &str, uid: &str) -> Result<(), ApiError> {
    let is_gone = |error: &ApiError| {
        matches!(error.kind, ApiErrorKind::NotFound { .. } | ApiErrorKind::Conflict { .. })
    };
    let node = match client.node_get(id).await {
        Ok(node) if node.meta.uid == uid => node,
        Ok(_) => return Ok(()),
        Err(error) if is_gone(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    if node.is_ready {
        let meant = BTreeMap::from([(ALLOW_DELETE.to_owned(), Some("true".to_owned()))]);
        client.node_annotate(id, uid, &meant).await?;
    }
    let place =
        ObjectRef { api_version: "v1".into(), kind: "Node".into(), namespace: None, name: id.to_owned() };
    match client.delete(&place, Some(uid)).await {
        Err(error) if !is_gone(&error) => Err(error),
        _ => Ok(()),
    }
}
