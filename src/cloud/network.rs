// SPDX-License-Identifier: Apache-2.0
//! A VPC as far as pods' routes go: of which VPC subnets are, its route tables, and the end of a route.

use aws_sdk_ec2::types::{Filter, RouteOrigin, RouteState};
use ipnet::IpNet;

use super::access::Region;
use super::error::CloudError;
use super::retry::About;
use crate::route::{Route, Table};

/// Tables on a page; EC2 allows 100.
const PAGE: i32 = 100;

impl Region {
    /// Returns the VPCs of these subnets, each once.
    ///
    /// # Errors
    /// The call's; not found, if one is not there.
    pub async fn vpcs_of(&self, subnets: &[String]) -> Result<Vec<String>, CloudError> {
        let request = || self.ec2.describe_subnets().set_subnet_ids(Some(subnets.to_vec())).send();
        let answer = self.call("ec2:DescribeSubnets", About::Known, request).await?;
        let mut vpcs: Vec<String> =
            answer.subnets().iter().filter_map(|subnet| Some(subnet.vpc_id()?.to_owned())).collect();
        vpcs.sort();
        vpcs.dedup();
        Ok(vpcs)
    }

    /// Returns those of these subnets that are there.
    ///
    /// # Errors
    /// The call's.
    pub async fn subnets(&self, ids: &[String]) -> Result<Vec<Subnet>, CloudError> {
        // By ids, one that is not there would be an error that hides the others.
        let filter = Filter::builder().name("subnet-id").set_values(Some(ids.to_vec())).build();
        let request = || self.ec2.describe_subnets().filters(filter.clone()).send();
        let answer = self.call("ec2:DescribeSubnets", About::Known, request).await?;
        Ok(answer.subnets().iter().filter_map(subnet).collect())
    }

    /// Returns all route tables of a VPC.
    ///
    /// # Errors
    /// The calls'; one for every 100 tables.
    pub async fn route_tables(&self, vpc: &str) -> Result<Vec<Table>, CloudError> {
        let filter = Filter::builder().name("vpc-id").values(vpc).build();
        let (mut found, mut page) = (Vec::new(), None);
        loop {
            let request = || {
                let request = self.ec2.describe_route_tables().filters(filter.clone()).max_results(PAGE);
                request.set_next_token(page.clone()).send()
            };
            let answer = self.call("ec2:DescribeRouteTables", About::Known, request).await?;
            found.extend(answer.route_tables().iter().filter_map(table));
            page = answer.next_token.filter(|token| !token.is_empty());
            if page.is_none() {
                return Ok(found);
            }
        }
    }

    /// Deletes the route to exactly this range; one that is not there is deleted already.
    ///
    /// # Errors
    /// The call's.
    pub async fn delete_route(&self, table: &str, destination: IpNet) -> Result<(), CloudError> {
        let request = || {
            let request = self.ec2.delete_route().route_table_id(table);
            match destination {
                IpNet::V4(range) => request.destination_cidr_block(range.to_string()).send(),
                IpNet::V6(range) => request.destination_ipv6_cidr_block(range.to_string()).send(),
            }
        };
        match self.call("ec2:DeleteRoute", About::Known, request).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// `subnet-...`
    pub id: String,
    /// Its VPC.
    pub vpc: String,
    /// Its ranges, IPv4's first.
    pub ranges: Vec<IpNet>,
}

fn subnet(found: &aws_sdk_ec2::types::Subnet) -> Option<Subnet> {
    let v6 = found.ipv6_cidr_block_association_set().iter().filter_map(|it| it.ipv6_cidr_block());
    let ranges = found.cidr_block().into_iter().chain(v6).filter_map(|range| range.parse().ok()).collect();
    Some(Subnet { id: found.subnet_id()?.to_owned(), vpc: found.vpc_id()?.to_owned(), ranges })
}

fn table(found: &aws_sdk_ec2::types::RouteTable) -> Option<Table> {
    let associations = found.associations();
    Some(Table {
        id: found.route_table_id()?.to_owned(),
        is_main: associations.iter().any(|of| of.main() == Some(true)),
        subnets: associations.iter().filter_map(|of| Some(of.subnet_id()?.to_owned())).collect(),
        routes: found.routes().iter().filter_map(route).collect(),
    })
}

fn route(found: &aws_sdk_ec2::types::Route) -> Option<Route> {
    let destination = found.destination_cidr_block().or(found.destination_ipv6_cidr_block())?;
    Some(Route {
        destination: destination.parse().ok()?,
        target: target(found).unwrap_or("nothing").to_owned(),
        is_active: found.state() != Some(&RouteState::Blackhole),
        is_propagated: found.origin() == Some(&RouteOrigin::EnableVgwRoutePropagation),
    })
}

/// An instance's route names its interface as well, which is what tells.
fn target(found: &aws_sdk_ec2::types::Route) -> Option<&str> {
    let targets = [
        found.network_interface_id(),
        found.instance_id(),
        found.gateway_id(),
        found.nat_gateway_id(),
        found.transit_gateway_id(),
        found.vpc_peering_connection_id(),
        found.egress_only_internet_gateway_id(),
        found.local_gateway_id(),
        found.carrier_gateway_id(),
        found.core_network_arn(),
    ];
    targets.into_iter().flatten().next()
}
