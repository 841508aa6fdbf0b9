// SPDX-License-Identifier: Apache-2.0
//! Look: what a launch relies on in the region. Only reads.

use super::cluster::Image;
use super::error::LaunchError;
use super::layer;
use super::plan::Order;
use crate::cloud::{ImageState, Region, Subnet};
use crate::problem::{Problem, Problems};
use crate::settings::Role;

/// Returns the AMI of the cluster's nodes, which is there and can be launched where the order says and on what.
///
/// # Errors
/// The calls'; a problem of the description, where there is no such image.
pub(super) async fn image(order: &Order<'_>, region: &Region) -> Result<String, LaunchError> {
    let id = match &order.cluster.image {
        Image::Ami(id) => id.clone(),
        Image::Parameter(name) => {
            let found = region.parameters(std::slice::from_ref(name)).await?;
            let fix = "publish the image with this parameter (kiln publish), or name another one";
            let none =
                || wrong(order, "image", format!("there is no parameter {name} in {}", region.name()), fix);
            found.get(name).cloned().ok_or_else(none)?
        }
    };
    let found = region.image(&id).await?;
    let architecture = found.as_ref().map(|image| image.architecture.clone()).unwrap_or_default();
    let what = match found.map(|image| image.state) {
        Some(ImageState::Available) => {
            ground(order, region, (&id, &architecture)).await?;
            return Ok(id);
        }
        Some(ImageState::Pending) => format!("{id} is not available yet"),
        Some(ImageState::Failed(reason)) => format!("{id} has failed: {reason}"),
        None => format!("{id} is not in {}, or not shared with this account", region.name()),
    };
    Err(wrong(order, "image", what, "publish the image there (kiln publish), or name another one"))
}

/// Sees that subnets, address and instance type are there and go together with the image.
async fn ground(
    order: &Order<'_>,
    region: &Region,
    (image, architecture): (&str, &str),
) -> Result<(), LaunchError> {
    let group = order.cluster.group(order.role);
    let known = region.subnets(&group.subnets).await?;
    let mut problems = places(order, region.name(), &known);
    let able = region.architectures(&group.instance_type).await?;
    let kind = &group.instance_type;
    let what = match able {
        None => Some(format!("there is no {kind} in {}", region.name())),
        Some(able) if !able.iter().any(|it| it == architecture) => {
            Some(format!("{kind} is of {}, and {image} of {architecture}", able.join(", ")))
        }
        Some(_) => None,
    };
    problems.extend(what.map(|what| problem(order, "instance_type", what, "name another type")));
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems).into()) }
}

/// Returns what is wrong with subnets and address, where these subnets are known.
fn places(order: &Order<'_>, region: &str, known: &[Subnet]) -> Vec<Problem> {
    let group = order.cluster.group(order.role);
    let is_missing = |id: &&String| known.iter().all(|subnet| subnet.id != **id);
    let mut problems: Vec<Problem> = group
        .subnets
        .iter()
        .filter(is_missing)
        .map(|id| {
            problem(order, "subnets", format!("there is no {id} in {region}"), "name one that is there")
        })
        .collect();
    if let Some(other) = known.iter().find(|subnet| subnet.vpc != known[0].vpc) {
        let what = format!("{} is in {}, and {} in {}", known[0].id, known[0].vpc, other.id, other.vpc);
        problems.push(problem(order, "subnets", what, "name subnets of one VPC"));
    }
    // A control plane is in the first of its subnets.
    let first = group.subnets.first().and_then(|id| known.iter().find(|subnet| subnet.id == *id));
    if let (Some(address), Some(first)) = (group.address, first)
        && !first.ranges.iter().any(|range| range.contains(&address))
    {
        let ranges: Vec<String> = first.ranges.iter().map(ToString::to_string).collect();
        let what = format!("{address} is not in {} ({})", first.id, ranges.join(", "));
        problems.push(problem(order, "address", what, "write a free address of that subnet"));
    }
    problems
}

/// Returns a problem of the order's group.
fn problem(order: &Order<'_>, key: &str, what: String, fix: &str) -> Problem {
    let group = if order.role == Role::ControlPlane { "control_plane" } else { "workers" };
    let (file, key, fix) = (order.file.to_owned(), format!("{group}.{key}"), Some(fix.to_owned()));
    Problem { file, place: None, key, what, fix }
}

/// Sees that the parameter is there which a group's instances join by; what is in it is theirs to read.
///
/// # Errors
/// The call's; a problem, where there is none.
pub(super) async fn token(order: &Order<'_>, region: &Region) -> Result<(), LaunchError> {
    let name = layer::token_parameter(order.cluster);
    if region.parameters(std::slice::from_ref(&name)).await?.contains_key(&name) {
        return Ok(());
    }
    let what = format!("there is no parameter {name} in {} with a token to join with", region.name());
    let fix = "launch the control plane with --group, or let its settings have cloud.token_parameter";
    Err(wrong(order, "workers", what, fix))
}

/// Returns a problem of the description that only the cloud can tell.
pub(super) fn wrong(order: &Order<'_>, key: &str, what: String, fix: &str) -> LaunchError {
    let (file, key, fix) = (order.file.to_owned(), key.to_owned(), Some(fix.to_owned()));
    Problems(vec![Problem { file, place: None, key, what, fix }]).into()
}
