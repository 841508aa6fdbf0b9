// SPDX-License-Identifier: Apache-2.0
//! Links, addresses and routes of a machine, as values: what `host::links` sees and decisions judge.
//!
//! Only what decisions ask for stands here; the kernel knows far more of each.

use std::net::IpAddr;

use ipnet::IpNet;

/// All links and routes of the machine's own network namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links {
    /// Every network interface, by index.
    pub links: Vec<Link>,
    /// Unicast and blackhole routes of the main table.
    pub routes: Vec<Route>,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number for it.
    pub index: u32,
    /// `eth0`.
    pub name: String,
    /// `bridge`, `veth`, `vxlan`; none for hardware.
    pub kind: Option<String>,
    /// Bytes.
    pub mtu: u32,
    /// Whether it was switched on (IFF_UP).
    pub is_up: bool,
    /// Its addresses with the prefix of the network that hangs on it.
    pub addresses: Vec<IpNet>,
}

/// A route of the main table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What it leads to; prefix length 0 is the default route.
    pub destination: IpNet,
    /// The next hop, where it is not on the link itself.
    pub gateway: Option<IpAddr>,
    /// The link's name; none for a blackhole, and for a route that is spread over several.
    pub device: Option<String>,
    /// The less, the sooner it is taken; two routes to one destination differ in it.
    pub metric: u32,
}

/// How packets to one address leave the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The link they leave by.
    pub device: String,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// The address that they carry as their source.
    pub source: IpAddr,
}

impl Links {
    /// Returns the link with this name.
    pub fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }
}
