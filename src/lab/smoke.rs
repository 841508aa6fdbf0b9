// SPDX-License-Identifier: Apache-2.0
//! The smoke test: a small server on every node, each asked about every other, by way of the pod network, a Service and a
//! name; then all of it is taken away again.

pub mod matrix;
mod objects;

use std::time::{Duration, Instant};

use serde_json::Value;

use super::access::Api;
use super::error::LabError;
use super::pace::Pace;
use crate::cluster::{ApiError, ApiErrorKind, Object, ObjectRef};
use crate::progress::Progress;
use matrix::{Cell, Matrix, Target, judge};

/// Longest start of a pod on a machine that is busy with others.
const POD_LIMIT: Duration = Duration::from_secs(180);
/// Rules for a Service follow its pods by seconds; the cluster's own DNS may still be starting.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);
/// Longest removal of a namespace.
const REMOVAL_LIMIT: Duration = Duration::from_secs(120);
/// How often what is waited for is looked at.
const PAUSE: Duration = Duration::from_millis(300);

/// A pod that runs.
struct Running {
    node: String,
    address: String,
}

/// The cluster that is tested, and how patient one has to be with its nodes.
#[derive(Clone, Copy)]
struct Tested<'a> {
    api: &'a Api,
    pace: Pace,
}

/// Runs the test and returns what came of it. What an earlier one left is removed before. `pace` is that of the lab's nodes.
///
/// # Errors
/// If the API server refuses, or a pod does not start; whatever was made is removed all the same.
pub fn smoke(api: &Api, pace: Pace, progress: &dyn Progress) -> Result<Matrix, LabError> {
    let tested = Tested { api, pace };
    tested.remove()?;
    progress.begin("smoke", "a server starts on every node", None);
    let matrix = tested.deploy().and_then(|pods| {
        progress.now("smoke", "every node asks every node, the Service and its name");
        tested.ask_all(&pods)
    });
    progress.now("smoke", "all of it is removed");
    tested.remove()?;
    progress.end("smoke", "");
    matrix
}

impl Tested<'_> {
    fn deploy(self) -> Result<Vec<Running>, LabError> {
        let nodes = self.api.ask(async |client| client.nodes().await)?;
        for object in objects::ground() {
            self.api.ask(async |client| client.create(&object).await)?;
        }
        for node in &nodes {
            self.api.ask(async |client| client.create(&objects::pod(&node.meta.name)).await)?;
        }
        nodes.into_iter().map(|node| self.wait_for_pod(node.meta.name)).collect()
    }

    fn wait_for_pod(self, node: String) -> Result<Running, LabError> {
        let place = objects::pod(&node).place();
        let until = Instant::now() + self.pace.limit(POD_LIMIT);
        loop {
            let Object(pod) = self.api.ask(async |client| client.get(&place).await)?;
            if let Some(address) = ready_address(&pod) {
                return Ok(Running { node, address });
            }
            if Instant::now() > until {
                return Err(LabError::Pod { node, why: why_not(&pod) });
            }
            std::thread::sleep(self.pace.pause(PAUSE));
        }
    }

    fn ask_all(self, pods: &[Running]) -> Result<Matrix, LabError> {
        let service = objects::ground()[2].place();
        let Object(service) = self.api.ask(async |client| client.get(&service).await)?;
        let mut targets: Vec<(Target, String)> = pods
            .iter()
            .map(|pod| (Target::Node(pod.node.clone()), format!("http://{}:{}/", pod.address, objects::PORT)))
            .collect();
        let address = service["spec"]["clusterIP"].as_str().unwrap_or_default();
        targets.push((Target::Service, format!("http://{address}/")));
        targets.push((Target::Name, format!("http://{}/", objects::SERVICE)));
        let until = Instant::now() + self.pace.limit(ANSWER_LIMIT);
        let mut cells = Vec::new();
        for pod in pods {
            for (to, url) in &targets {
                let trouble = self.ask_until(pod, to, url, until);
                cells.push(Cell { from: pod.node.clone(), to: to.clone(), trouble });
            }
        }
        Ok(Matrix(cells))
    }

    /// Asks until it is as it should be; nothing: it is.
    fn ask_until(self, pod: &Running, to: &Target, url: &str, until: Instant) -> Option<String> {
        loop {
            let name = objects::pod_name(&pod.node);
            let place = (objects::NAMESPACE, &name[..], objects::PORT);
            let told = self.api.ask(async |client| client.pod_get(place, "fetch", &[("url", url)]).await);
            let trouble = match told {
                Ok(told) => judge(&told, &pod.address, to),
                Err(error) => Some(format!("the API server does not reach its pod: {error}")),
            };
            if trouble.is_none() || Instant::now() > until {
                return trouble;
            }
            std::thread::sleep(self.pace.pause(PAUSE));
        }
    }

    /// Removes the namespace and waits until it is gone.
    fn remove(self) -> Result<(), LabError> {
        let place: ObjectRef = objects::namespace();
        if is_gone(self.api.ask(async |client| client.delete(&place, None).await))? {
            return Ok(());
        }
        let until = Instant::now() + self.pace.limit(REMOVAL_LIMIT);
        while !is_gone(self.api.ask(async |client| client.get(&place).await.map(drop)))? {
            if Instant::now() > until {
                return Err(LabError::Namespace(objects::NAMESPACE));
            }
            std::thread::sleep(self.pace.pause(PAUSE));
        }
        Ok(())
    }
}

fn ready_address(pod: &Value) -> Option<String> {
    let conditions = pod["status"]["conditions"].as_array()?;
    let is_ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    conditions.iter().any(is_ready).then(|| pod["status"]["podIP"].as_str().map(str::to_owned))?
}

/// In kubelet's words, the innermost first.
fn why_not(pod: &Value) -> String {
    let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let why = text(&waiting["message"]).or(text(&waiting["reason"])).or(text(&pod["status"]["phase"]));
    why.unwrap_or_else(|| "kubelet has said nothing".to_owned())
}

fn is_gone(answer: Result<(), ApiError>) -> Result<bool, LabError> {
    match answer {
        Ok(()) => Ok(false),
        Err(ApiError { kind: ApiErrorKind::NotFound { .. }, .. }) => Ok(true),
        // It is going already.
        Err(ApiError { kind: ApiErrorKind::Conflict { .. }, .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
