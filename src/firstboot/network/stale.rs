// SPDX-License-Identifier: Apache-2.0
//! Stale: what an earlier block left on the machine, as a list of repairs. It decides only about what pods' own
//! programs made; anything else in the way is an [`super::overlap::Overlap`].

use std::net::IpAddr;

use ipnet::IpNet;

use super::{bridge, cni, gateway};
use crate::links::{Link, Links, Route};
use crate::pool::overlap;
use crate::settings::{Fabric, Mode, Runtime, Settings};

/// One thing to remove before pods are connected, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repair {
    /// A link, with its addresses and routes.
    DeleteLink {
        /// `cni0`.
        name: String,
        /// For people.
        why: String,
    },
    /// A route of the main table.
    DeleteRoute {
        /// All of it.
        route: Route,
        /// For people.
        why: String,
    },
    /// A file.
    RemoveFile {
        /// Absolute, as the node sees it.
        path: String,
        /// For people.
        why: String,
    },
}

/// Returns what is to be removed: links first, for their routes go with them.
///
/// `leases` are the names of the files in host-local's folder, [`cni::LEASES`] and [`cni::NETWORK`].
pub fn repairs(settings: &Settings, blocks: &[IpNet], links: &Links, leases: &[String]) -> Vec<Repair> {
    let mut repairs: Vec<Repair> = Vec::new();
    let mut gone = Vec::new();
    for link in &links.links {
        if let Some(why) = stale_link(settings, blocks, link) {
            gone.push(link.name.as_str());
            repairs.push(Repair::DeleteLink { name: link.name.clone(), why });
        }
    }
    let stays = |route: &&Route| route.device.as_ref().is_none_or(|device| !gone.contains(&device.as_str()));
    for route in links.routes.iter().filter(stays) {
        if let Some(why) = repairs_routes(settings, blocks, route) {
            repairs.push(Repair::DeleteRoute { route: route.clone(), why });
        }
    }
    repairs.extend(stale_leases(blocks, leases));
    repairs
}

/// Returns whether a link with this name belongs to pods' own programs on this node.
pub(super) fn is_ours(settings: &Settings, name: &str) -> bool {
    // Where containerd runs pods, docker0 is the machine's own.
    name == "cni0" || is_fabric(name) || (name == "docker0" && settings.runtime == Runtime::Docker)
}

/// Returns whether a link with this name is flannel's.
pub(super) fn is_fabric(name: &str) -> bool {
    name.starts_with("flannel.") || name.starts_with("flannel-v6.")
}

fn stale_link(settings: &Settings, blocks: &[IpNet], link: &Link) -> Option<String> {
    if !is_ours(settings, &link.name) {
        return None;
    }
    let addresses = || link.addresses.iter().filter(|address| !is_link_local(address));
    if is_fabric(&link.name) {
        if settings.network.fabric != Fabric::Vxlan {
            return Some("nothing carries packets by VXLAN any more".to_owned());
        }
        // flannel gives its device the block's network address.
        let stale = addresses().find(|address| !blocks.iter().any(|block| block.network() == address.addr()));
        return stale.map(|address| format!("has {address}, which is of an earlier block"));
    }
    if link.name == bridge(settings.network.mode) {
        let stale = addresses().find(|address| !blocks.iter().any(|block| gateway(block) == **address));
        return stale.map(|address| format!("has {address}, and the block's is {}", gateways(blocks)));
    }
    // cni0 is left over from cni mode. Docker's own bridge is not made where pods hang on cni0.
    let mode = if settings.network.mode == Mode::Cni { "cni" } else { "docker" };
    Some(format!("no pod hangs on it in {mode} mode"))
}

/// Returns why a route is to be deleted: it belongs to pods' own programs and to an earlier block.
pub(super) fn repairs_routes(settings: &Settings, blocks: &[IpNet], route: &Route) -> Option<String> {
    let in_pods = settings.cluster.pods.iter().any(|pods| pods.contains(&route.destination));
    let in_block = blocks.iter().any(|block| overlap(block, &route.destination));
    let is_block = blocks.contains(&route.destination);
    let device = route.device.as_deref();
    match device {
        _ if !in_pods => None,
        Some(name) if name == bridge(settings.network.mode) => {
            (!in_block).then(|| "leads to an earlier block".to_owned())
        }
        // While the block was another node's, it was reached by that node.
        Some(name) if is_fabric(name) => {
            in_block.then(|| "leads to another node, and the block is ours".to_owned())
        }
        Some(_) if settings.network.fabric == Fabric::HostGw && route.gateway.is_some() => {
            is_block.then(|| "leads to another node, and the block is ours".to_owned())
        }
        Some(_) => None,
        None => (!in_block
            && blocks.iter().any(|block| block.prefix_len() == route.destination.prefix_len()))
        .then(|| "closes an earlier block".to_owned()),
    }
}

/// Files are named by the address that they hold; beside them lie a lock and the last address given.
fn stale_leases(blocks: &[IpNet], leases: &[String]) -> Vec<Repair> {
    let is_stale = |name: &String| {
        name.parse().is_ok_and(|address: IpAddr| !blocks.iter().any(|block| block.contains(&address)))
    };
    if !leases.iter().any(is_stale) {
        return Vec::new();
    }
    let removed = leases.iter().filter(|name| is_stale(name) || name.starts_with("last_reserved_ip"));
    let remove = |name: &String| Repair::RemoveFile {
        path: format!("{}/{}/{name}", cni::LEASES, cni::NETWORK),
        why: "is a lease of an earlier block".to_owned(),
    };
    removed.map(remove).collect()
}

fn gateways(blocks: &[IpNet]) -> String {
    let all: Vec<String> = blocks.iter().map(|block| gateway(block).to_string()).collect();
    all.join(" and ")
}

/// The kernel gives every link such an address by itself.
fn is_link_local(address: &IpNet) -> bool {
    match address {
        IpNet::V4(address) => address.addr().is_link_local(),
        IpNet::V6(address) => address.addr().is_unicast_link_local(),
    }
}

impl std::fmt::Display for Repair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::DeleteLink { name, why } => write!(f, "delete link {name}: {why}"),
            Self::DeleteRoute { route, why } => write!(f, "delete the route to {}: {why}", route.destination),
            Self::RemoveFile { path, why } => write!(f, "remove {path}: {why}"),
        }
    }
}
