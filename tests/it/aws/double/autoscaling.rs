// SPDX-License-Identifier: Apache-2.0
//! Launch templates of EC2, and auto scaling groups of them ("Amazon EC2 Auto Scaling API Reference": query protocol, XML).

use std::collections::BTreeMap;

use super::ec2::{Asked, list};
use super::instances::{Instance, judged};
use super::{Refusal, State, refuse};
use crate::aws::http::{Reply, Request};

#[derive(Debug, Clone, Default)]
pub struct Group {
    pub template: String,
    pub subnets: Vec<String>,
    pub desired: usize,
    pub max: usize,
    pub instances: Vec<String>,
    /// Those that somebody called unhealthy: they are replaced.
    pub unhealthy: Vec<String>,
    pub refreshes: usize,
}

fn get<'a>(asked: &'a Asked, key: &str) -> &'a str {
    asked.get(key).map_or("", String::as_str)
}

/// Calls of EC2 that are about templates.
pub fn templates(
    state: &mut State,
    region: &str,
    action: &str,
    asked: &Asked,
) -> Option<Result<String, Refusal>> {
    let name = get(asked, "LaunchTemplateName").to_owned();
    let templates = &mut state.region(region).templates;
    let missing = || {
        let message = format!("The specified launch template, with template name {name}, does not exist.");
        Err(refuse("InvalidLaunchTemplateName.NotFoundException", message))
    };
    Some(match (action, templates.contains_key(&name)) {
        ("CreateLaunchTemplate", true) => Err(refuse(
            "InvalidLaunchTemplateName.AlreadyExistsException",
            "Launch template name already in use.",
        )),
        ("CreateLaunchTemplate", false) | ("CreateLaunchTemplateVersion", true) => {
            templates.entry(name).or_default().push(data(asked));
            Ok("<launchTemplate/>".to_owned())
        }
        ("DeleteLaunchTemplate", true) => {
            templates.remove(&name);
            Ok("<launchTemplate/>".to_owned())
        }
        ("CreateLaunchTemplateVersion" | "DeleteLaunchTemplate", false) => missing(),
        _ => return None,
    })
}

/// What an instance of a template is asked with.
fn data(asked: &Asked) -> Asked {
    let own = asked.iter().filter_map(|(key, value)| {
        Some((key.strip_prefix("LaunchTemplateData.")?.to_owned(), value.clone()))
    });
    own.collect()
}

pub fn action(request: &Request) -> (String, String) {
    let asked: Asked = url::form_urlencoded::parse(&request.body).into_owned().collect();
    (format!("autoscaling:{}", get(&asked, "Action")), get(&asked, "AutoScalingGroupName").to_owned())
}

pub fn refused(refusal: &Refusal) -> Reply {
    let Refusal { status, code, message, .. } = refusal;
    let body = format!(
        "<ErrorResponse xmlns=\"http://autoscaling.amazonaws.com/doc/2011-01-01/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>{message}</Message></Error><RequestId>double</RequestId></ErrorResponse>"
    );
    Reply::new(*status, "text/xml", body)
}

pub fn serve(state: &mut State, region: &str, request: &Request) -> Reply {
    let asked: Asked = url::form_urlencoded::parse(&request.body).into_owned().collect();
    let (action, name) = (get(&asked, "Action").to_owned(), get(&asked, "AutoScalingGroupName").to_owned());
    let served = match action.as_str() {
        "DescribeAutoScalingGroups" => {
            Ok(describe(state, region, &list(&asked, "AutoScalingGroupNames.member")))
        }
        "CreateAutoScalingGroup" => create(state, region, &name, &asked),
        "UpdateAutoScalingGroup" => known(state, region, &name).map(|group| {
            (group.desired, group.max) = sizes(&asked);
            String::new()
        }),
        "StartInstanceRefresh" => known(state, region, &name).map(|group| {
            group.refreshes += 1;
            "<InstanceRefreshId>r-1</InstanceRefreshId>".to_owned()
        }),
        "SetInstanceHealth" => set_health(state, region, &asked),
        "DeleteAutoScalingGroup" => delete(state, region, &name, &asked),
        other => Err(refuse("InvalidAction", other)),
    };
    match served {
        Err(refusal) => refused(&refusal),
        Ok(inner) => {
            let body = format!(
                "<{action}Response xmlns=\"http://autoscaling.amazonaws.com/doc/2011-01-01/\"><{action}Result>{inner}\
                 </{action}Result><ResponseMetadata><RequestId>double</RequestId></ResponseMetadata></{action}Response>"
            );
            Reply::new(200, "text/xml", body)
        }
    }
}

fn known<'s>(state: &'s mut State, region: &str, name: &str) -> Result<&'s mut Group, Refusal> {
    let missing = || refuse("ValidationError", "AutoScalingGroup name not found - null");
    state.region(region).groups.get_mut(name).ok_or_else(missing)
}

fn sizes(asked: &Asked) -> (usize, usize) {
    let size = |key: &str| get(asked, key).parse().unwrap();
    let (least, most, desired): (usize, usize, usize) =
        (size("MinSize"), size("MaxSize"), size("DesiredCapacity"));
    assert!(least <= desired && desired <= most, "{asked:?}");
    (desired, most)
}

