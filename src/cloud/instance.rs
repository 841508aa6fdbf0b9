// SPDX-License-Identifier: Apache-2.0
//! Instances: launched, looked at, heard, terminated.

use std::fmt;
use std::net::IpAddr;

use aws_sdk_ec2::operation::describe_instances::builders::DescribeInstancesFluentBuilder;
use aws_sdk_ec2::types::{
    Filter, HttpTokensState, IamInstanceProfileSpecification, InstanceIpv6Address,
    InstanceMarketOptionsRequest, InstanceMetadataEndpointState, InstanceMetadataOptionsRequest,
    InstanceMetadataProtocolState, InstanceMetadataTagsState, InstanceStateName, InstanceType, MarketType,
    ResourceType,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::Tags;
use super::access::Region;
use super::error::CloudError;
use super::image::{tagged, tags};
use super::retry::About;

/// Pods are a hop further away than the instance itself, so that the service's answers do not reach them.
pub(super) const HOP_LIMIT: i32 = 1;
/// The first name that EC2 recommends for volumes beside the root's ("Device names for volumes on Amazon EC2 instances"). With
/// NVMe it is a name for EC2 alone.
const DATA_DEVICE: &str = "/dev/sdf";
/// A filter takes so many values ("Filtering API requests", EC2 API Reference).
const VALUES_MAX: usize = 200;
/// Results of a page; EC2 allows 1,000.
const PAGE: i32 = 1000;

/// What RunInstances is asked for: so many instances in one subnet.
#[derive(Clone, PartialEq, Eq)]
pub struct NewInstances {
    /// The same token and the same words make the same instances, however often they are sent; 64 characters at most.
    pub token: String,
    /// How many: all or none.
    pub count: u32,
    /// `ami-...`
    pub image: String,
    /// `m7i.large`
    pub instance_type: String,
    /// The subnet.
    pub subnet: String,
    /// Security groups.
    pub security_groups: Vec<String>,
    /// Name of the instance profile.
    pub instance_profile: Option<String>,
    /// The private address of a single instance.
    pub address: Option<IpAddr>,
    /// Whether they are spot instances.
    pub is_spot: bool,
    /// User-data, as the instance sees it.
    pub user_data: String,
    /// Tags of the instances, their volumes and interfaces.
    pub tags: Tags,
}

impl fmt::Debug for NewInstances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // User-data may hold a bootstrap token.
        f.debug_struct("NewInstances")
            .field("subnet", &self.subnet)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// `i-...`
    pub id: String,
    /// How it is.
    pub state: InstanceState,
    /// Why it came to be so, in EC2's words.
    pub reason: Option<String>,
    /// Its subnet.
    pub subnet: String,
    /// Its image.
    pub image: String,
    /// Its tags.
    pub tags: Tags,
    /// Where in the network it is.
    pub attached: Attached,
    /// The volumes that it has, `vol-...`.
    pub volumes: Vec<String>,
    /// When it was started last, in seconds since 1970.
    pub started_s: u64,
}

/// Where in the network an instance is; nowhere, once it is terminated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attached {
    /// Its VPC.
    pub vpc: Option<String>,
    /// Its primary interface.
    pub interface: Option<String>,
    /// The private addresses of that one.
    pub addresses: Vec<IpAddr>,
    /// Whether that one drops packets that are not to or from its own addresses.
    pub is_checked: bool,
}

/// How an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceState {
    /// It will run.
    Pending,
    /// It runs.
    Running,
    /// It is being stopped or terminated.
    Ending,
    /// It does not run, and may be started again.
    Stopped,
    /// It is gone; EC2 shows it for an hour.
    Terminated,
}

impl InstanceState {
    /// Returns whether it is there or will be.
    pub fn is_up(self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }
}

impl fmt::Display for InstanceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Ending => "ending",
            Self::Stopped => "stopped",
            Self::Terminated => "terminated",
        })
    }
}

impl Region {
    /// Launches instances in one subnet: IMDSv2 alone, one hop far, without tags in the metadata.
    ///
    /// # Errors
    /// The call's.
    pub async fn run(&self, new: &NewInstances) -> Result<Vec<Instance>, CloudError> {
        let made = self.asked_to_run(new, false).await?;
        match made.len() == new.count as usize {
            true => Ok(made),
            false => {
                Err(self.malformed("ec2:RunInstances", "it names not as many instances as were asked for"))
            }
        }
    }

