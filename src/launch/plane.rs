// SPDX-License-Identifier: Apache-2.0
//! The flow that launches a control plane: the operator's key, the instance, what it shares, a kubeconfig, and watching until
//! its own Node is Ready. A run that was broken off is gone on with, as long as the key is there.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::birth::Goal;
use super::error::LaunchError;
use super::plan::{Order, Plan, plan};
use super::run::{Launched, allowed, launched, name_of_run};
use super::tag;
use super::trust::{self, NoKey, Shared};
use super::user_data::{Given, render};
use super::watch::Watch;
use super::{layer, look};
use crate::cloud::{Instance, InstanceState, Region};
use crate::cluster::{Access, Client, Proxy};
use crate::host::{entropy, files, interrupt};
use crate::progress::Progress;
use crate::settings::Role;

/// Keys have some hundred bytes.
const KEY_MAX_BYTES: u64 = 64 << 10;
/// Between two looks at an instance that is about to run.
const PAUSE: Duration = Duration::from_secs(1);
/// Nobody but its owner reads a key, or what leads to it.
const MODE: u32 = 0o600;

/// What the launch of a control plane works with.
pub struct PlaneDesk<'a> {
    /// The region.
    pub region: &'a Region,
    /// Hears how it goes.
    pub progress: &'a dyn Progress,
    /// Longest time until its Node is Ready.
    pub limit: Duration,
    /// The kubeconfig that is written; the operator's key is beside it.
    pub kubeconfig: &'a Path,
    /// Who the operator is to the cluster.
    pub operator: &'a str,
    /// Whether the control plane keeps a token for groups.
    pub shares_token: bool,
    /// The proxy between here and the control plane.
    pub proxy: Option<&'a Proxy>,
}

impl std::fmt::Debug for PlaneDesk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlaneDesk")
            .field("region", &self.region)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// Launches a control plane, writes its kubeconfig, and waits until its Node is Ready.
///
/// # Errors
/// What is wrong; an instance that does not become a control plane. It goes on to run.
pub async fn launch_plane(order: &Order<'_>, desk: &PlaneDesk<'_>) -> Result<Launched, LaunchError> {
    let there = standing(order, desk).await?;
    let key_file = beside(desk.kubeconfig);
    let key = key(&key_file)?;
    let share = layer::share(order.cluster);
    let stale = match there {
        Some(_) => None,
        None => forget(&share, desk).await?,
    };
    let goal = Goal::Shared { path: share.clone() };
    let mut watch = Watch::new((desk.region, None), desk.progress, None, goal);
    let (run, instance) = match there {
        Some(instance) => {
            desk.progress.say(&format!("{} is there already; going on with it", instance.id));
            (instance.tags.get(tag::LAUNCH).cloned().unwrap_or_default(), instance)
        }
        None => make(order, desk, &key).await?,
    };
    interrupt::leaves(&format!(
        "{} goes on to run; run it again to go on, or kiln launch --terminate ends it",
        instance.id
    ));
    watch.add(std::slice::from_ref(&instance));
    if let Some(volume) = layer::data_volume(order.cluster) {
        attach(&volume, &instance.id, desk).await?;
    }
    let shared = watch
        .until_shared(&trust::names(&share), desk.limit, |found| {
            trust::shared(found, &share, &key, stale.as_deref())
        })
        .await?;
    let client = open(order, desk, &shared, &key_file, &key)?;
    desk.progress.say(&format!("{} is written", desk.kubeconfig.display()));
    watch.client = Some(&client);
    watch.until_ready(desk.limit).await?;
    interrupt::leaves_nothing();
    Ok(launched(order, &run, std::mem::take(&mut watch.births)))
}

/// Decides what the launch of a control plane would do, and changes nothing: it makes no key, and another one stands in.
///
/// # Errors
/// As [`launch_plane`]'s, as far as they are known beforehand.
pub async fn rehearse_plane(order: &Order<'_>, desk: &PlaneDesk<'_>) -> Result<Plan, LaunchError> {
    let there = standing(order, desk).await?;
    let mut plan = decide(order, desk, &entropy::key_pem()?).await?;
    if let Some(instance) = there {
        desk.progress.say(&format!("{} is there already; a launch goes on with it", instance.id));
        plan.calls.clear();
    }
    allowed(&plan, desk.region).await?;
    Ok(plan)
}

/// Returns the control plane that a launch would go on with, if the cluster has one.
async fn standing(order: &Order<'_>, desk: &PlaneDesk<'_>) -> Result<Option<Instance>, LaunchError> {
    if desk.kubeconfig.exists() {
        return Err(LaunchError::Kubeconfig(desk.kubeconfig.to_owned()));
    }
    let there = existing(order, desk.region).await?;
    let key = beside(desk.kubeconfig);
    let (cluster, state) = (order.cluster.name.clone(), there.as_ref().map(|it| it.state));
    match there {
        // Until it is off it shares what the next one shares, by the same names.
        Some(Instance { id: instance, .. }) if state == Some(InstanceState::Ending) => {
            Err(LaunchError::PlaneEnding { cluster, instance })
        }
        Some(Instance { id: instance, .. }) if !key.exists() => {
            Err(LaunchError::Plane { cluster, instance, key })
        }
        there => Ok(there),
    }
}

