// SPDX-License-Identifier: Apache-2.0
//! Access to the lab's cluster: the administrator's kubeconfig that the control plane's first boot has made, led through
//! the lab's forwarder, and a client that asks with it.

use std::path::Path;
use std::time::Duration;

use serde_yaml::Value;
use tokio::runtime::Runtime;

use super::error::LabError;
use super::node::Node;
use super::plan::{Lab, Name};
use crate::cluster::{Access, ApiError, Client, ObjectRef};
use crate::host::{clock, entropy, files};
use crate::stage::{self, Shown};
use crate::token::{TTL_S, Token};

/// Where a control plane keeps it, as kubeadm does.
pub const ADMIN: &str = "/etc/kubernetes/admin.conf";

/// Longest answer to a question that needs no network.
const LIMIT: Duration = Duration::from_secs(20);
const KUBECONFIG_MAX: u64 = 1 << 20;

/// The last right that a new cluster gives (firstboot/bootstrap/tokens.yaml): with it machines may join.
const LAST_RIGHT: &str = "kiln:worker-approval";

/// Takes the administrator's kubeconfig from the control plane and keeps it in the lab's tmpfs, for the lab's owner alone.
pub(super) fn take(lab: &Lab, control: &Node, port: u16) -> Result<(), LabError> {
    let text = control.exec(["cat", ADMIN], LIMIT)?;
    let led = led_through(&text, port).ok_or_else(|| LabError::Kubeconfig(control.record.name.clone()))?;
    Ok(files::replace(&lab.kubeconfig(), led.as_bytes(), 0o600)?)
}

/// Returns a kubeconfig whose cluster is reached by a port of this machine's loopback.
fn led_through(text: &str, port: u16) -> Option<String> {
    let mut config: Value = serde_yaml::from_str(text).ok()?;
    let cluster = config.get_mut("clusters")?.get_mut(0)?.get_mut("cluster")?.as_mapping_mut()?;
    cluster.insert("server".into(), format!("https://127.0.0.1:{port}").into());
    serde_yaml::to_string(&config).ok()
}

/// A client of the lab's cluster, for flows that wait for each answer.
#[derive(Debug)]
pub struct Api {
    runtime: Runtime,
    client: Client,
    /// The cluster's CA certificates in PEM.
    pub ca: String,
}

impl Api {
    /// Returns the client that the lab's kubeconfig describes.
    ///
    /// # Errors
    /// If there is none.
    pub fn of(lab: &Lab) -> Result<Self, LabError> {
        let text = files::read(&lab.kubeconfig(), KUBECONFIG_MAX)?;
        let nothing_else = |path: &str| Err(format!("{} holds no key itself", Path::new(path).display()));
        let access = Access::from_kubeconfig(&String::from_utf8_lossy(&text), &nothing_else)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(LabError::Forward)?;
        Ok(Self { client: Client::new(&access)?, ca: access.ca, runtime })
    }

    /// Waits for an answer.
    ///
    /// # Errors
    /// As the request.
    pub fn ask<T>(&self, request: impl AsyncFnOnce(&Client) -> Result<T, ApiError>) -> Result<T, ApiError> {
        self.runtime.block_on(request(&self.client))
    }

    /// Looks at all that tells how far machines are.
    pub(super) fn shown(&self) -> Result<Shown, ApiError> {
        self.ask(stage::look::look)
    }

    /// Returns whether workers may join: the control plane's second phase gives that right last.
    pub(super) fn is_open(&self) -> Result<bool, ApiError> {
        let place = ObjectRef {
            api_version: "rbac.authorization.k8s.io/v1".into(),
            kind: "ClusterRoleBinding".into(),
            namespace: None,
            name: LAST_RIGHT.into(),
        };
        self.ask(async |client| client.get(&place).await).map(|_| true)
    }

    /// Makes a bootstrap token for one machine.
    pub(super) fn make_token(&self, lab: &Name, node: &Name) -> Result<Token, LabError> {
        let token = Token::of_chance(entropy::bytes()?);
        let new = token.created(clock::now_s(), TTL_S, &format!("kiln lab {lab}: {node}"))?;
        self.ask(async |client| client.token_create(&new).await)?;
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeconfig_is_led_through_the_forwarder_and_stays_as_it_is_otherwise() {
        let text = "apiVersion: v1\nclusters:\n- name: kubernetes\n  cluster:\n    server: https://10.0.2.10:6443\n    \
            certificate-authority-data: Q0E=\nusers:\n- name: me\n  user: {}\n";
        let led = led_through(text, 4711).unwrap();
        assert!(led.contains("server: https://127.0.0.1:4711"), "{led}");
        assert!(led.contains("certificate-authority-data: Q0E=") && led.contains("name: me"), "{led}");
        assert_eq!(led_through("clusters: []", 4711), None);
    }
}
