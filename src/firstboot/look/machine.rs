// SPDX-License-Identifier: Apache-2.0
//! The machine itself: who it says it is. Looked at once a run.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Url;

use super::super::machine::Machine;
use super::super::{identity, plane};
use super::LookError;
use crate::host::root::Root;
use crate::host::{links, machine as host};
use crate::settings::{Settings, check};

/// Addresses that nothing has (RFC 5737, RFC 3849): the way to them is the default route.
const ANYWHERE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))];

/// Looks at the machine; `chance` makes this run's nonces.
///
/// # Errors
/// When something is there but can't be read.
pub fn machine(
    root: &Root,
    settings: &Settings,
    has_token: bool,
    chance: u128,
) -> Result<Machine, LookError> {
    let smbios = host::smbios_uuid(root)?;
    let machine_id = host::machine_id(root)?;
    Ok(Machine {
        hostname: host::hostname(),
        instance_id: identity::instance_id(&settings.node, smbios.as_deref(), machine_id.as_deref()),
        hardware_ids: smbios.into_iter().chain(machine_id).collect(),
        has_token,
        chance,
        ..Machine::default()
    })
}

/// Where the machine is seen from.
#[derive(Debug, Default)]
pub struct Sources {
    /// Addresses that others may reach it at.
    pub addresses: Vec<IpAddr>,
    /// The API server's name, if there are none because nobody knows an address of it.
    pub unresolved: Option<String>,
}

/// Returns the source addresses towards the API servers, the family of the first pod range first; where pods have a
/// family that no API server is reached in, or only by an address that stays on the machine or its link (a balancer on
/// each node), that family's source by the default route.
///
/// # Errors
/// When the kernel does not answer. A name that can't be resolved yet is no error: there is no address then.
pub fn sources(settings: &Settings) -> Result<Sources, LookError> {
    let mut sources = Vec::new();
    let mut has_way = false;
    let (endpoint, unresolved) = endpoint(settings);
    for target in if endpoint.is_empty() { own(settings) } else { endpoint } {
        let way = links::way_to(target)?;
        has_way |= way.is_some();
        sources.extend(way.map(|way| way.source).filter(check::is_unicast));
    }
    for anywhere in ANYWHERE {
        let is_family = |address: &IpAddr| address.is_ipv4() == anywhere.is_ipv4();
        let is_wanted = settings.cluster.pods.iter().any(|range| is_family(&range.addr()));
        if is_wanted && has_way && !sources.iter().any(is_family) {
            sources.extend(links::way_to(anywhere)?.map(|way| way.source).filter(check::is_unicast));
        }
    }
    let is_v4_first = settings.cluster.pods.first().is_none_or(|range| range.addr().is_ipv4());
    sources.sort_unstable_by_key(|source| (source.is_ipv4() != is_v4_first, *source));
    sources.dedup();
    let unresolved = unresolved.filter(|_| sources.is_empty());
    Ok(Sources { addresses: sources, unresolved })
}

/// Addresses that stand in for an API server that this machine will be itself: other hosts, or anybody.
fn own(settings: &Settings) -> Vec<IpAddr> {
    if !plane::is_meant(settings) {
        return Vec::new();
    }
    let hosts = &settings.cluster.hosts;
    let others: Vec<IpAddr> = hosts.iter().filter_map(|range| range.hosts().next()).collect();
    if others.is_empty() { ANYWHERE.into() } else { others }
}

/// The API servers' addresses, or a name that nobody knows an address of.
fn endpoint(settings: &Settings) -> (Vec<IpAddr>, Option<String>) {
    let url = Url::parse(&settings.api.endpoint).ok();
    match url.as_ref().and_then(Url::host) {
        Some(url::Host::Ipv4(address)) => (vec![address.into()], None),
        Some(url::Host::Ipv6(address)) => (vec![address.into()], None),
        Some(url::Host::Domain(name)) => match host::addresses_of(name) {
            Ok(addresses) if !addresses.is_empty() => (addresses, None),
            _ => (Vec::new(), Some(name.to_owned())),
        },
        None => (Vec::new(), None),
    }
}
