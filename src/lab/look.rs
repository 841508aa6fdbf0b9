// SPDX-License-Identifier: Apache-2.0
//! What there is: the machine's facts, the labs on it, and how their nodes are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::access::Api;
use super::error::LabError;
use super::lacks::{CONTROLLERS, FILESYSTEMS, Facts, PROGRAMS};
use super::node::Node;
use super::plan::{Lab, Name, NodeRecord, Places, Record};
use super::records;
use crate::host::{cgroups, files, resources};
use crate::stage::Stage;

/// Finds out what the machine has that a lab needs.
///
/// # Errors
/// If the kernel's own files can't be read.
pub fn facts(places: &Places) -> Result<Facts, LabError> {
    let missing_programs =
        PROGRAMS.map(|(name, _)| name).into_iter().filter(|name| resources::program(name).is_none());
    let mut missing_filesystems = Vec::new();
    for name in FILESYSTEMS {
        if !resources::may_mount(name)? {
            missing_filesystems.push(name);
        }
    }
    let controllers = cgroups::controllers()?;
    let missing_controllers = CONTROLLERS.into_iter().filter(|name| !controllers.contains(*name));
    Ok(Facts {
        is_root: resources::is_root(),
        missing_programs: missing_programs.collect(),
        has_loop: Path::new("/dev/loop-control").exists(),
        missing_filesystems,
        may_lower_oom_score: resources::has_capability(resources::CAP_SYS_RESOURCE),
        cgroup_v1: cgroups::hierarchies()?.iter().any(|hierarchy| !hierarchy.is_v2),
        missing_controllers: missing_controllers.collect(),
        watchers: resources::watchers_left()?,
        memory_bytes: resources::memory_bytes()?,
        disk_bytes: resources::free_bytes(&places.disks)?,
    })
}

/// Returns the labs of which anything is left, also half-made ones.
///
/// # Errors
/// If a folder can't be read.
pub fn labs(places: &Places) -> Result<BTreeSet<Name>, LabError> {
    // Control groups are root's labs.
    let groups = if resources::is_root() { cgroups::named("kiln-lab-")? } else { BTreeSet::new() };
    let mut names: BTreeSet<String> =
        groups.iter().filter_map(|name| Some(name.strip_prefix("kiln-lab-")?.to_owned())).collect();
    for folder in [&places.run, &places.disks].into_iter().filter(|folder| folder.exists()) {
        names.extend(files::list(folder)?.into_iter().filter_map(|name| name.into_string().ok()));
    }
    let name = |name: &String| name.strip_suffix(".lock").unwrap_or(name).parse().ok();
    Ok(names.iter().filter_map(name).collect())
}

/// Returns a lab's record; nothing: it has none.
///
/// # Errors
/// If it can't be read.
pub fn record(lab: &Lab) -> Result<Option<Record>, LabError> {
    if lab.record().exists() { records::read(&lab.record()).map(Some) } else { Ok(None) }
}

/// How a lab is.
#[derive(Debug, Clone, Serialize)]
pub struct Condition {
    /// Its name.
    pub name: Name,
    /// Its record, if it has come so far.
    pub record: Option<Record>,
    /// The kubeconfig of its administrator, if the cluster has come so far.
    pub kubeconfig: Option<PathBuf>,
    /// Its nodes.
    pub nodes: Vec<NodeState>,
}

/// How a node is.
#[derive(Debug, Clone, Serialize)]
pub struct NodeState {
    /// Whatever was recorded.
    pub record: NodeRecord,
    /// What its systemd says of the system (systemctl(1), is-system-running); nothing: it does not run.
    pub system: Option<String>,
    /// How far it is in the cluster, if that was asked and answered.
    pub stage: Option<Stage>,
}

/// Looks at a lab.
///
/// # Errors
/// If a record can't be read.
pub fn state(lab: &Lab) -> Result<Condition, LabError> {
    let mut nodes = Vec::new();
    for node in Node::all(lab)? {
        let system = node.system_now();
        nodes.push(NodeState { record: node.record, system, stage: None });
    }
    let kubeconfig = Some(lab.kubeconfig()).filter(|path| path.exists());
    Ok(Condition { name: lab.name.clone(), record: record(lab)?, kubeconfig, nodes })
}

/// Adds how far nodes are, as the lab's API server shows it.
///
/// # Errors
/// If it does not answer.
pub fn ask_stages(lab: &Lab, condition: &mut Condition) -> Result<(), LabError> {
    if condition.kubeconfig.is_some() {
        let shown = Api::of(lab)?.shown()?;
        for node in &mut condition.nodes {
            node.stage = Some(Stage::of(&node.record.name.to_string(), None, &shown));
        }
    }
    Ok(())
}
