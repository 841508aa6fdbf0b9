// SPDX-License-Identifier: Apache-2.0
//! Route tables as values, read from EC2's answer.

use ipnet::IpNet;

use super::xml::Element;

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

/// What a route may lead to. An instance's route names its interface as well, which is what tells.
const TARGETS: [&str; 10] = [
    "networkInterfaceId",
    "instanceId",
    "gatewayId",
    "natGatewayId",
    "transitGatewayId",
    "vpcPeeringConnectionId",
    "egressOnlyInternetGatewayId",
    "localGatewayId",
    "carrierGatewayId",
    "coreNetworkArn",
];

impl Table {
    /// Reads an item of `routeTableSet`.
    pub(super) fn read(item: &Element) -> Option<Self> {
        let id = item.text_of("routeTableId")?.to_owned();
        let associations = item.items("associationSet");
        let is_main = associations.iter().any(|of| of.text_of("main") == Some("true"));
        let subnets = associations.iter().filter_map(|of| of.text_of("subnetId")).map(str::to_owned);
        let routes = item.items("routeSet").iter().filter_map(Route::read);
        Some(Self { id, is_main, subnets: subnets.collect(), routes: routes.collect() })
    }
}

impl Route {
    fn read(item: &Element) -> Option<Self> {
        let destination = item.text_of("destinationCidrBlock").or(item.text_of("destinationIpv6CidrBlock"));
        let target = TARGETS.iter().find_map(|name| item.text_of(name)).unwrap_or("nothing");
        Some(Self {
            destination: destination?.parse().ok()?,
            target: target.to_owned(),
            is_active: item.text_of("state") != Some("blackhole"),
            is_propagated: item.text_of("origin") == Some("EnableVgwRoutePropagation"),
        })
    }
}
