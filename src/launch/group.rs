// SPDX-License-Identifier: Apache-2.0
//! The flow that makes a group of workers, which mends itself: a launch template whose user-data names a parameter instead of
//! holding a token, and an auto scaling group of it. Run again, it gives the group its size and rolls what has changed.

use serde::Serialize;

use super::birth::Goal;
use super::error::LaunchError;
use super::grouping::Grouping;
use super::plan::{self, Order};
use super::run::{Desk, Launched, launched, name_of_run};
use super::user_data::{Given, render};
use super::watch::Watch;
use super::{layer, look};
use crate::cloud::{NewGroup, Region};
use crate::host::interrupt;

/// What came of a group.
#[derive(Debug, Clone, Serialize)]
pub struct Grouped {
    /// Its name, and that of its launch template.
    pub group: String,
    /// Whether it was there: then it is resized, and replaces its instances a few at a time.
    pub is_rolled: bool,
    /// Its first nodes.
    #[serde(flatten)]
    pub launched: Launched,
}

/// Decides what the launch of a group would do, and changes nothing.
///
/// # Errors
/// What is wrong with the description in this region; calls that fail.
pub async fn rehearse_group(order: &Order<'_>, max: u32, region: &Region) -> Result<Grouping, LaunchError> {
    let image = look::image(order, region).await?;
    look::token(order, region).await?;
    let given = Given { ca: order.ca, shares_token: true, ..Given::default() };
    let user_data = render(order.cluster, order.role, &given, order.form)?;
    let launch = name_of_run()?;
    let group = NewGroup {
        name: plan::group_name(order.cluster),
        subnets: order.cluster.group(order.role).subnets.clone(),
        desired: order.count,
        max: max.max(order.count),
    };
    let is_there = region.group(&group.name).await?.is_some();
    Ok(Grouping {
        cluster: order.cluster.name.clone(),
        region: order.cluster.region.clone(),
        template: plan::template(order, &image, &launch, &user_data),
        launch,
        group,
        is_there,
    })
}

/// Makes a group of workers and waits until all are Ready; one that is there is changed, and goes on by itself.
///
/// # Errors
/// What is wrong; instances that do not become nodes. The group goes on to replace them.
pub async fn launch_group(order: &Order<'_>, max: u32, desk: &Desk<'_>) -> Result<Grouped, LaunchError> {
    let Grouping { launch: run, group: new, template, is_there, .. } =
        rehearse_group(order, max, desk.region).await?;
    let name = new.name.clone();
    desk.region.template(&name, &template).await?;
    if is_there {
        desk.region.resize_group(&new).await?;
        desk.region.refresh_group(&name).await?;
        return Ok(Grouped { group: name, is_rolled: true, launched: launched(order, &run, Vec::new()) });
    }
    interrupt::leaves(&format!("group {name} goes on by itself; kiln launch --terminate --group deletes it"));
    desk.region.create_group(&new).await?;
    let goal = Goal::Joins { endpoint: layer::endpoint(order.cluster, order.role) };
    let mut watch = Watch::new((desk.region, Some(desk.client)), desk.progress, None, goal);
    watch.until_grouped(&name, order.count as usize, desk.limit).await?;
    watch.until_ready(desk.limit).await?;
    interrupt::leaves_nothing();
    let launched = launched(order, &run, std::mem::take(&mut watch.births));
    Ok(Grouped { group: name, is_rolled: false, launched })
}
