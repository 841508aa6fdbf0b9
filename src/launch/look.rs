// SPDX-License-Identifier: Apache-2.0
//! Look: what a launch relies on in the region. Only reads.

use super::cluster::Image;
use super::error::LaunchError;
use super::layer;
use super::plan::Order;
use crate::cloud::{ImageState, Region};
use crate::problem::{Problem, Problems};

/// Returns the AMI of the cluster's nodes, which is there and can be launched.
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
    let state = region.image(&id).await?.map(|image| image.state);
    let what = match state {
        Some(ImageState::Available) => return Ok(id),
        Some(ImageState::Pending) => format!("{id} is not available yet"),
        Some(ImageState::Failed(reason)) => format!("{id} has failed: {reason}"),
        None => format!("{id} is not in {}, or not shared with this account", region.name()),
    };
    Err(wrong(order, "image", what, "publish the image there (kiln publish), or name another one"))
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