/// Returns the cluster's control plane, if it has one; one that comes or stays rather than one that goes.
async fn existing(order: &Order<'_>, region: &Region) -> Result<Option<Instance>, LaunchError> {
    let found = region.instances_tagged(tag::CLUSTER, &order.cluster.name).await?;
    let role = layer::word(Role::ControlPlane);
    let is_plane = |it: &Instance| it.tags.get(tag::ROLE).map(String::as_str) == Some(role);
    Ok(found.into_iter().filter(is_plane).min_by_key(|it| it.state == InstanceState::Ending))
}

/// Removes what an earlier control plane of this name has left, since it would pass for the new one's: the operator may have the
/// same key. Returns the operator's certificate that was there, which a read may find for a moment more.
async fn forget(share: &str, desk: &PlaneDesk<'_>) -> Result<Option<String>, LaunchError> {
    let names = trust::all_names(share);
    let found = desk.region.parameters(&names).await?;
    for name in found.keys() {
        desk.region.delete_parameter(name).await?;
        desk.progress.say(&format!("{name} was an earlier cluster's, and is removed"));
    }
    let [_, operator] = trust::names(share);
    Ok(found.get(&operator).cloned())
}

/// Attaches the data volume as soon as the instance runs, unless it has it. Of one that ends the watch tells.
async fn attach(volume: &str, id: &str, desk: &PlaneDesk<'_>) -> Result<(), LaunchError> {
    let end = Instant::now() + desk.limit;
    while Instant::now() < end {
        let found = desk.region.instances(&[id.to_owned()]).await?;
        match found.first() {
            Some(instance) if instance.volumes.iter().any(|had| had == volume) => return Ok(()),
            Some(instance) if instance.state == InstanceState::Running => {
                desk.region.attach(volume, id).await?;
                desk.progress.say(&format!("{volume} is attached to {id}"));
                return Ok(());
            }
            Some(instance) if instance.state == InstanceState::Pending => {}
            _ => return Ok(()),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Returns where the operator's key is: `FILE.key`.
fn beside(kubeconfig: &Path) -> PathBuf {
    let mut name = kubeconfig.as_os_str().to_owned();
    name.push(".key");
    name.into()
}

/// Returns the operator's key, made where there is none. It is on the disk before anybody is asked to sign for it.
fn key(path: &Path) -> Result<String, LaunchError> {
    if path.exists() {
        let bytes = files::read(path, KEY_MAX_BYTES)?;
        let source = NoKey("it is no text".to_owned());
        return String::from_utf8(bytes).map_err(|_| LaunchError::Key { path: path.to_owned(), source });
    }
    let key = entropy::key_pem()?;
    files::replace(path, key.as_bytes(), MODE)?;
    Ok(key)
}

/// Looks and decides.
async fn decide(order: &Order<'_>, desk: &PlaneDesk<'_>, key: &str) -> Result<Plan, LaunchError> {
    let image = look::image(order, desk.region).await?;
    let request = trust::request(key, desk.operator)
        .map_err(|source| LaunchError::Key { path: beside(desk.kubeconfig), source })?;
    let given = Given { operator: Some(&request), shares_token: desk.shares_token, ..Given::default() };
    let user_data = render(order.cluster, order.role, &given, order.form)?;
    let run = name_of_run()?;
    Ok(plan(order, &image, &run, &user_data))
}

async fn make(order: &Order<'_>, desk: &PlaneDesk<'_>, key: &str) -> Result<(String, Instance), LaunchError> {
    let plan = decide(order, desk, key).await?;
    let run = plan.launch.clone();
    interrupt::leaves(&format!(
        "an instance may have the tag {}={run}; run it again to go on, or kiln launch --terminate ends it",
        tag::LAUNCH
    ));
    let call = plan.calls.first().expect("a group has a subnet");
    let mut made = desk.region.run(call).await?;
    Ok((run, made.remove(0)))
}

/// Writes the kubeconfig, and returns a client of it.
fn open(
    order: &Order<'_>,
    desk: &PlaneDesk<'_>,
    shared: &Shared,
    key_file: &Path,
    key: &str,
) -> Result<Client, LaunchError> {
    let endpoint = layer::endpoint(order.cluster, Role::Worker);
    let name = key_file.file_name().unwrap_or_default().to_string_lossy();
    let text = trust::kubeconfig(&order.cluster.name, &endpoint, shared, &name);
    files::replace(desk.kubeconfig, text.as_bytes(), MODE)?;
    let mut access = Access::from_kubeconfig(&text, &|_| Ok(key.to_owned()))?;
    access.proxy = desk.proxy.cloned();
    Ok(Client::new(&access)?)
}
