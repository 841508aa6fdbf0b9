// SPDX-License-Identifier: Apache-2.0
//! Groups: a launch template and the auto scaling group that keeps so many instances of it.

use aws_sdk_autoscaling::types::{LaunchTemplateSpecification, RefreshPreferences};
use aws_sdk_ec2::types::{
    InstanceType, LaunchTemplateHttpTokensState, LaunchTemplateIamInstanceProfileSpecificationRequest,
    LaunchTemplateInstanceMarketOptionsRequest, LaunchTemplateInstanceMetadataEndpointState,
    LaunchTemplateInstanceMetadataOptionsRequest, LaunchTemplateInstanceMetadataProtocolIpv6,
    LaunchTemplateInstanceMetadataTagsState, LaunchTemplateTagSpecificationRequest, MarketType,
    RequestLaunchTemplateData, ResourceType, Tag,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::access::Region;
use super::error::CloudError;
use super::instance::{HOP_LIMIT, NewInstances};
use super::retry::About;

/// The newest version of a template is the group's.
const LATEST: &str = "$Latest";
/// How long a new instance is not judged: a first boot and its first image pulls.
const GRACE_S: i32 = 600;
/// How much of a group stays healthy while its instances are replaced, in percent.
const HEALTHY: i32 = 90;

/// An auto scaling group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// How many instances it has at most.
    pub max: u32,
    /// How many it keeps.
    pub desired: u32,
    /// The ids of its instances, those that come and go included.
    pub instances: Vec<String>,
}

/// What a group is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewGroup {
    /// Names it, and its template.
    pub name: String,
    /// Its subnets, comma-separated as the service has them.
    pub subnets: Vec<String>,
    /// How many instances it keeps.
    pub desired: u32,
    /// How many it may have.
    pub max: u32,
}

impl Region {
    /// Returns a group, if it is there.
    ///
    /// # Errors
    /// The call's.
    pub async fn group(&self, name: &str) -> Result<Option<Group>, CloudError> {
        let request =
            || self.autoscaling.describe_auto_scaling_groups().auto_scaling_group_names(name).send();
        let answer = self.call("autoscaling:DescribeAutoScalingGroups", About::Known, request).await?;
        let count = |count: Option<i32>| u32::try_from(count.unwrap_or(0)).unwrap_or(0);
        Ok(answer.auto_scaling_groups().first().map(|found| Group {
            name: name.to_owned(),
            max: count(found.max_size()),
            desired: count(found.desired_capacity()),
            instances: found.instances().iter().filter_map(|it| Some(it.instance_id()?.to_owned())).collect(),
        }))
    }

    /// Writes the newest version of a launch template, and the template where there is none. Count, subnet and address of
    /// `new` are the group's business.
    ///
    /// # Errors
    /// The calls'.
    pub async fn template(&self, name: &str, new: &NewInstances) -> Result<(), CloudError> {
        let data = data(new);
        let version = || {
            let request = self.ec2.create_launch_template_version().launch_template_name(name);
            request.client_token(&new.token).launch_template_data(data.clone()).send()
        };
        match self.call("ec2:CreateLaunchTemplateVersion", About::Known, version).await {
            Err(error) if error.is_not_found() => {}
            answer => return answer.map(drop),
        }
        let first = || {
            let request = self.ec2.create_launch_template().launch_template_name(name);
            request.client_token(&new.token).launch_template_data(data.clone()).send()
        };
        self.call("ec2:CreateLaunchTemplate", About::Known, first).await.map(drop)
    }

