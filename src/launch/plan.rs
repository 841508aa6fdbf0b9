// SPDX-License-Identifier: Apache-2.0
//! Plan: which instances a launch makes, in which subnets, and what they are given. Pure.

use std::fmt;
use std::path::Path;

use serde_json::{Value, json};

use super::cluster::Cluster;
use super::user_data::Form;
use super::{layer, tag};
use crate::cloud::{NewInstances, Tags};
use crate::mark;
use crate::settings::Role;

/// What is to be launched.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// The description's file, for messages.
    pub file: &'a Path,
    /// The cluster.
    pub cluster: &'a Cluster,
    /// What the instances become.
    pub role: Role,
    /// How many.
    pub count: u32,
    /// Who reads the user-data.
    pub form: Form,
    /// The CA certificates (PEM) that workers trust.
    pub ca: Option<&'a str>,
}

/// What a launch does: one call of RunInstances for each subnet that gets instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The cluster's name.
    pub cluster: String,
    /// The region.
    pub region: String,
    /// What the instances become.
    pub role: Role,
    /// Names the run, in tags.
    pub launch: String,
    /// The calls.
    pub calls: Vec<NewInstances>,
}

/// Returns the plan; `image` is the AMI, `launch` a text of chance that names the run.
pub fn plan(order: &Order<'_>, image: &str, launch: &str, user_data: &str) -> Plan {
    let Order { cluster, role, count, .. } = *order;
    let group = cluster.group(role);
    let call = |(number, subnet): (usize, &String)| NewInstances {
        token: format!("kiln-{launch}-{number}"),
        count: share(count, group.subnets.len(), number),
        image: image.to_owned(),
        instance_type: group.instance_type.clone(),
        subnet: subnet.clone(),
        security_groups: group.security_groups.clone(),
        instance_profile: group.instance_profile.clone(),
        address: group.address,
        is_spot: group.spot,
        user_data: user_data.to_owned(),
        tags: tags(cluster, role, launch),
    };
    let calls = group.subnets.iter().enumerate().map(call).filter(|call| call.count > 0).collect();
    Plan {
        cluster: cluster.name.clone(),
        region: cluster.region.clone(),
        role,
        launch: launch.to_owned(),
        calls,
    }
}

/// Returns the name of the cluster's group of workers, and of its launch template.
pub fn group_name(cluster: &Cluster) -> String {
    layer::group_name(cluster)
}

/// Returns the path of parameters below which the cluster's control plane shares what is public.
pub fn share_path(cluster: &Cluster) -> String {
    layer::share(cluster)
}

/// Returns what a group's instances are: as those of a launch, but in whatever subnet, and without the tag of a run.
pub fn template(order: &Order<'_>, image: &str, run: &str, user_data: &str) -> NewInstances {
    let Order { cluster, role, .. } = *order;
    let group = cluster.group(role);
    let mut tags = tags(cluster, role, run);
    tags.remove(tag::LAUNCH);
    NewInstances {
        token: format!("kiln-{run}"),
        count: 0,
        image: image.to_owned(),
        instance_type: group.instance_type.clone(),
        subnet: String::new(),
        security_groups: group.security_groups.clone(),
        instance_profile: group.instance_profile.clone(),
        address: None,
        is_spot: group.spot,
        user_data: user_data.to_owned(),
        tags,
    }
}

/// Subnets are taken in turn, from the first.
fn share(count: u32, subnets: usize, number: usize) -> u32 {
    let (count, subnets) = (count as usize, subnets.max(1));
    let share = count / subnets + usize::from(number < count % subnets);
    u32::try_from(share).unwrap_or(u32::MAX)
}

fn tags(cluster: &Cluster, role: Role, launch: &str) -> Tags {
    let mut tags = cluster.tags.clone();
    tags.entry("Name".to_owned()).or_insert_with(|| format!("{}-{}", cluster.name, layer::word(role)));
    let own = [
        (tag::CLUSTER, cluster.name.as_str()),
        (tag::ROLE, layer::word(role)),
        (tag::LAUNCH, launch),
        (tag::VERSION, mark::VERSION),
    ];
    tags.extend(own.map(|(key, value)| (key.to_owned(), value.to_owned())));
    tags
}

impl Plan {
    /// Returns how many instances are launched.
    pub fn count(&self) -> u32 {
        self.calls.iter().map(|call| call.count).sum()
    }

    /// Returns it for programs; without the user-data, which holds a token.
    pub fn described(&self) -> Value {
        let call = |call: &NewInstances| json!({ "subnet": call.subnet, "count": call.count });
        let first = self.calls.first();
        json!({
            "cluster": self.cluster,
            "region": self.region,
            "role": self.role,
            "image": first.map(|call| &call.image),
            "instance_type": first.map(|call| &call.instance_type),
            "spot": first.map(|call| call.is_spot),
            "instance_profile": first.and_then(|call| call.instance_profile.as_ref()),
            "user_data_bytes": first.map(|call| call.user_data.len()),
            "tags": first.map(|call| &call.tags),
            "subnets": self.calls.iter().map(call).collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, role) = (self.count(), layer::word(self.role));
        let many = if count == 1 { "" } else { "s" };
        writeln!(f, "launch {count} {role}{many} of cluster {} in {}:", self.cluster, self.region)?;
        let Some(first) = self.calls.first() else { return Ok(()) };
        let spot = if first.is_spot { ", spot" } else { "" };
        writeln!(f, "  image       {}", first.image)?;
        writeln!(f, "  type        {}{spot}", first.instance_type)?;
        for call in &self.calls {
            writeln!(f, "  subnet      {}: {}", call.subnet, call.count)?;
        }
        writeln!(f, "  groups      {}", first.security_groups.join(", "))?;
        writeln!(f, "  profile     {}", first.instance_profile.as_deref().unwrap_or("none"))?;
        if let Some(address) = first.address {
            writeln!(f, "  address     {address}")?;
        }
        writeln!(f, "  user-data   {} bytes", first.user_data.len())?;
        writeln!(f, "  calls       {} ec2:RunInstances", self.calls.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_are_taken_in_turn() {
        let shares = |count, subnets| (0..subnets).map(|at| share(count, subnets, at)).collect::<Vec<_>>();
        assert_eq!(shares(1, 3), [1, 0, 0]);
        assert_eq!(shares(5, 3), [2, 2, 1]);
        assert_eq!(shares(6, 2), [3, 3]);
    }
}
