// SPDX-License-Identifier: Apache-2.0
//! Flow: a control plane tells an auto scaling group which of its instances are no healthy nodes, so that the group replaces
//! machines that run and are none.

use std::collections::BTreeMap;
use std::time::Instant;

use super::super::apply::fault::reason;
use super::super::apply_plane::Admins;
use super::super::outcome::Outcome;
use super::super::reason::Reason;
use super::super::step::Step;
use super::super::tend::{self, Health, Verdict};
use super::share::failed;
use super::{Diary, Run, RunError};
use crate::aws::AutoScaling;
use crate::cluster::{ApiError, Client, Node, ObjectRef};
use crate::host::clock;

impl Run<'_> {
    /// Tells the group; returns what is odd about it, in a line.
    pub(super) async fn tend(
        &self,
        diary: &mut Diary,
        admins: &Admins,
        scaling: Option<&AutoScaling>,
    ) -> Result<Result<Option<String>, Reason>, RunError> {
        let (Some(group), Some(scaling)) = (&self.settings.cloud.group, scaling) else { return Ok(Ok(None)) };
        let members = match scaling.members(group).await {
            Ok(members) => members,
            Err(error) => return Ok(Err(failed("can't look at the group of workers")(error))),
        };
        let counted: Vec<String> = members.into_iter().filter(|it| it.counts).map(|it| it.id).collect();
        let nodes = match healths(&admins.clients.admin, &counted).await {
            Ok(nodes) => nodes,
            Err(error) => return Ok(Err(reason(error))),
        };
        let bad = match tend::verdict(&counted, &nodes) {
            Verdict::Common(bad, of) => {
                let what = format!(
                    "{bad} of {of} instances of {group} are no Ready nodes at once; none is replaced for it"
                );
                return Ok(Ok(Some(what)));
            }
            Verdict::Unhealthy(bad) => bad,
        };
        for id in bad {
            let told = scaling.set_unhealthy(&id).await.map_err(failed("can't tell the group of workers"));
            let outcome = told.clone().map_or_else(Outcome::Trouble, |()| Outcome::Changed);
            diary.tried(self.root, &Step::Unhealthy(id), Instant::now(), &Ok(outcome))?;
            if let Err(reason) = told {
                return Ok(Err(reason));
            }
        }
        Ok(Ok(None))
    }
}

/// Returns how the Nodes of these names are.
async fn healths(client: &Client, names: &[String]) -> Result<BTreeMap<String, Health>, ApiError> {
    let mut found = BTreeMap::new();
    for node in client.nodes().await?.into_iter().filter(|node| names.contains(&node.meta.name)) {
        let health = if node.is_ready { Health::Ready } else { since(client, &node).await? };
        found.insert(node.meta.name, health);
    }
    Ok(found)
}

/// The API server runs on this machine, so its times are this clock's.
async fn since(client: &Client, node: &Node) -> Result<Health, ApiError> {
    let place = ObjectRef {
        api_version: "v1".into(),
        kind: "Node".into(),
        namespace: None,
        name: node.meta.name.clone(),
    };
    let object = client.get(&place).await?;
    let conditions = object.0["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
    let moment = ready.and_then(|ready| ready["lastTransitionTime"].as_str());
    // Before kubelet's first word a Node has no condition.
    let moment = moment.unwrap_or(&node.meta.creation_timestamp);
    Ok(Health::NotReady(crate::token::past_s(moment, clock::now_s()).unwrap_or(0)))
}
