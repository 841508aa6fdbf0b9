// SPDX-License-Identifier: Apache-2.0
//! Grouping: what the launch of a group does, for who wants to know before. Pure.

use std::fmt;

use serde_json::{Value, json};

use crate::cloud::{NewGroup, NewInstances};

/// What the launch of a group does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouping {
    /// The cluster's name.
    pub cluster: String,
    /// The region.
    pub region: String,
    /// Names the run, in tags.
    pub launch: String,
    /// The group; its name is the launch template's, too.
    pub group: NewGroup,
    /// What its instances are.
    pub template: NewInstances,
    /// Whether it is there: then it is changed, and replaces its instances a few at a time.
    pub is_there: bool,
}

impl Grouping {
    /// Returns the calls that change something, in their order.
    fn calls(&self) -> &'static [&'static str] {
        match self.is_there {
            true => &[
                "ec2:CreateLaunchTemplateVersion",
                "autoscaling:UpdateAutoScalingGroup",
                "autoscaling:StartInstanceRefresh",
            ],
            false => &["ec2:CreateLaunchTemplate", "autoscaling:CreateAutoScalingGroup"],
        }
    }

    /// Returns it for programs.
    pub fn described(&self) -> Value {
        let Self { cluster, region, launch: _, group, template, is_there } = self;
        json!({
            "cluster": cluster,
            "region": region,
            "role": "worker",
            "group": group.name,
            "is_there": is_there,
            "desired": group.desired,
            "max": group.max,
            "image": template.image,
            "instance_type": template.instance_type,
            "spot": template.is_spot,
            "instance_profile": template.instance_profile,
            "user_data_bytes": template.user_data.len(),
            "tags": template.tags,
            "subnets": group.subnets,
            "calls": self.calls(),
        })
    }
}

impl fmt::Display for Grouping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cluster, region, launch: _, group, template, is_there } = self;
        let verb = if *is_there { "change" } else { "make" };
        let NewGroup { name, subnets, desired, max } = group;
        writeln!(
            f,
            "{verb} group {name} of cluster {cluster} in {region}: {desired} workers, {max} at most"
        )?;
        let spot = if template.is_spot { ", spot" } else { "" };
        writeln!(f, "  image       {}", template.image)?;
        writeln!(f, "  type        {}{spot}", template.instance_type)?;
        writeln!(f, "  subnets     {}", subnets.join(", "))?;
        writeln!(f, "  groups      {}", template.security_groups.join(", "))?;
        writeln!(f, "  profile     {}", template.instance_profile.as_deref().unwrap_or("none"))?;
        writeln!(f, "  user-data   {} bytes", template.user_data.len())?;
        writeln!(f, "  calls       {}", self.calls().join(", "))
    }
}
