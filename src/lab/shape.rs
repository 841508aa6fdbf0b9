// SPDX-License-Identifier: Apache-2.0
//! The shape of a lab's cluster: what its nodes are called, where they are, and what each is told. Labs have the same
//! addresses and don't meet, since each has a network of its own.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::plan::{Name, NameError};
use crate::settings::{Fabric, Runtime};

/// The node that makes the cluster.
pub const CONTROL: &str = "control";
/// The port of the API server.
pub const API_PORT: u16 = 6443;
/// The most nodes beside the control plane: the segment's addresses.
pub const WORKERS_MAX: u8 = 240;

/// The segment of every lab: QEMU's user network, which the lab's image names as that of its hosts.
const SEGMENT: [u8; 3] = [10, 0, 2];
const SEGMENT_PREFIX: u8 = 24;
/// The bridge is the nodes' way out of the segment. Nothing is behind it, but a program on a node that talks to a Service
/// needs a route before the packet's address is changed.
const BRIDGE: u8 = 1;
/// The control plane; workers follow.
const FIRST_NODE: u8 = 10;

/// What all nodes of a cluster have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// What carries pods' packets between nodes.
    pub fabric: Fabric,
    /// What runs containers on nodes of which nothing else is said.
    pub runtime: Runtime,
}

/// A worker's place: 1 and up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Worker(pub u8);

impl Worker {
    /// Returns what it is called.
    ///
    /// # Errors
    /// None that a place can make.
    pub fn name(self) -> Result<Name, NameError> {
        format!("worker-{}", self.0).parse()
    }

    /// Returns the place that a worker's name says.
    pub fn of(name: &Name) -> Option<Self> {
        name.to_string().strip_prefix("worker-")?.parse().ok().map(Self)
    }

    /// Returns its address.
    pub fn address(self) -> IpNet {
        address(FIRST_NODE.saturating_add(self.0))
    }

    /// Returns the first place that none of these has.
    pub fn free(taken: &[Self]) -> Self {
        (1..WORKERS_MAX).map(Self).find(|worker| !taken.contains(worker)).unwrap_or(Self(WORKERS_MAX))
    }
}

/// Returns the bridge's address, which is the nodes' gateway.
pub fn bridge() -> IpNet {
    address(BRIDGE)
}

/// The segment's name server, where something wants one; nobody answers.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(SEGMENT[0], SEGMENT[1], SEGMENT[2], 3);

/// Returns the segment.
pub fn segment() -> Ipv4Net {
    let [a, b, c] = SEGMENT;
    Ipv4Net::new_assert([a, b, c, 0].into(), SEGMENT_PREFIX)
}

/// Returns the addresses of ways into the segment that people open: those below the nodes'.
pub fn gateways() -> impl Iterator<Item = Ipv4Addr> {
    let [a, b, c] = SEGMENT;
    (4..FIRST_NODE).map(move |last| Ipv4Addr::new(a, b, c, last))
}

/// Returns the control plane's address.
pub fn control() -> IpNet {
    address(FIRST_NODE)
}

fn address(last: u8) -> IpNet {
    let [a, b, c] = SEGMENT;
    Ipv4Net::new_assert([a, b, c, last].into(), SEGMENT_PREFIX).into()
}

/// Returns where nodes reach the API server.
pub fn endpoint() -> String {
    format!("https://{}:{API_PORT}", control().addr())
}

impl Shape {
    /// Returns what a control plane is told. Its API server's certificate is good for this machine's loopback too, where
    /// the forwarder is.
    pub fn control_settings(&self, instance: &str) -> String {
        let mut settings = self.settings(self.runtime, instance);
        settings["role"] = "control-plane".into();
        settings["control_plane"] = json!({ "names": ["127.0.0.1", "localhost"] });
        settings.to_string()
    }

    /// Returns what a worker is told; `ca` is the cluster's.
    pub fn worker_settings(&self, runtime: Runtime, instance: &str, ca: &str) -> String {
        let mut settings = self.settings(runtime, instance);
        settings["api"]["ca"] = ca.into();
        settings.to_string()
    }

    /// The instance is named, since containers see the hardware of the machine that they run on, which is one for all.
    fn settings(&self, runtime: Runtime, instance: &str) -> Value {
        let mut network = json!({ "fabric": self.fabric });
        if runtime == Runtime::Docker {
            network["mode"] = "docker".into();
        }
        json!({
            "runtime": runtime,
            "api": { "endpoint": endpoint() },
            "node": { "instance_id": instance },
            "network": network,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_have_names_and_addresses_by_their_place() {
        let worker = Worker(2);
        assert_eq!(
            (worker.name().unwrap().to_string(), worker.address().to_string()),
            ("worker-2".into(), "10.0.2.12/24".into())
        );
        assert_eq!(Worker::of(&worker.name().unwrap()), Some(worker));
        assert_eq!(Worker::of(&CONTROL.parse().unwrap()), None);
        assert_eq!(Worker::free(&[Worker(1), Worker(3)]), Worker(2));
        assert!(Worker(WORKERS_MAX).name().is_ok());
        assert_eq!(Worker(WORKERS_MAX).address().to_string(), "10.0.2.250/24");
    }

    #[test]
    fn a_node_of_docker_hangs_its_pods_on_dockers_bridge() {
        let shape = Shape { fabric: Fabric::HostGw, runtime: Runtime::Containerd };
        let told: Value = serde_json::from_str(&shape.worker_settings(Runtime::Docker, "i", "PEM")).unwrap();
        assert_eq!(told["network"], json!({ "fabric": "host-gw", "mode": "docker" }));
        assert_eq!(told["api"], json!({ "endpoint": "https://10.0.2.10:6443", "ca": "PEM" }));
        let told: Value = serde_json::from_str(&shape.control_settings("i")).unwrap();
        assert_eq!((&told["role"], &told["runtime"]), (&json!("control-plane"), &json!("containerd")));
    }
}
