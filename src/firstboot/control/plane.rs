// SPDX-License-Identifier: Apache-2.0
//! The control plane as settings and identity want it: addresses, names and ranges, worked out once.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use url::{Host, Url};

use super::trouble::Trouble;
use crate::firstboot::identity::Identity;
use crate::firstboot::pki::San;
use crate::settings::{Cluster, Settings};

/// The port of the API server where no endpoint says another; kubeadm's.
const PORT: u16 = 6443;

/// What the files are made from.
#[derive(Debug)]
pub(super) struct Plane<'a> {
    pub cluster: &'a Cluster,
    /// The Node's name; etcd's member has the same.
    pub node: &'a str,
    /// What the API server announces, and where etcd listens to its peers.
    pub address: IpAddr,
    /// The API server's port.
    pub port: u16,
    /// What nodes and people call the API server: a name or balancer before it, perhaps.
    pub endpoint: String,
    /// This machine's own API server, for what runs beside it.
    pub local: String,
    /// What the API server is called.
    pub server_names: Vec<San>,
    /// What etcd is called.
    pub member_names: Vec<San>,
}

impl<'a> Plane<'a> {
    pub(super) fn of(settings: &'a Settings, identity: &'a Identity) -> Result<Self, Trouble> {
        let address = advertised(&settings.cluster, identity)?;
        let (host, port) = endpoint(&settings.api.endpoint)?;
        let local = format!("https://{}", SocketAddr::new(address, port));
        let endpoint = if host.is_some() { settings.api.endpoint.clone() } else { local.clone() };
        let mut plane = Self {
            cluster: &settings.cluster,
            node: &identity.name,
            address,
            port,
            endpoint,
            local,
            server_names: Vec::new(),
            member_names: member_names(&identity.name, address),
        };
        plane.server_names = server_names(settings, identity, host);
        Ok(plane)
    }

    /// Returns the service ranges as the API server takes them.
    pub(super) fn services(&self) -> String {
        listed(&self.cluster.services)
    }

    /// Returns the pod ranges as the controller manager takes them.
    pub(super) fn pods(&self) -> String {
        listed(&self.cluster.pods)
    }
}

fn listed(ranges: &[IpNet]) -> String {
    ranges.iter().map(IpNet::to_string).collect::<Vec<_>>().join(",")
}

/// Returns the address of the family of the first service range: the API server refuses to start with another.
fn advertised(cluster: &Cluster, identity: &Identity) -> Result<IpAddr, Trouble> {
    let Some(first) = cluster.services.first() else {
        return Err(Trouble::new("cluster.services", "is empty", "give one range of each family at most"));
    };
    let is_same = |address: &&IpAddr| address.is_ipv4() == first.addr().is_ipv4();
    identity.addresses.iter().find(is_same).copied().ok_or_else(|| {
        let family = if first.addr().is_ipv4() { "IPv4" } else { "IPv6" };
        Trouble::new(
            "node.addresses",
            format!("has none of the family of the first service range ({family})"),
            format!("give this machine an {family} address, or put the other service range first"),
        )
    })
}

/// Returns host and port of the endpoint; no host where none is set, which means this machine.
fn endpoint(text: &str) -> Result<(Option<San>, u16), Trouble> {
    if text.is_empty() {
        return Ok((None, PORT));
    }
    let wrong = || Trouble::new("api.endpoint", "is not https://HOST:PORT", "write it so");
    let url = Url::parse(text).map_err(|_| wrong())?;
    let host = match url.host().filter(|_| url.scheme() == "https").ok_or_else(wrong)? {
        Host::Domain(name) => San::Dns(name.to_owned()),
        Host::Ipv4(address) => San::Ip(address.into()),
        Host::Ipv6(address) => San::Ip(address.into()),
    };
    Ok((Some(host), url.port_or_known_default().ok_or_else(wrong)?))
}

/// The names of kubeadm's apiserver.crt.
fn server_names(settings: &Settings, identity: &Identity, host: Option<San>) -> Vec<San> {
    let service = format!("kubernetes.default.svc.{}", settings.cluster.domain);
    let names = [&identity.name, "kubernetes", "kubernetes.default", "kubernetes.default.svc", &service];
    let mut found: Vec<San> = names.iter().map(|name| San::Dns((*name).to_owned())).collect();
    found.extend(settings.cluster.services.iter().map(|range| San::Ip(first(range))));
    found.extend(identity.addresses.iter().copied().map(San::Ip));
    found.extend(host);
    found.extend(settings.control_plane.names.iter().map(|name| San::of(name)));
    without_doubles(found)
}

/// The names of kubeadm's etcd/server.crt and etcd/peer.crt.
fn member_names(node: &str, address: IpAddr) -> Vec<San> {
    let mut names = vec![San::Dns(node.to_owned()), San::Dns("localhost".to_owned()), San::Ip(address)];
    names.extend(["127.0.0.1", "::1"].map(San::of));
    without_doubles(names)
}

fn without_doubles(names: Vec<San>) -> Vec<San> {
    let mut kept = Vec::with_capacity(names.len());
    for name in names {
        if !kept.contains(&name) {
            kept.push(name);
        }
    }
    kept
}

/// Returns the address of the service `kubernetes`: the first of the range.
fn first(range: &IpNet) -> IpAddr {
    match range {
        IpNet::V4(range) => IpAddr::V4((u32::from(range.network()) | 1).into()),
        IpNet::V6(range) => IpAddr::V6((u128::from(range.network()) | 1).into()),
    }
}
