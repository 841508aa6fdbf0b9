// SPDX-License-Identifier: Apache-2.0
//! The flow that makes a cluster of nodes: control plane, access to it, a token and a start for each worker, until all
//! are Ready.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use ipnet::IpNet;

use super::access::{self, Api};
use super::error::LabError;
use super::forwarder;
use super::ground::Ground;
use super::helper;
use super::join::{self, Joining, LIMIT, Watch};
use super::machines;
use super::node::Node;
use super::node::begin::NodeOrder;
use super::plan::{Lab, Name};
use super::shape::{self, Worker};
use super::up::Made;
use crate::host::entropy;
use crate::progress::Progress;
use crate::settings::Runtime;

/// Disk of a node: thin, it takes what is written.
const DISK_BYTES: u64 = 16 << 30;

/// Makes the cluster and returns its nodes, all Ready, the control plane first.
///
/// # Errors
/// If a machine fails or takes longer than [`LIMIT`].
pub fn form(made: &mut Made, workers: u8, progress: &dyn Progress) -> Result<Vec<Joining>, LabError> {
    let name: Name = shape::CONTROL.parse()?;
    let settings = made.record.shape.control_settings(&instance(&made.lab, &name)?);
    let node = machines::start_first(made, &order(&name, shape::control(), settings, None), progress)?;
    let control = Joining::new(node, None, progress);
    wait_for_files(&control.node)?;
    let target = SocketAddr::new(shape::control().addr(), shape::API_PORT);
    let port = match &made.record.ground {
        Ground::Nspawn { link } => forwarder::begin(&made.lab, &link.namespace, target, &made.kiln)?,
        Ground::Qemu(machines) => helper::begin_access(&made.lab, machines, target)?,
    };
    access::take(&made.lab, &control.node, port)?;
    let api = Api::of(&made.lab)?;
    let mut watch = Watch::new(&api, made.record.ground.pace(), progress);
    watch.joining.push(control);
    watch.until(LIMIT, |_| api.is_open())?;
    for place in 1..=workers {
        let joining = begin_worker(made, &api, Worker(place), made.record.shape.runtime, progress)?;
        watch.joining.push(joining);
    }
    watch.until_ready(LIMIT)?;
    finish(&api, watch.joining)
}

/// Adds one worker to a whole lab and returns it once it is Ready.
///
/// # Errors
/// If this machine has no room for it, or it fails or takes longer than [`LIMIT`].
pub fn add(made: &Made, runtime: Option<Runtime>, progress: &dyn Progress) -> Result<Vec<Joining>, LabError> {
    made.has_room()?;
    let taken: Vec<Worker> =
        Node::all(&made.lab)?.iter().filter_map(|node| Worker::of(&node.record.name)).collect();
    let runtime = runtime.unwrap_or(made.record.shape.runtime);
    let api = Api::of(&made.lab)?;
    let mut watch = Watch::new(&api, made.record.ground.pace(), progress);
    watch.joining.push(begin_worker(made, &api, Worker::free(&taken), runtime, progress)?);
    watch.until_ready(LIMIT)?;
    finish(&api, watch.joining)
}

/// Waits until a control plane's first phase has made its files.
fn wait_for_files(control: &Node) -> Result<(), LabError> {
    control.wait("made the cluster's keys", LIMIT, || {
        let state = control.property(Some(join::FIRST_BOOT), "ActiveState").unwrap_or_default();
        if state == "failed" {
            join::check(control)?;
        }
        Ok((state == "active").then_some(()))
    })
}

fn begin_worker(
    made: &Made,
    api: &Api,
    worker: Worker,
    runtime: Runtime,
    progress: &dyn Progress,
) -> Result<Joining, LabError> {
    let name = worker.name()?;
    let token = api.make_token(&made.lab.name, &name)?;
    let settings = made.record.shape.worker_settings(runtime, &instance(&made.lab, &name)?, &api.ca);
    let node = made.start(&order(&name, worker.address(), settings, Some(token.reveal())))?;
    Ok(Joining::new(node, Some(token.id), progress))
}

/// Nobody needs the tokens any more.
fn finish(api: &Api, joined: Vec<Joining>) -> Result<Vec<Joining>, LabError> {
    for id in joined.iter().filter_map(|joining| joining.token.as_deref()) {
        api.ask(async |client| client.token_delete(id).await)?;
    }
    Ok(joined)
}

/// Returns what tells a machine from all others, also from one that had its name before.
fn instance(lab: &Lab, node: &Name) -> Result<String, LabError> {
    let chance = u64::from_le_bytes(entropy::bytes()?);
    Ok(format!("kiln-lab-{}-{node}-{chance:016x}", lab.name))
}

fn order(name: &Name, address: IpNet, settings: String, token: Option<String>) -> NodeOrder {
    let token = token.map(|token| ("kiln.token".to_owned(), token.into_bytes()));
    let settings = ("kiln.settings".to_owned(), settings.into_bytes());
    NodeOrder {
        name: name.clone(),
        address,
        gateway: Some(shape::bridge().addr()),
        disk_bytes: DISK_BYTES,
        credentials: BTreeMap::from_iter([settings].into_iter().chain(token)),
    }
}