    /// Has EC2 judge a launch, rights included, without launching anything.
    ///
    /// # Errors
    /// What the launch's would be, as far as EC2 knows before.
    pub async fn rehearse(&self, new: &NewInstances) -> Result<(), CloudError> {
        match self.asked_to_run(new, true).await {
            // "DryRun": this is how it says that all is well.
            Err(error) if error.is_refused_as("DryRunOperation") => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Returns the architectures that an instance type is of; nothing where the region has no such type.
    ///
    /// # Errors
    /// The call's.
    pub async fn architectures(&self, instance_type: &str) -> Result<Option<Vec<String>>, CloudError> {
        let filter = Filter::builder().name("instance-type").values(instance_type).build();
        let request = || self.ec2.describe_instance_types().filters(filter.clone()).send();
        let answer = self.call("ec2:DescribeInstanceTypes", About::Known, request).await?;
        Ok(answer.instance_types().first().map(|found| {
            let all = found.processor_info().map(|of| of.supported_architectures()).unwrap_or_default();
            all.iter().map(|it| it.as_str().to_owned()).collect()
        }))
    }

    async fn asked_to_run(&self, new: &NewInstances, is_dry: bool) -> Result<Vec<Instance>, CloudError> {
        let count = i32::try_from(new.count).unwrap_or(i32::MAX);
        let tagged = [ResourceType::Instance, ResourceType::Volume, ResourceType::NetworkInterface]
            .map(|kind| tagged(kind, &new.tags));
        let profile = new.instance_profile.as_deref();
        let profile = profile.map(|name| IamInstanceProfileSpecification::builder().name(name).build());
        let (v4, v6) = addresses(new.address);
        let request = || {
            self.ec2
                .run_instances()
                .client_token(&new.token)
                .set_dry_run(is_dry.then_some(true))
                .min_count(count)
                .max_count(count)
                .image_id(&new.image)
                .instance_type(InstanceType::from(new.instance_type.as_str()))
                .subnet_id(&new.subnet)
                .set_security_group_ids(Some(new.security_groups.clone()))
                .set_iam_instance_profile(profile.clone())
                .set_private_ip_address(v4.clone())
                .set_ipv6_addresses(v6.clone())
                .set_instance_market_options(new.is_spot.then(spot))
                .metadata_options(metadata())
                .set_tag_specifications(Some(tagged.to_vec()))
                .user_data(BASE64.encode(&new.user_data))
                .send()
        };
        let answer = self.call("ec2:RunInstances", About::Known, request).await?;
        Ok(answer.instances().iter().filter_map(instance).collect())
    }

    /// Returns the instances of these ids, which were launched a moment ago.
    ///
    /// # Errors
    /// The call's; not found, once such a one should be known everywhere.
    pub async fn instances(&self, ids: &[String]) -> Result<Vec<Instance>, CloudError> {
        let of_ids = self.ec2.describe_instances().set_instance_ids(Some(ids.to_vec()));
        self.described(About::Fresh, &of_ids).await
    }

    /// Returns the instances with this tag that are not gone.
    ///
    /// # Errors
    /// The calls'; one for every page.
    pub async fn instances_tagged(&self, key: &str, value: &str) -> Result<Vec<Instance>, CloudError> {
        let there =
            ["pending", "running", "shutting-down", "stopping", "stopped"].map(str::to_owned).to_vec();
        let filters = [
            Filter::builder().name(format!("tag:{key}")).values(value).build(),
            Filter::builder().name("instance-state-name").set_values(Some(there)).build(),
        ];
        // EC2 takes a size of pages with filters alone, and answers for ids at once.
        let tagged = self.ec2.describe_instances().set_filters(Some(filters.to_vec())).max_results(PAGE);
        self.described(About::Known, &tagged).await
    }

    /// Returns those of the instances of these ids that EC2 still knows, however they are: asked by id, one that it has
    /// forgotten would be an error for all of them.
    ///
    /// # Errors
    /// The calls'; one for 200 ids.
    pub async fn instances_left(&self, ids: &[String]) -> Result<Vec<Instance>, CloudError> {
        let mut found = Vec::new();
        for some in ids.chunks(VALUES_MAX) {
            let filter = Filter::builder().name("instance-id").set_values(Some(some.to_vec())).build();
            let left = self.ec2.describe_instances().filters(filter).max_results(PAGE);
            found.extend(self.described(About::Known, &left).await?);
        }
        Ok(found)
    }

    async fn described(
        &self,
        about: About,
        asked: &DescribeInstancesFluentBuilder,
    ) -> Result<Vec<Instance>, CloudError> {
        let (mut found, mut page) = (Vec::new(), None);
        loop {
            let request = || asked.clone().set_next_token(page.clone()).send();
            let answer = self.call("ec2:DescribeInstances", about, request).await?;
            let all = answer.reservations().iter().flat_map(|reservation| reservation.instances());
            found.extend(all.filter_map(instance));
            page = answer.next_token.filter(|token| !token.is_empty());
            if page.is_none() {
                return Ok(found);
            }
        }
    }

    /// Returns what an instance's console has said by now; nothing where EC2 has nothing yet.
    ///
    /// # Errors
    /// The call's.
    pub async fn console(&self, id: &str) -> Result<Option<String>, CloudError> {
        let ask = |is_latest: bool| async move {
            let request = || self.ec2.get_console_output().instance_id(id).latest(is_latest).send();
            self.call("ec2:GetConsoleOutput", About::Fresh, request).await
        };
        let answer = match ask(true).await {
            // Only Nitro instances show more than was said at the last start or stop.
            Err(error) if error.is_refused_as("UnsupportedOperation") => ask(false).await?,
            answer => answer?,
        };
        let output = answer.output().map(|text| BASE64.decode(text.replace(['\n', '\r'], "")));
        let bytes =
            output.transpose().map_err(|_| self.malformed("ec2:GetConsoleOutput", "it is no base64"))?;
        Ok(bytes.filter(|bytes| !bytes.is_empty()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Attaches a volume to an instance, which has to run.
    ///
    /// # Errors
    /// The call's; also that the instance has it already, after an answer that was lost.
    pub async fn attach(&self, volume: &str, instance: &str) -> Result<(), CloudError> {
        let request = || {
            let attach = self.ec2.attach_volume().volume_id(volume).instance_id(instance);
            attach.device(DATA_DEVICE).send()
        };
        self.call("ec2:AttachVolume", About::Known, request).await.map(drop)
    }

    /// Terminates instances; those that are gone already are no error.
    ///
    /// # Errors
    /// The call's; `OperationNotPermitted`, where one is protected.
    pub async fn terminate(&self, ids: &[String]) -> Result<(), CloudError> {
        if self.terminated(ids).await? || ids.len() == 1 {
            return Ok(());
        }
        // EC2 has forgotten one of them, and then it terminates none.
        for id in ids {
            self.terminated(std::slice::from_ref(id)).await?;
        }
        Ok(())
    }

    /// Terminates all of these; returns whether EC2 knows them.
    async fn terminated(&self, ids: &[String]) -> Result<bool, CloudError> {
        let request = || self.ec2.terminate_instances().set_instance_ids(Some(ids.to_vec())).send();
        match self.call("ec2:TerminateInstances", About::Known, request).await {
            Err(error) if error.is_not_found() => Ok(false),
            answer => answer.map(|_| true),
        }
    }
}

fn metadata() -> InstanceMetadataOptionsRequest {
    InstanceMetadataOptionsRequest::builder()
        .http_endpoint(InstanceMetadataEndpointState::Enabled)
        .http_tokens(HttpTokensState::Required)
        .http_put_response_hop_limit(HOP_LIMIT)
        // For subnets without IPv4.
        .http_protocol_ipv6(InstanceMetadataProtocolState::Enabled)
        // Labels and taints are in the user-data; where tags are in the metadata, their keys may hold no '/'.
        .instance_metadata_tags(InstanceMetadataTagsState::Disabled)
        .build()
}

fn spot() -> InstanceMarketOptionsRequest {
    InstanceMarketOptionsRequest::builder().market_type(MarketType::Spot).build()
}

fn addresses(address: Option<IpAddr>) -> (Option<String>, Option<Vec<InstanceIpv6Address>>) {
    match address {
        None => (None, None),
        Some(IpAddr::V4(address)) => (Some(address.to_string()), None),
        Some(IpAddr::V6(address)) => {
            (None, Some(vec![InstanceIpv6Address::builder().ipv6_address(address.to_string()).build()]))
        }
    }
}

fn instance(found: &aws_sdk_ec2::types::Instance) -> Option<Instance> {
    let state = match found.state().and_then(|state| state.name()) {
        Some(InstanceStateName::Running) => InstanceState::Running,
        Some(InstanceStateName::ShuttingDown | InstanceStateName::Stopping) => InstanceState::Ending,
        Some(InstanceStateName::Stopped) => InstanceState::Stopped,
        Some(InstanceStateName::Terminated) => InstanceState::Terminated,
        _ => InstanceState::Pending,
    };
    let reason = found.state_reason().and_then(|why| why.message()).map(str::to_owned);
    Some(Instance {
        id: found.instance_id()?.to_owned(),
        state,
        reason: reason.filter(|reason| !reason.is_empty()),
        subnet: found.subnet_id().unwrap_or_default().to_owned(),
        image: found.image_id().unwrap_or_default().to_owned(),
        tags: tags(found.tags()),
        attached: attached(found),
        volumes: volumes(found),
        started_s: found.launch_time().map_or(0, |at| u64::try_from(at.secs()).unwrap_or(0)),
    })
}

fn volumes(found: &aws_sdk_ec2::types::Instance) -> Vec<String> {
    let ids = found.block_device_mappings().iter().filter_map(|it| it.ebs()?.volume_id());
    ids.map(str::to_owned).collect()
}

fn attached(found: &aws_sdk_ec2::types::Instance) -> Attached {
    let is_primary = |it: &&aws_sdk_ec2::types::InstanceNetworkInterface| {
        it.attachment().and_then(|of| of.device_index()) == Some(0)
    };
    let primary = found.network_interfaces().iter().find(is_primary);
    let v4 = primary.and_then(|it| it.private_ip_address()).or(found.private_ip_address());
    let v6 = primary.into_iter().flat_map(|it| it.ipv6_addresses()).filter_map(|it| it.ipv6_address());
    let checked = primary.and_then(|it| it.source_dest_check()).or(found.source_dest_check());
    Attached {
        vpc: found.vpc_id().filter(|vpc| !vpc.is_empty()).map(str::to_owned),
        interface: primary.and_then(|it| it.network_interface_id()).map(str::to_owned),
        addresses: v4.into_iter().chain(v6).filter_map(|address| address.parse().ok()).collect(),
        is_checked: checked != Some(false),
    }
}