fn create(state: &mut State, region: &str, name: &str, asked: &Asked) -> Result<String, Refusal> {
    let here = state.region(region);
    if here.groups.contains_key(name) {
        return Err(refuse("AlreadyExists", "AutoScalingGroup by this name already exists"));
    }
    let template = get(asked, "LaunchTemplate.LaunchTemplateName").to_owned();
    if !here.templates.contains_key(&template) {
        return Err(refuse("ValidationError", "You must use a valid fully-formed launch template."));
    }
    assert_eq!(get(asked, "LaunchTemplate.Version"), "$Latest");
    assert_eq!((get(asked, "HealthCheckType"), get(asked, "HealthCheckGracePeriod")), ("EC2", "600"));
    let subnets: Vec<String> = get(asked, "VPCZoneIdentifier").split(',').map(str::to_owned).collect();
    if let Some(subnet) = subnets.iter().find(|subnet| !here.ground.subnets.contains(*subnet)) {
        return Err(refuse("ValidationError", format!("The subnet ID '{subnet}' does not exist")));
    }
    let (desired, max) = sizes(asked);
    here.groups.insert(name.to_owned(), Group { template, subnets, desired, max, ..Group::default() });
    Ok(String::new())
}

/// With every look a group has done its part.
fn describe(state: &mut State, region: &str, names: &[String]) -> String {
    let mut text = String::new();
    for name in names {
        tend(state, region, name);
        text += &state.region(region).groups.get(name).map(|group| item(name, group)).unwrap_or_default();
    }
    format!("<AutoScalingGroups>{text}</AutoScalingGroups>")
}

/// What a group does by itself: it ends what is unhealthy and is as large as it is to be, of instances that are there.
pub fn tend(state: &mut State, region: &str, name: &str) {
    let Some(mut group) = state.region(region).groups.get(name).cloned() else { return };
    for id in std::mem::take(&mut group.unhealthy) {
        let instance = state.region(region).instances.get_mut(&id).unwrap();
        instance.state = "shutting-down";
        instance.reason = "Client.UserInitiatedShutdown: User initiated shutdown".to_owned();
    }
    let instances = &state.region(region).instances;
    group.instances.retain(|id| !["shutting-down", "terminated"].contains(&instances[id].state));
    while group.instances.len() < group.desired {
        let id = launched(state, region, name, &group);
        group.instances.push(id);
    }
    state.region(region).groups.insert(name.to_owned(), group);
}

fn launched(state: &mut State, region: &str, name: &str, group: &Group) -> String {
    let subnet = group.subnets[group.instances.len() % group.subnets.len()].clone();
    let mut asked = state.region(region).templates[&group.template].last().unwrap().clone();
    let own = [("SubnetId", subnet.as_str()), ("MinCount", "1"), ("MaxCount", "1")];
    asked.extend(own.map(|(key, value)| (key.to_owned(), value.to_owned())));
    let (_, user_data) = judged(state, region, &asked).unwrap();
    let id = state.new_id("i");
    let mut instance = Instance::of(asked, user_data, state.weather);
    instance.tags.insert("aws:autoscaling:groupName".to_owned(), name.to_owned());
    state.region(region).instances.insert(id.clone(), instance);
    id
}

/// "Set up a custom health check for your Auto Scaling group".
fn set_health(state: &mut State, region: &str, asked: &Asked) -> Result<String, Refusal> {
    let id = get(asked, "InstanceId").to_owned();
    let mut groups = state.region(region).groups.values_mut();
    let Some(group) = groups.find(|group| group.instances.contains(&id)) else {
        let message = format!("Instance Id not found - No managed instance found for instance ID: {id}");
        return Err(refuse("ValidationError", message));
    };
    match get(asked, "HealthStatus") {
        "Healthy" => group.unhealthy.retain(|other| *other != id),
        "Unhealthy" => group.unhealthy.push(id),
        other => return Err(refuse("ValidationError", format!("'{other}' is not a valid health status"))),
    }
    Ok(String::new())
}

fn item(name: &str, group: &Group) -> String {
    let members: BTreeMap<&String, ()> = group.instances.iter().map(|id| (id, ())).collect();
    let instances: String = members
        .keys()
        .map(|id| {
            format!(
                "<member><InstanceId>{id}</InstanceId><AvailabilityZone>eu-central-1a</AvailabilityZone>\
                 <LifecycleState>InService</LifecycleState><HealthStatus>Healthy</HealthStatus>\
                 <ProtectedFromScaleIn>false</ProtectedFromScaleIn></member>"
            )
        })
        .collect();
    format!(
        "<member><AutoScalingGroupName>{name}</AutoScalingGroupName><MinSize>0</MinSize><MaxSize>{}</MaxSize>\
         <DesiredCapacity>{}</DesiredCapacity><DefaultCooldown>300</DefaultCooldown><AvailabilityZones/>\
         <HealthCheckType>EC2</HealthCheckType><CreatedTime>2026-11-30T12:00:00Z</CreatedTime>\
         <Instances>{instances}</Instances></member>",
        group.max, group.desired
    )
}

fn delete(state: &mut State, region: &str, name: &str, asked: &Asked) -> Result<String, Refusal> {
    let instances = known(state, region, name)?.instances.clone();
    if !instances.is_empty() && get(asked, "ForceDelete") != "true" {
        return Err(refuse(
            "ResourceInUse",
            "You cannot delete an AutoScalingGroup while there are instances",
        ));
    }
    for id in instances {
        if let Some(instance) = state.region(region).instances.get_mut(&id) {
            instance.state = "shutting-down";
        }
    }
    state.region(region).groups.remove(name);
    Ok(String::new())
}
