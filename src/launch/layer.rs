// SPDX-License-Identifier: Apache-2.0
//! Layer: what the nodes of a role are told, as a layer of settings: the description's own, and what follows from it.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde_yaml::{Mapping, Value};

use super::cluster::Cluster;
use super::user_data::Given;
use crate::marks::at::At;
use crate::marks::report::Report;
use crate::marks::{self, shape};
use crate::names::SHARED_TOKEN;
use crate::problem::{Problem, Problems};
#[cfg(feature = "aws")]
use crate::resource::is_id;
use crate::settings::keys::{self, Scope};
use crate::settings::ranges::Cut;
use crate::settings::{Role, VERSION, check as settings, secret};

/// kubeadm's `bindPort`.
const API_PORT: u16 = 6443;

/// Returns the layer of a role.
pub(super) fn layer(cluster: &Cluster, role: Role, given: &Given<'_>) -> Mapping {
    let group = cluster.group(role);
    let mut layer = derived(cluster, role, given);
    for stronger in [&cluster.settings, &group.settings] {
        merge(&mut layer, stronger);
    }
    // Whose settings they are is not for them to say.
    layer.insert("role".into(), word(role).into());
    layer
}

/// What a person need not write.
fn derived(cluster: &Cluster, role: Role, given: &Given<'_>) -> Mapping {
    let address = cluster.control_plane.address;
    let endpoint = address.map(own_endpoint);
    let mut layer = Mapping::new();
    layer.insert("version".into(), VERSION.into());
    let mut api = Mapping::new();
    api.extend(endpoint.map(|endpoint| ("endpoint".into(), endpoint.into())));
    match role {
        // It makes the CA itself.
        Role::ControlPlane => {
            let addresses: Vec<Value> = address.iter().map(|address| address.to_string().into()).collect();
            layer.insert("node".into(), one("addresses", addresses.into()));
        }
        Role::Worker => api.extend(given.ca.map(|ca| ("ca".into(), ca.into()))),
    }
    layer.insert("api".into(), api.into());
    let subnets: Vec<Value> = cluster.subnets().into_iter().map(Value::from).collect();
    let mut cloud = Mapping::new();
    cloud.insert("subnets".into(), subnets.into());
    if let Some(request) = given.operator {
        cloud.insert("share".into(), own_share(cluster).into());
        cloud.insert("operator".into(), request.into());
    }
    if given.shares_token {
        cloud.insert("token_parameter".into(), own_token(cluster).into());
        if role == Role::ControlPlane {
            cloud.insert("group".into(), group_name(cluster).into());
        }
    }
    layer.insert("cloud".into(), cloud.into());
    layer
}

fn own_endpoint(address: IpAddr) -> String {
    format!("https://{}", SocketAddr::new(address, API_PORT))
}

fn own_share(cluster: &Cluster) -> String {
    format!("/kiln/clusters/{}", cluster.name)
}

/// Returns the name of the cluster's group of workers, and of its launch template.
pub(super) fn group_name(cluster: &Cluster) -> String {
    format!("kiln-{}-worker", cluster.name)
}

fn own_token(cluster: &Cluster) -> String {
    format!("{}/{SHARED_TOKEN}", own_share(cluster))
}

/// Returns the parameter that a group's instances read their token from.
#[cfg(feature = "aws")]
pub(super) fn token_parameter(cluster: &Cluster) -> String {
    let given = Given { shares_token: true, ..Given::default() };
    let layer = layer(cluster, Role::Worker, &given);
    let found = layer.get("cloud").and_then(|cloud| cloud.get("token_parameter")).and_then(Value::as_str);
    found.map_or_else(|| own_token(cluster), str::to_owned)
}

/// Returns the path of parameters below which a control plane shares what is public of its cluster.
#[cfg(feature = "aws")]
pub(super) fn share(cluster: &Cluster) -> String {
    let given = Given { operator: Some(""), ..Given::default() };
    let layer = layer(cluster, Role::ControlPlane, &given);
    let found = layer.get("cloud").and_then(|cloud| cloud.get("share")).and_then(Value::as_str);
    found.map_or_else(|| own_share(cluster), str::to_owned)
}

