// SPDX-License-Identifier: Apache-2.0
//! The machine's links and routes, held against the block.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::super::identity::Identity;
use super::super::network::{self, Uplink, cni, docker, flannel, overlap, problem, stale};
use super::LookError;
use crate::host::links;
use crate::host::root::Root;
use crate::links::Links;
use crate::settings::{Fabric, Settings};

/// subnet.env has half a dozen lines.
const SUBNET_MAX_BYTES: u64 = 16 << 10;
/// daemon.json has a screen or two.
const DAEMON_MAX_BYTES: u64 = 1 << 20;

/// What matters of the links.
#[derive(Debug)]
pub(super) struct Live {
    /// The link that the node's addresses are on.
    pub(super) uplink: Option<Uplink>,
    /// Whether pods' bridge is there.
    pub(super) has_bridge: bool,
    /// What an earlier block left.
    pub(super) repairs: Vec<stale::Repair>,
    /// All that contradicts the block, in one line.
    pub(super) contradiction: Option<String>,
}

/// Looks at the links. Of a tree that is not the machine's own, the machine's links say nothing but the MTU: neither
/// are they repaired for it.
pub(super) fn links(
    root: &Root,
    settings: &Settings,
    identity: &Identity,
    blocks: &[IpNet],
) -> Result<Live, LookError> {
    let links = links::look()?;
    let uplink = uplink(&links, identity)?;
    let mut problems: Vec<String> = Vec::new();
    if let Some(uplink) = &uplink {
        problems
            .extend(problem::problems(settings, identity, blocks, uplink).iter().map(ToString::to_string));
    }
    problems.extend(foreign(root, settings)?.iter().map(ToString::to_string));
    if !root.is_machine() {
        return Ok(Live { uplink, has_bridge: false, repairs: Vec::new(), contradiction: joined(&problems) });
    }
    problems.extend(overlap::overlaps(settings, blocks, &links).iter().map(ToString::to_string));
    let leases = root.list(&format!("{}/{}", cni::LEASES, cni::NETWORK))?;
    let repairs = stale::repairs(settings, blocks, &links, &leases);
    if settings.network.fabric != Fabric::None
        && let Some(text) = root.text(flannel::SUBNET, SUBNET_MAX_BYTES)?
    {
        problems.extend(flannel::differs(&text, blocks).iter().map(ToString::to_string));
    }
    let has_bridge = links.link(network::bridge(settings.network.mode)).is_some_and(|link| link.is_up);
    Ok(Live { uplink, has_bridge, repairs, contradiction: joined(&problems) })
}

/// Files of others where kiln's are read.
fn foreign(root: &Root, settings: &Settings) -> Result<Vec<problem::Problem>, LookError> {
    let folder = cni::CONFLIST.rsplit_once('/').expect("a path").0;
    let network = cni::other(settings.network.mode, &root.list(folder)?);
    let daemon = root.text(docker::DAEMON, DAEMON_MAX_BYTES)?;
    let daemon = daemon.and_then(|text| docker::other(settings.runtime, &text));
    Ok(network.into_iter().chain(daemon).collect())
}

fn joined(problems: &[String]) -> Option<String> {
    (!problems.is_empty()).then(|| problems.join("; "))
}

/// By the recorded address, so that no name has to be resolved; an address that is not on the machine itself (behind a
/// translation) leaves the default route.
fn uplink(links: &Links, identity: &Identity) -> Result<Option<Uplink>, LookError> {
    let holds = |address: &IpAddr| {
        let link = links.links.iter().find(|link| link.addresses.iter().any(|own| own.addr() == *address));
        link.map(|link| Uplink { name: link.name.clone(), mtu: link.mtu })
    };
    if let Some(uplink) = identity.addresses.iter().find_map(holds) {
        return Ok(Some(uplink));
    }
    let way = links::way_to(Ipv4Addr::new(192, 0, 2, 1).into())?;
    Ok(way.map(|way| Uplink { name: way.device, mtu: way.mtu }))
}
