// SPDX-License-Identifier: Apache-2.0
//! Overlap: an interface or route of the host's own inside the pod range. Pods would shadow real machines, or the host
//! would swallow pods; no order of routes makes that right, so the boot stops and names it.

use ipnet::IpNet;

use super::stale::{is_fabric, is_ours, repairs_routes};
use crate::links::{Link, Links, Route};
use crate::pool::overlap;
use crate::settings::{Fabric, Settings};

/// One thing of the host's that lies in the pod range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Overlap {
    /// An interface's network.
    #[error(
        "interface {device} has {address}, which overlaps the pod range {pods}; give pods or hosts another range"
    )]
    Interface {
        /// Its name.
        device: String,
        /// Its address.
        address: IpNet,
        /// The range.
        pods: IpNet,
    },
    /// A route.
    #[error("the route to {destination}{} overlaps the pod range {pods}; remove it, or give pods another range",
        device.as_ref().map_or_else(String::new, |device| format!(" by {device}")))]
    Route {
        /// Where it leads.
        destination: IpNet,
        /// By which link, if by one.
        device: Option<String>,
        /// The range.
        pods: IpNet,
    },
}

/// Returns everything of the host's that lies in the pod range. Left out are the node's own bridge, flannel's devices and
/// routes, and whatever [`super::stale::repairs`] removes.
pub fn overlaps(settings: &Settings, blocks: &[IpNet], links: &Links) -> Vec<Overlap> {
    let foreign = links.links.iter().filter(|link| !is_ours(settings, &link.name));
    let mut found: Vec<Overlap> = foreign.flat_map(|link| interfaces(settings, link)).collect();
    let reported = found.clone();
    let is_reported = |route: &Route| {
        reported.iter().any(|overlap| {
            matches!(overlap, Overlap::Interface { device, address, .. }
                if route.device.as_ref() == Some(device) && address.trunc() == route.destination)
        })
    };
    let routes = links.routes.iter().filter(|route| !is_reported(route));
    found.extend(routes.filter_map(|route| routed(settings, blocks, route)));
    found
}

fn range_of(settings: &Settings, network: &IpNet) -> Option<IpNet> {
    settings.cluster.pods.iter().find(|pods| overlap(pods, network)).copied()
}

fn interfaces(settings: &Settings, link: &Link) -> Vec<Overlap> {
    let overlapping = link.addresses.iter().filter_map(|address| {
        let pods = range_of(settings, &address.trunc())?;
        Some(Overlap::Interface { device: link.name.clone(), address: *address, pods })
    });
    overlapping.collect()
}

fn routed(settings: &Settings, blocks: &[IpNet], route: &Route) -> Option<Overlap> {
    if route.destination.prefix_len() == 0 || repairs_routes(settings, blocks, route).is_some() {
        return None;
    }
    let pods = range_of(settings, &route.destination)?;
    let by_ours = route.device.as_ref().is_some_and(|device| is_ours(settings, device));
    let is_block = blocks.iter().any(|block| block.prefix_len() == route.destination.prefix_len())
        && pods.contains(&route.destination);
    let is_peer = settings.network.fabric == Fabric::HostGw && route.gateway.is_some() && is_block;
    let is_own_blackhole = route.device.is_none() && blocks.contains(&route.destination);
    let by_fabric = route.device.as_ref().is_some_and(|device| is_fabric(device));
    if by_ours || by_fabric || is_peer || is_own_blackhole {
        return None;
    }
    Some(Overlap::Route { destination: route.destination, device: route.device.clone(), pods })
}
