// SPDX-License-Identifier: Apache-2.0
//! Route tables of a VPC as values, and which of them a subnet has. A node writes into them, `kiln nodes` and `kiln routes`
//! look at what stands there.

use ipnet::IpNet;

/// A route table of the VPC.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Table {
    /// `rtb-...`.
    pub id: String,
    /// Whether subnets without a table of their own have this one.
    pub is_main: bool,
    /// Subnets that have it as their own.
    pub subnets: Vec<String>,
    /// Its routes to address ranges; those to prefix lists are none of ours.
    pub routes: Vec<Route>,
}

/// A route to an address range.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Route {
    /// IPv4 or IPv6.
    pub destination: IpNet,
    /// The first of what it names: an interface, else an instance, a gateway, ...
    pub target: String,
    /// Whether its target is there; a black hole is a route without one.
    pub is_active: bool,
    /// Whether a virtual private gateway announced it: a route that somebody made is preferred to it.
    pub is_propagated: bool,
}

impl Table {
    /// Returns the route to exactly this range that somebody made.
    pub fn route_to(&self, range: &IpNet) -> Option<&Route> {
        self.routes.iter().find(|route| route.destination == *range && !route.is_propagated)
    }

    /// Returns a route that takes packets away from a block, whatever route the block itself has: a longer prefix wins.
    pub fn inside(&self, block: &IpNet) -> Option<&Route> {
        self.routes.iter().find(|route| block.contains(&route.destination) && route.destination != *block)
    }
}

/// Returns the tables of these subnets, each once: a subnet's own, or the VPC's main one where it has none.
///
/// # Errors
/// The first subnet that has neither among these tables.
pub fn tables_of<'t, 's>(
    tables: &'t [Table],
    subnets: impl IntoIterator<Item = &'s String>,
) -> Result<Vec<&'t Table>, &'s String> {
    let mut chosen: Vec<&Table> = Vec::new();
    for subnet in subnets {
        let own = tables.iter().find(|table| table.subnets.contains(subnet));
        let table = own.or_else(|| tables.iter().find(|table| table.is_main)).ok_or(subnet)?;
        if !chosen.iter().any(|known| known.id == table.id) {
            chosen.push(table);
        }
    }
    Ok(chosen)
}
