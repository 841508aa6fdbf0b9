// SPDX-License-Identifier: Apache-2.0
//! Farewell: which instances of a cluster go, and which of their pods have to leave first. Pure.

use std::fmt;

use serde::Serialize;

use super::tag;
use crate::cloud::{Instance, InstanceState};
use crate::cluster::{Node, Pod};

/// kubelet mirrors pods of its own files so (kubernetes.io, "Well-Known Labels, Annotations and Taints").
const MIRROR: &str = "kubernetes.io/config.mirror";

/// What goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Farewell {
    /// The cluster's name.
    pub cluster: String,
    /// The region.
    pub region: String,
    /// The auto scaling group that they are all of, which goes with its template.
    pub group: Option<String>,
    /// Whether the control plane is among them, so that no Node and no pod has anywhere to go.
    pub is_whole: bool,
    /// They.
    pub instances: Vec<Going>,
    /// What its control plane has shared and goes with it: names of parameters.
    pub parameters: Vec<String>,
}

/// An instance that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Going {
    /// `i-...`
    pub id: String,
    /// `worker`, `control-plane`.
    pub role: String,
    /// Its Node, if there is one.
    pub node: Option<Known>,
    /// How many pods have to leave before.
    pub pods: usize,
}

/// A Node that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Known {
    /// Tells it from another one of its name.
    pub uid: String,
    /// Whether it is Ready.
    pub is_ready: bool,
}

/// Which of a cluster's instances are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meant {
    /// Those of this role; none: of any.
    pub role: Option<&'static str>,
    /// Those of these ids; empty: all.
    pub ids: Vec<String>,
    /// Those of this auto scaling group; none: those of none.
    pub group: Option<String>,
}

/// Returns what goes; `nodes` are the cluster's, if it was asked.
pub fn farewell(
    (cluster, region): (&str, &str),
    meant: &Meant,
    found: &[Instance],
    nodes: &[Node],
) -> Farewell {
    let is_meant = |instance: &&Instance| {
        let role = instance.tags.get(tag::ROLE).map(String::as_str);
        let is_own = match &meant.group {
            Some(group) => instance.tags.get(tag::GROUP) == Some(group),
            // Those of a group would come back.
            None => instance.tags.contains_key(tag::LAUNCH),
        };
        is_own
            && meant.role.is_none_or(|wanted| role == Some(wanted))
            && (meant.ids.is_empty() || meant.ids.contains(&instance.id))
            && instance.state != InstanceState::Terminated
    };
    let mut instances: Vec<Going> = found.iter().filter(is_meant).map(|it| going(it, nodes)).collect();
    instances.sort_by(|one, other| one.id.cmp(&other.id));
    Farewell {
        cluster: cluster.to_owned(),
        region: region.to_owned(),
        group: meant.group.clone(),
        is_whole: instances.iter().any(|going| going.role == "control-plane"),
        instances,
        parameters: Vec::new(),
    }
}

fn going(instance: &Instance, nodes: &[Node]) -> Going {
    let node = nodes.iter().find(|node| node.meta.name == instance.id);
    Going {
        id: instance.id.clone(),
        role: instance.tags.get(tag::ROLE).cloned().unwrap_or_default(),
        node: node.map(|node| Known { uid: node.meta.uid.clone(), is_ready: node.is_ready }),
        pods: 0,
    }
}

/// Returns the pods that have to leave a node: not those that have ended, that kubelet runs by itself, or that a DaemonSet
/// would put there again.
pub fn leaving(pods: &[Pod]) -> impl Iterator<Item = &Pod> {
    pods.iter().filter(|pod| {
        let is_daemon = pod.meta.owner_references.iter().any(|owner| owner.kind == "DaemonSet");
        !pod.is_over && !is_daemon && !pod.meta.annotations.contains_key(MIRROR)
    })
}

impl Farewell {
    /// Returns whether nothing goes.
    pub fn is_empty(&self) -> bool {
        self.instances.is_empty() && self.group.is_none()
    }

    /// Returns the ids of those that go.
    pub fn ids(&self) -> Vec<String> {
        self.instances.iter().map(|going| going.id.clone()).collect()
    }
}

impl fmt::Display for Farewell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, many) = (self.instances.len(), if self.instances.len() == 1 { "" } else { "s" });
        if self.is_empty() {
            return writeln!(f, "nothing of cluster {} is there in {}", self.cluster, self.region);
        }
        writeln!(f, "terminate {count} instance{many} of cluster {} in {}:", self.cluster, self.region)?;
        self.group
            .iter()
            .try_for_each(|group| writeln!(f, "  {group:<20} group, and its launch template"))?;
        for Going { id, role, node, pods } in &self.instances {
            let node = match node {
                None => "no Node".to_owned(),
                Some(Known { is_ready: true, .. }) => format!("Node Ready, {pods} pods leave before"),
                Some(_) => format!("Node not Ready, {pods} pods leave before"),
            };
            writeln!(f, "  {id:<20} {role:<14} {}", if self.is_whole { "as it is" } else { &node })?;
        }
        self.parameters.iter().try_for_each(|name| writeln!(f, "  {name} (parameter)"))?;
        if self.is_whole {
            writeln!(
                f,
                "the control plane is among them: the cluster goes with it, and no pod has anywhere to go"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::Tags;
    use crate::cluster::{Meta, Owner};

    fn instance(id: &str, tags: &[(&str, &str)]) -> Instance {
        let tags: Tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let (subnet, image) = (String::new(), String::new());
        Instance {
            id: id.to_owned(),
            state: InstanceState::Running,
            reason: None,
            subnet,
            image,
            tags,
            attached: crate::cloud::Attached::default(),
            volumes: Vec::new(),
            started_s: 0,
        }
    }

    #[test]
    fn what_kiln_launched_goes_and_what_is_meant() {
        let worker = [(tag::ROLE, "worker"), (tag::LAUNCH, "1")];
        let found = [
            instance("i-2", &worker),
            instance("i-1", &[(tag::ROLE, "control-plane"), (tag::LAUNCH, "0")]),
            instance("i-3", &worker),
            instance("i-4", &[(tag::ROLE, "worker")]),
        ];
        let ids = |role, ids: &[&str]| {
            let ids = ids.iter().map(|id| (*id).to_owned()).collect();
            let meant = Meant { role, ids, group: None };
            let farewell = farewell(("demo", "eu-central-1"), &meant, &found, &[]);
            (farewell.ids().join(" "), farewell.is_whole)
        };
        assert_eq!(ids(None, &[]), ("i-1 i-2 i-3".to_owned(), true));
        assert_eq!(ids(Some("worker"), &[]), ("i-2 i-3".to_owned(), false));
        assert_eq!(ids(None, &["i-3", "i-4"]), ("i-3".to_owned(), false));
    }

    #[test]
    fn pods_that_would_not_leave_are_let_be() {
        let pod =
            |name: &str| Pod { meta: Meta { name: name.to_owned(), ..Meta::default() }, is_over: false };
        let mut pods = [pod("web"), pod("agent"), pod("static"), pod("done")];
        pods[1].meta.owner_references = vec![Owner { kind: "DaemonSet".to_owned(), ..Owner::default() }];
        pods[2].meta.annotations.insert(MIRROR.to_owned(), "hash".to_owned());
        pods[3].is_over = true;
        assert_eq!(leaving(&pods).map(|pod| pod.meta.name.as_str()).collect::<Vec<_>>(), ["web"]);
    }
}
