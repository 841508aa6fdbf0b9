// SPDX-License-Identifier: Apache-2.0
//! One auto scaling group as a control plane sees it (API reference of DescribeAutoScalingGroups and SetInstanceHealth).

use std::collections::BTreeMap;

use super::double::State;
use crate::aws::http::{Reply, Request};

/// The group's instances: whether each is called healthy.
#[derive(Debug, Default)]
pub struct Group {
    pub name: String,
    pub members: BTreeMap<String, bool>,
}

pub fn answer(state: &mut State, request: &Request) -> Reply {
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    let get = |key: &str| form.get(key).map_or("", String::as_str);
    if get("Version") != "2011-01-01" {
        state.wrong.push(format!("version {}", get("Version")));
    }
    match get("Action") {
        "DescribeAutoScalingGroups" => {
            let is_it = get("AutoScalingGroupNames.member.1") == state.group.name;
            let members: String =
                state.group.members.iter().map(|(id, is_healthy)| item(id, *is_healthy)).collect();
            let group = format!(
                "<member><AutoScalingGroupName>{}</AutoScalingGroupName><Instances>{members}</Instances></member>",
                state.group.name
            );
            let groups = if is_it { group } else { String::new() };
            Reply::ok(format!(
                "<DescribeAutoScalingGroupsResponse xmlns=\"http://autoscaling.amazonaws.com/doc/2011-01-01/\">\
                 <DescribeAutoScalingGroupsResult><AutoScalingGroups>{groups}</AutoScalingGroups>\
                 </DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>"
            ))
        }
        "SetInstanceHealth"
            if get("HealthStatus") == "Unhealthy" && get("ShouldRespectGracePeriod") == "true" =>
        {
            match state.group.members.get_mut(get("InstanceId")) {
                Some(is_healthy) => {
                    *is_healthy = false;
                    Reply::ok("<SetInstanceHealthResponse/>")
                }
                None => refused("ValidationError", "Instance Id not found - No managed instance found"),
            }
        }
        other => refused("InvalidAction", other),
    }
}

fn item(id: &str, is_healthy: bool) -> String {
    let health = if is_healthy { "Healthy" } else { "Unhealthy" };
    format!(
        "<member><InstanceId>{id}</InstanceId><LifecycleState>InService</LifecycleState>\
         <HealthStatus>{health}</HealthStatus></member>"
    )
}

fn refused(code: &str, message: &str) -> Reply {
    Reply::plain(
        400,
        format!(
            "<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        ),
    )
}
