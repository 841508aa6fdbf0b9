// SPDX-License-Identifier: Apache-2.0
//! Route tables, read from EC2's answer.

use super::xml::Element;
use crate::route::{Route, Table};

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

/// Reads an item of `routeTableSet`.
pub(super) fn table(item: &Element) -> Option<Table> {
    let id = item.text_of("routeTableId")?.to_owned();
    let associations = item.items("associationSet");
    let is_main = associations.iter().any(|of| of.text_of("main") == Some("true"));
    let subnets = associations.iter().filter_map(|of| of.text_of("subnetId")).map(str::to_owned);
    let routes = item.items("routeSet").iter().filter_map(route).collect();
    Some(Table { id, is_main, subnets: subnets.collect(), routes })
}

fn route(item: &Element) -> Option<Route> {
    let destination = item.text_of("destinationCidrBlock").or(item.text_of("destinationIpv6CidrBlock"));
    let target = TARGETS.iter().find_map(|name| item.text_of(name)).unwrap_or("nothing");
    Some(Route {
        destination: destination?.parse().ok()?,
        target: target.to_owned(),
        is_active: item.text_of("state") != Some("blackhole"),
        is_propagated: item.text_of("origin") == Some("EnableVgwRoutePropagation"),
    })
}
