// SPDX-License-Identifier: Apache-2.0
//! A VPC that is looked at: its subnets, route tables, and where its instances are (DescribeSubnets, DescribeRouteTables,
//! DeleteRoute of the "Amazon EC2 API Reference").

use std::collections::BTreeMap;

use super::ec2::{Asked, filters, list, paged};
use super::{Refusal, State, refuse};

pub const VPC: &str = "vpc-0a1b2c3d4e5f60718";
/// That of every subnet.
const RANGE: &str = "10.0.0.0/8";

#[derive(Debug, Clone, Default)]
pub struct Table {
    pub is_main: bool,
    pub subnets: Vec<String>,
    /// Targets by destination.
    pub routes: BTreeMap<String, String>,
}

/// Where in the VPC an instance is.
#[derive(Debug, Clone)]
pub struct Attached {
    pub interface: String,
    pub address: String,
    pub is_checked: bool,
    /// RFC 3339.
    pub launched: &'static str,
}

impl Attached {
    /// As DescribeInstances shows it.
    pub fn described(&self) -> String {
        let Self { interface, address, is_checked, launched } = self;
        format!(
            "<launchTime>{launched}</launchTime><vpcId>{VPC}</vpcId><privateIpAddress>{address}</privateIpAddress>\
             <sourceDestCheck>{is_checked}</sourceDestCheck><networkInterfaceSet><item>\
             <networkInterfaceId>{interface}</networkInterfaceId><sourceDestCheck>{is_checked}</sourceDestCheck>\
             <privateIpAddress>{address}</privateIpAddress><attachment><deviceIndex>0</deviceIndex></attachment></item>\
             </networkInterfaceSet>"
        )
    }
}

pub fn serve(
    state: &mut State,
    region: &str,
    action: &str,
    asked: &Asked,
) -> Option<Result<String, Refusal>> {
    Some(match action {
        "DescribeSubnets" => subnets(state, region, asked),
        "DescribeRouteTables" => tables(state, region, asked),
        "DeleteRoute" => delete_route(state, region, asked),
        _ => return None,
    })
}

/// "MaxResults": 5 to so many.
pub fn most(asked: &Asked, most: u32) -> Result<(), Refusal> {
    let is_right = |text: &String| text.parse().is_ok_and(|it: u32| (5..=most).contains(&it));
    match asked.get("MaxResults") {
        Some(text) if !is_right(text) => Err(refuse("InvalidParameterValue", format!("MaxResults {text}"))),
        _ => Ok(()),
    }
}

fn subnets(state: &mut State, region: &str, asked: &Asked) -> Result<String, Refusal> {
    let wanted = filters(asked);
    let known = &state.region(region).ground.subnets;
    // By a filter, what is not there is left out.
    let ids = match wanted.first() {
        Some((name, ids)) if name == "subnet-id" => {
            ids.iter().filter(|id| known.contains(*id)).cloned().collect()
        }
        Some((name, _)) => panic!("the double knows no filter {name}"),
        None => list(asked, "SubnetId"),
    };
    if let Some(id) = ids.iter().find(|id| !known.contains(*id)) {
        return Err(refuse("InvalidSubnetID.NotFound", format!("The subnet ID '{id}' does not exist")));
    }
    let item =
        |id: &String| format!("<subnetId>{id}</subnetId><vpcId>{VPC}</vpcId><cidrBlock>{RANGE}</cidrBlock>");
    let items = ids.iter().map(item).collect();
    paged(state, asked, "subnetSet", items)
}

fn tables(state: &mut State, region: &str, asked: &Asked) -> Result<String, Refusal> {
    most(asked, 100)?;
    assert_eq!(filters(asked), [("vpc-id".to_owned(), vec![VPC.to_owned()])]);
    let region = state.region(region);
    let running = region.instances.values().filter(|it| it.state == "running");
    let there: Vec<&str> = running.filter_map(|it| Some(&*it.attached.as_ref()?.interface)).collect();
    let items = region.tables.iter().map(|(id, table)| item(id, table, &there)).collect();
    paged(state, asked, "routeTableSet", items)
}

fn item(id: &str, table: &Table, there: &[&str]) -> String {
    let routes: String = table.routes.iter().map(|(to, target)| route(to, target, there)).collect();
    let main = if table.is_main { "<item><main>true</main></item>" } else { "" };
    let subnet = |id: &String| format!("<item><main>false</main><subnetId>{id}</subnetId></item>");
    let subnets: String = table.subnets.iter().map(subnet).collect();
    format!(
        "<routeTableId>{id}</routeTableId><vpcId>{VPC}</vpcId><routeSet>{routes}</routeSet>\
         <associationSet>{main}{subnets}</associationSet>"
    )
}

/// "blackhole": the target is not there, as an interface that is gone or whose instance does not run.
fn route(to: &str, target: &str, there: &[&str]) -> String {
    let destination = if to.contains(':') { "destinationIpv6CidrBlock" } else { "destinationCidrBlock" };
    let (name, state) = match target {
        target if !target.starts_with("eni-") => ("gatewayId", "active"),
        target if there.contains(&target) => ("networkInterfaceId", "active"),
        _ => ("networkInterfaceId", "blackhole"),
    };
    format!(
        "<item><{destination}>{to}</{destination}><{name}>{target}</{name}><state>{state}</state><origin>CreateRoute</origin></item>"
    )
}

/// One destination; the local route stays.
fn delete_route(state: &mut State, region: &str, asked: &Asked) -> Result<String, Refusal> {
    let id = &asked["RouteTableId"];
    let to = ["DestinationCidrBlock", "DestinationIpv6CidrBlock"].map(|key| asked.get(key));
    let [Some(to)] = to.into_iter().flatten().map(Some).collect::<Vec<_>>()[..] else {
        return Err(refuse("InvalidParameterCombination", "one destination"));
    };
    let tables = &mut state.region(region).tables;
    let table = tables.get_mut(id).ok_or_else(|| refuse("InvalidRouteTableID.NotFound", id.clone()))?;
    match table.routes.get(to).map(String::as_str) {
        None => {
            let message = format!("no route with destination-cidr-block {to} in route table {id}");
            Err(refuse("InvalidRoute.NotFound", message))
        }
        Some("local") => Err(refuse("InvalidParameterValue", "cannot remove local route")),
        Some(_) => {
            table.routes.remove(to);
            Ok("<return>true</return>".to_owned())
        }
    }
}