/// Returns the id of the volume that the control plane's cluster is on, if it is one of EBS.
#[cfg(feature = "aws")]
pub(super) fn data_volume(cluster: &Cluster) -> Option<String> {
    let layer = layer(cluster, Role::ControlPlane, &Given::default());
    let found = layer.get("control_plane").and_then(|plane| plane.get("data_volume")).and_then(Value::as_str);
    found.filter(|name| is_id(name, "vol-")).map(str::to_owned)
}

/// Returns where the nodes of a role go.
#[cfg(feature = "aws")]
pub(super) fn endpoint(cluster: &Cluster, role: Role) -> String {
    let layer = layer(cluster, role, &Given::default());
    let found = layer.get("api").and_then(|api| api.get("endpoint")).and_then(Value::as_str);
    found.unwrap_or_default().to_owned()
}

/// Returns a role as settings have it.
pub(super) fn word(role: Role) -> &'static str {
    match role {
        Role::Worker => "worker",
        Role::ControlPlane => "control-plane",
    }
}

fn one(key: &str, value: Value) -> Value {
    let mut map = Mapping::new();
    map.insert(key.into(), value);
    map.into()
}

/// As layers are merged: maps deeply, lists and texts whole.
fn merge(weaker: &mut Mapping, stronger: &Mapping) {
    for (key, value) in stronger {
        match (weaker.get_mut(key), value) {
            (Some(Value::Mapping(weaker)), Value::Mapping(stronger)) => merge(weaker, stronger),
            _ => {
                weaker.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Checks what the parts say together, for each role.
pub(super) fn check(cluster: &Cluster, at: &At<'_>, report: &mut Report) {
    if !report.is_clean() {
        return;
    }
    for (role, key) in [(Role::ControlPlane, "control_plane"), (Role::Worker, "workers")] {
        for problem in wrong(&text(cluster, role, &Given::default())).0 {
            let what = format!("all settings of this role together: {}: {}", problem.key, problem.what);
            report.wrong_key(&at.key(key), what, problem.fix);
        }
    }
}

/// Returns the layer as a text in which a node finds nothing wrong, and nobody a secret: what is given beside the description
/// is judged here.
///
/// # Errors
/// All that a node would refuse, or that is not for others to see.
pub(super) fn judged(cluster: &Cluster, role: Role, given: &Given<'_>) -> Result<String, Problems> {
    let text = text(cluster, role, given);
    let wrong = wrong(&text);
    if wrong.0.is_empty() { Ok(text) } else { Err(wrong) }
}

/// Returns what is wrong with a layer by a node's own rules; what other layers may say is not missed.
fn wrong(text: &str) -> Problems {
    let mut report = Report::new(Path::new("settings in user-data"));
    let (tree, faults) = marks::parse(text, 0);
    for fault in faults {
        report.add(fault.place, &fault.key, fault.what, fault.fix);
    }
    let tree = tree.and_then(|tree| secret::pruned(&At::root(&tree), &mut report));
    let fitting =
        tree.and_then(|tree| shape::check(&At::root(&tree), &keys::schema(Scope::Part), &mut report));
    report.end_of_shapes();
    if let Some(fitting) = fitting {
        settings::check(&At::root(&fitting), &Cut::default(), settings::Extent::Part, &mut report);
    }
    // Places in a text that nobody has written help nobody.
    let placeless = |problem: Problem| Problem { place: None, ..problem };
    Problems(report.into_problems().0.into_iter().map(placeless).collect())
}

/// Returns the layer as a text.
fn text(cluster: &Cluster, role: Role, given: &Given<'_>) -> String {
    let yaml =
        serde_yaml::to_string(&layer(cluster, role, given)).expect("settings hold nothing that YAML can't");
    format!("# Cluster {}, role {}; written by kiln.\n{yaml}", cluster.name, word(role))
}
