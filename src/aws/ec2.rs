// SPDX-License-Identifier: Apache-2.0
//! EC2, as far as a node's own routes need it. A role that may make these calls may lead any block's packets to itself: IAM
//! can't bound the destination (README, "Routes in the VPC").

use ipnet::IpNet;

use super::Metadata;
use super::caller::Caller;
use super::error::{AwsError, AwsErrorKind as Kind};
use super::query;
use super::tables;
use super::xml::Element;
use crate::route::Table;

/// The version of EC2's API that has all that is asked for here.
const VERSION: &str = "2016-11-15";
/// Tables in an answer; EC2 allows 100.
const PAGE: &str = "100";
/// A VPC has 200 tables, unless its quota was raised.
const PAGES_MAX: usize = 100;

/// EC2 in one region, as the instance's role.
#[derive(Debug)]
pub struct Ec2 {
    caller: Caller,
}

impl Ec2 {
    /// Returns EC2 at `endpoint` (`https://HOST`); `ca` (PEM) is trusted beside the public roots.
    ///
    /// # Errors
    /// When there can be no HTTP client.
    pub fn new(endpoint: &str, region: &str, ca: Option<&str>, metadata: Metadata) -> Result<Self, AwsError> {
        Ok(Self { caller: Caller::new("ec2", (endpoint, region), ca, metadata)? })
    }

    /// Returns how many calls were made so far.
    pub fn calls(&self) -> u64 {
        self.caller.calls()
    }

    /// Reads every route table of a VPC.
    ///
    /// # Errors
    /// Of the first call that fails.
    pub async fn route_tables(&self, vpc: &str) -> Result<Vec<Table>, AwsError> {
        let mut tables = Vec::new();
        let mut token = String::new();
        for _ in 0..PAGES_MAX {
            let mut parameters =
                vec![("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", vpc), ("MaxResults", PAGE)];
            if !token.is_empty() {
                parameters.push(("NextToken", &token));
            }
            let answer = self.call("DescribeRouteTables", &parameters).await?;
            tables.extend(answer.items("routeTableSet").iter().filter_map(tables::table));
            match answer.text_of("nextToken") {
                Some(next) => token = next.to_owned(),
                None => return Ok(tables),
            }
        }
        let kind = Kind::Malformed(format!("it has more than {PAGES_MAX} pages"));
        Err(AwsError { call: "DescribeRouteTables".to_owned(), kind })
    }

    /// Makes a route towards an interface.
    ///
    /// # Errors
    /// [`Kind::Exists`] where the table has a route to this very destination.
    pub async fn create_route(&self, table: &str, to: IpNet, interface: &str) -> Result<(), AwsError> {
        self.write("CreateRoute", table, to, interface).await
    }

    /// Leads the route that a table has towards an interface.
    ///
    /// # Errors
    /// [`Kind::NotFound`] where the table has none.
    pub async fn replace_route(&self, table: &str, to: IpNet, interface: &str) -> Result<(), AwsError> {
        self.write("ReplaceRoute", table, to, interface).await
    }

    /// Has EC2 pass packets of pods, whose addresses are not the interface's own.
    ///
    /// # Errors
    /// As EC2 says.
    pub async fn source_check_off(&self, interface: &str) -> Result<(), AwsError> {
        let parameters = [("NetworkInterfaceId", interface), ("SourceDestCheck.Value", "false")];
        self.call("ModifyNetworkInterfaceAttribute", &parameters).await.map(drop)
    }

    /// With several interfaces a route needs the interface and not the instance.
    async fn write(&self, action: &str, table: &str, to: IpNet, interface: &str) -> Result<(), AwsError> {
        let destination =
            if to.addr().is_ipv4() { "DestinationCidrBlock" } else { "DestinationIpv6CidrBlock" };
        let to = to.to_string();
        let parameters = [("RouteTableId", table), (destination, &*to), ("NetworkInterfaceId", interface)];
        self.call(action, &parameters).await.map(drop)
    }

    async fn call(&self, action: &str, parameters: &[(&str, &str)]) -> Result<Element, AwsError> {
        let form = query::form(action, VERSION, parameters);
        self.caller.call(action, &query::request(&form), query::read).await
    }
}
