// SPDX-License-Identifier: Apache-2.0
//! Which index is asked for next: a free one, or the one that settings or the node's address name.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::claim::{self, Candidate, Claim};
use super::super::identity::Identity;
use super::super::observed::{Found, NodeSeen, Observed};
use super::super::reason::Reason;
use super::super::step::Step;
use super::{Next, Part, act, stuck};
use crate::ipam::Ranges;
use crate::settings::{Addressing, Settings};

/// The index to intend, or a list first.
pub(super) fn choose(
    want: &Settings,
    seen: &Observed,
    identity: &Identity,
    node: &NodeSeen,
    pool: &Ranges,
) -> Part<u32> {
    let server = &seen.server;
    let list = || act(Step::ListClaims { node_uid: node.uid.clone() });
    // A Node of ours that this run did not make, and no intent: the disk may have been lost after a claim. Without this
    // look a reinstalled machine could make a second one.
    if seen.disk.claim == Found::Missing && !node.is_new && server.listing.is_none() {
        return list();
    }
    if let Some(index) = server.listing.as_ref().and_then(|listing| listing.ours.first()) {
        return stuck(Reason::Twin { index: *index });
    }
    if let Some(index) = fixed(want, identity, pool)? {
        return match &server.claim {
            // A Node of this name had it before, and is gone; its claim goes next.
            Some((asked, Claim::Other(by))) if *asked == index && *by == identity.name => {
                Err(Next::Wait(Reason::Former { index }))
            }
            Some((asked, Claim::Other(by))) if *asked == index => {
                stuck(Reason::Taken { index, by: by.clone() })
            }
            _ => Ok(index),
        };
    }
    match claim::candidate(pool, &identity.instance_id, &server.missed, server.listing.as_ref()) {
        Candidate::Index(index) => Ok(index),
        Candidate::List => list(),
        Candidate::Exhausted { used, total } => stuck(Reason::Exhausted { used, total }),
    }
}

/// The index that settings or address name, in the modes where they do.
fn fixed(want: &Settings, identity: &Identity, pool: &Ranges) -> Part<Option<u32>> {
    let found = match pool.addressing {
        Addressing::Claim | Addressing::Kcm => return Ok(None),
        Addressing::Static => want.node.index.ok_or_else(|| "node.index is not set".to_owned()),
        Addressing::Derived => derived(&want.cluster.hosts, identity),
    };
    let checked = found.and_then(|index| {
        if pool.is_reserved(index) { Err(format!("block {index} is reserved")) } else { Ok(index) }
    });
    match checked {
        Ok(index) => Ok(Some(index)),
        Err(why) => stuck(Reason::NoIndex { addressing: pool.addressing.word(), why }),
    }
}

/// The offset of the primary address in the hosts' range of its family.
fn derived(hosts: &[IpNet], identity: &Identity) -> Result<u32, String> {
    let address = identity.addresses.first().ok_or("the node has no address")?;
    let is_family = |range: &&IpNet| range.addr().is_ipv4() == address.is_ipv4();
    if hosts.iter().filter(is_family).count() > 1 {
        return Err(
            "cluster.hosts has several ranges of one family, in which two nodes could mean one block"
                .to_owned(),
        );
    }
    let range = hosts.iter().find(|range| range.contains(address));
    let range = range.ok_or_else(|| format!("{address} is in none of cluster.hosts"))?;
    let offset = match (address, range.network()) {
        (IpAddr::V4(address), IpAddr::V4(first)) => u128::from(u32::from(*address) - u32::from(first)),
        (IpAddr::V6(address), IpAddr::V6(first)) => u128::from(*address) - u128::from(first),
        _ => return Err(format!("{address} is in none of cluster.hosts")),
    };
    u32::try_from(offset).map_err(|_| format!("{address} is too far into {range}"))
}
