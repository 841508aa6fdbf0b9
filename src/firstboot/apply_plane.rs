// SPDX-License-Identifier: Apache-2.0
//! The control plane's own administrators: their clients, and what they ask of this machine's API server beside the
//! cluster's objects.

use super::apply::fault::reason;
use super::apply_bootstrap::Clients;
use super::bootstrap;
use super::control::place;
use super::plane::{ROLE, label};
use super::reason::Reason;
use super::step::Step;
use crate::cluster::{Access, ApiError, ApiErrorKind, Client, Counts, ObjectRef, Support};
use crate::host::files::FileError;
use crate::host::root::Root;
use crate::settings::Settings;

/// The last right that a new cluster gives (bootstrap/tokens.yaml).
const LAST_RIGHT: &str = "kiln:worker-approval";
/// A kubeconfig with its certificates has some ten kilobytes.
const KUBECONFIG_MAX_BYTES: u64 = 1 << 20;

/// The administrators.
#[derive(Debug)]
pub struct Admins {
    /// As whom objects are made.
    pub clients: Clients,
}

/// Returns the administrators, talking to the server of `settings`: this machine's own, whatever admin.conf names.
///
/// # Errors
/// When a file can't be read; as a value, why a kubeconfig is of no use.
pub fn admins(root: &Root, settings: &Settings) -> Result<Result<Admins, Reason>, FileError> {
    let mut clients = Vec::new();
    for path in [place::SUPER_ADMIN, place::ADMIN] {
        let Some(text) = root.text(path, KUBECONFIG_MAX_BYTES)? else {
            return Ok(Err(Reason::NotYetFiles(path)));
        };
        match client(&text, settings) {
            Ok(client) => clients.push(client),
            Err(why) => return Ok(Err(Reason::Broken { path: path.to_owned(), why })),
        }
    }
    let [break_glass, admin] = <[Client; 2]>::try_from(clients).expect("one for each of two paths");
    Ok(Ok(Admins { clients: Clients { break_glass, admin, looks_first: false } }))
}

fn client(text: &str, settings: &Settings) -> Result<Client, String> {
    let no_files = |path: &str| Err(format!("it names {path}, and kiln writes none that does"));
    let access = Access::from_kubeconfig(text, &no_files).map_err(|error| error.to_string())?;
    let access = Access { server: settings.api.endpoint.clone(), ..access };
    Client::new(&access).map_err(|error| error.to_string())
}

impl Admins {
    /// Returns what all requests have cost so far.
    pub fn counts(&self) -> Counts {
        self.clients.break_glass.counts() + self.clients.admin.counts()
    }

    /// Asks whether the server is ready.
    ///
    /// # Errors
    /// Why it is not.
    pub async fn ready(&self) -> Result<(), Reason> {
        self.clients.break_glass.readyz().await.map_err(|error| Reason::NotReady(error.to_string()))
    }

    /// Returns whether machines may join: the bootstrap gives that right last.
    ///
    /// # Errors
    /// That they may not yet, or what the request came to.
    pub async fn is_open(&self) -> Result<(), Reason> {
        let place = ObjectRef {
            api_version: "rbac.authorization.k8s.io/v1".into(),
            kind: "ClusterRoleBinding".into(),
            namespace: None,
            name: LAST_RIGHT.into(),
        };
        match self.clients.admin.get(&place).await {
            Ok(_) => Ok(()),
            Err(ApiError {
                kind: ApiErrorKind::NotFound { .. } | ApiErrorKind::Forbidden { .. }, ..
            }) => Err(Reason::ObjectsLater(format!(
                "{place} is not there yet; kiln-control-plane.service makes it"
            ))),
            Err(error) => Err(reason(error)),
        }
    }

    /// Returns a warning where the server is newer than what kiln was tried with.
    ///
    /// # Errors
    /// That it is too old, or what the request came to.
    pub async fn version(&self) -> Result<Option<String>, Reason> {
        let version = self.clients.break_glass.version().await.map_err(reason)?;
        let told = format!("the API server is {version}");
        match version.support() {
            Support::Supported => Ok(None),
            Support::Untried => Ok(Some(told)),
            Support::TooOld => Err(Reason::Objects(told)),
        }
    }

    /// Labels the Node, unless it is; returns whether it was not.
    ///
    /// # Errors
    /// What the request came to.
    pub async fn label(&self, name: &str) -> Result<bool, Reason> {
        let node = self.clients.admin.node_get(name).await.map_err(reason)?;
        if node.meta.labels.contains_key(ROLE) {
            return Ok(false);
        }
        self.clients.admin.node_patch(name, &label(&node.meta.uid)).await.map_err(reason)?;
        Ok(true)
    }
}

/// Returns a step of the bootstrap as ledger and report have it.
pub fn shown(step: &bootstrap::Step) -> Step {
    match step {
        bootstrap::Step::Apply(_) => Step::Object(step.to_string()),
        bootstrap::Step::ReadPool(_) | bootstrap::Step::Probe(_) => Step::Prove(step.to_string()),
    }
}