    /// Makes a group of the newest version of the template of its name.
    ///
    /// # Errors
    /// The call's.
    pub async fn create_group(&self, new: &NewGroup) -> Result<(), CloudError> {
        let request = || {
            self.autoscaling
                .create_auto_scaling_group()
                .auto_scaling_group_name(&new.name)
                .launch_template(of_template(&new.name))
                .vpc_zone_identifier(new.subnets.join(","))
                .min_size(0)
                .max_size(size(new.max))
                .desired_capacity(size(new.desired))
                // Whether an instance is a healthy node, the control plane says.
                .health_check_type("EC2")
                .health_check_grace_period(GRACE_S)
                .send()
        };
        match self.call("autoscaling:CreateAutoScalingGroup", About::Fresh, request).await {
            // An answer that was lost.
            Err(error) if error.is_refused_as("AlreadyExists") => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Gives a group its size.
    ///
    /// # Errors
    /// The call's.
    pub async fn resize_group(&self, new: &NewGroup) -> Result<(), CloudError> {
        let request = || {
            let request = self.autoscaling.update_auto_scaling_group().auto_scaling_group_name(&new.name);
            let request = request.vpc_zone_identifier(new.subnets.join(","));
            request.min_size(0).max_size(size(new.max)).desired_capacity(size(new.desired)).send()
        };
        self.call("autoscaling:UpdateAutoScalingGroup", About::Known, request).await.map(drop)
    }

    /// Has a group replace its instances by such of the newest version, a few at a time.
    ///
    /// # Errors
    /// The call's.
    pub async fn refresh_group(&self, name: &str) -> Result<(), CloudError> {
        let preferences =
            RefreshPreferences::builder().min_healthy_percentage(HEALTHY).skip_matching(true).build();
        let request = || {
            let request = self.autoscaling.start_instance_refresh().auto_scaling_group_name(name);
            request.preferences(preferences.clone()).send()
        };
        match self.call("autoscaling:StartInstanceRefresh", About::Known, request).await {
            Err(error) if error.is_refused_as("InstanceRefreshInProgress") => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Deletes a group with its instances, and its template; what is gone already is no error.
    ///
    /// # Errors
    /// The calls'.
    pub async fn delete_group(&self, name: &str) -> Result<(), CloudError> {
        let group = || {
            self.autoscaling
                .delete_auto_scaling_group()
                .auto_scaling_group_name(name)
                .force_delete(true)
                .send()
        };
        match self.call("autoscaling:DeleteAutoScalingGroup", About::Known, group).await {
            Err(error) if !error.is_refused_as("ValidationError") => return Err(error),
            _ => {}
        }
        let template = || self.ec2.delete_launch_template().launch_template_name(name).send();
        match self.call("ec2:DeleteLaunchTemplate", About::Known, template).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}

fn size(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn of_template(name: &str) -> LaunchTemplateSpecification {
    LaunchTemplateSpecification::builder().launch_template_name(name).version(LATEST).build()
}

fn data(new: &NewInstances) -> RequestLaunchTemplateData {
    let metadata = LaunchTemplateInstanceMetadataOptionsRequest::builder()
        .http_endpoint(LaunchTemplateInstanceMetadataEndpointState::Enabled)
        .http_tokens(LaunchTemplateHttpTokensState::Required)
        .http_put_response_hop_limit(HOP_LIMIT)
        .http_protocol_ipv6(LaunchTemplateInstanceMetadataProtocolIpv6::Enabled)
        .instance_metadata_tags(LaunchTemplateInstanceMetadataTagsState::Disabled)
        .build();
    let profile = new
        .instance_profile
        .as_deref()
        .map(|name| LaunchTemplateIamInstanceProfileSpecificationRequest::builder().name(name).build());
    let spot = LaunchTemplateInstanceMarketOptionsRequest::builder().market_type(MarketType::Spot).build();
    let tagged = [ResourceType::Instance, ResourceType::Volume, ResourceType::NetworkInterface].map(|kind| {
        let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
        let tags = new.tags.iter().map(tag).collect();
        LaunchTemplateTagSpecificationRequest::builder().resource_type(kind).set_tags(Some(tags)).build()
    });
    RequestLaunchTemplateData::builder()
        .image_id(&new.image)
        .instance_type(InstanceType::from(new.instance_type.as_str()))
        .set_security_group_ids(Some(new.security_groups.clone()))
        .set_iam_instance_profile(profile)
        .metadata_options(metadata)
        .set_instance_market_options(new.is_spot.then_some(spot))
        .set_tag_specifications(Some(tagged.to_vec()))
        .user_data(BASE64.encode(&new.user_data))
        .build()
}
