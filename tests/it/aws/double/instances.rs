// SPDX-License-Identifier: Apache-2.0
//! Instances of EC2 (RunInstances, DescribeInstances, GetConsoleOutput, TerminateInstances of the "Amazon EC2 API
//! Reference"; codes of "Error codes for the Amazon EC2 API").

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::ec2::{Asked, filters, list, paged, tag_set, tags};
use super::{Refusal, State, Weather, refuse, tick, vpc};

/// What an account has before anything is launched.
#[derive(Debug, Default)]
pub struct Ground {
    pub subnets: BTreeSet<String>,
    pub groups: BTreeSet<String>,
    pub profiles: BTreeSet<String>,
    pub volumes: BTreeSet<String>,
    /// Whether termination is protected from now on.
    pub is_protected: bool,
}

#[derive(Debug, Clone)]
pub struct Instance {
    /// All parameters of RunInstances as they came.
    pub asked: Asked,
    pub state: &'static str,
    pub reason: String,
    /// As the instance sees it.
    pub user_data: String,
    pub subnet: String,
    pub tags: BTreeMap<String, String>,
    /// What the console has said.
    pub console: String,
    pub is_protected: bool,
    /// Where in the VPC it is, where a test says so.
    pub attached: Option<vpc::Attached>,
    /// Volumes beside its root's.
    pub volumes: Vec<String>,
    lag: u32,
    slow: u32,
}

impl Instance {
    /// One that was launched so.
    pub(super) fn of(asked: Asked, user_data: String, weather: Weather) -> Self {
        Self {
            state: "pending",
            reason: String::new(),
            user_data,
            subnet: get(&asked, "SubnetId").to_owned(),
            tags: tags(&asked, "instance"),
            console: String::new(),
            is_protected: false,
            attached: None,
            volumes: Vec::new(),
            lag: weather.lag,
            slow: weather.slow,
            asked,
        }
    }

    /// One of a cluster that has run for long.
    pub fn running(cluster: &str, image: &str, attached: vpc::Attached) -> Self {
        Self {
            asked: [("ImageId".to_owned(), image.to_owned())].into(),
            state: "running",
            reason: String::new(),
            user_data: String::new(),
            subnet: String::new(),
            tags: [("kiln:cluster".to_owned(), cluster.to_owned())].into(),
            console: String::new(),
            is_protected: false,
            attached: Some(attached),
            volumes: Vec::new(),
            lag: 0,
            slow: 0,
        }
    }
}

pub fn serve(
    state: &mut State,
    region: &str,
    action: &str,
    asked: &Asked,
) -> Option<Result<String, Refusal>> {
    Some(match action {
        "RunInstances" => run(state, region, asked),
        "DescribeInstances" => describe(state, region, asked),
        "DescribeInstanceTypes" => types(state, asked),
        "GetConsoleOutput" => console(state, region, asked),
        "AttachVolume" => attach(state, region, asked),
        "TerminateInstances" => terminate(state, region, asked),
        _ => return None,
    })
}

/// A type whose family has a "g" after its number is Graviton's ("Amazon EC2 instance type naming conventions").
fn types(state: &mut State, asked: &Asked) -> Result<String, Refusal> {
    let wanted = filters(asked);
    assert!(wanted.iter().all(|(name, _)| name == "instance-type"), "{wanted:?}");
    let known = ["m7i", "m7g", "t2"];
    let all = wanted.into_iter().flat_map(|(_, types)| types);
    let there = all.filter(|it| it.split_once('.').is_some_and(|(family, _)| known.contains(&family)));
    let item = |name: String| {
        let architecture = if name.contains("g.") { "arm64" } else { "x86_64" };
        format!(
            "<instanceType>{name}</instanceType><processorInfo><supportedArchitectures><item>{architecture}</item>\
             </supportedArchitectures></processorInfo>"
        )
    };
    let items = there.map(item).collect();
    paged(state, asked, "instanceTypeSet", items)
}

fn get<'a>(asked: &'a Asked, key: &str) -> &'a str {
    asked.get(key).map_or("", String::as_str)
}

/// "Ensuring idempotency": the same token and the same parameters are the same request for a day.
fn run(state: &mut State, region: &str, asked: &Asked) -> Result<String, Refusal> {
    let token = get(asked, "ClientToken");
    if token.is_empty() || token.len() > 64 || !token.is_ascii() {
        return Err(refuse("InvalidParameterValue", "ClientToken: 1 to 64 ASCII characters"));
    }
    let earlier = |instance: &&Instance| get(&instance.asked, "ClientToken") == token;
    let made = &state.region(region).instances;
    if let Some(first) = made.values().find(earlier) {
        if first.asked != *asked {
            let message = "The client token you have provided is already associated with another request.";
            return Err(refuse("IdempotentParameterMismatch", message));
        }
        let same: Vec<String> = made.iter().filter(|(_, it)| earlier(it)).map(|(id, _)| id.clone()).collect();
        return Ok(reservation(state, region, &same));
    }
    let (count, user_data) = judged(state, region, asked)?;
    if get(asked, "DryRun") == "true" {
        let message = "Request would have succeeded, but DryRun flag is set.";
        return Err(super::Refusal { status: 412, ..refuse("DryRunOperation", message) });
    }
    let ids: Vec<String> = (0..count).map(|_| state.new_id("i")).collect();
    let weather = state.weather;
    let ground = &mut state.region(region);
    for id in &ids {
        let mut instance = Instance::of(asked.clone(), user_data.clone(), weather);
        instance.is_protected = ground.ground.is_protected;
        ground.instances.insert(id.clone(), instance);
    }
    Ok(reservation(state, region, &ids))
}

/// What kiln asks of RunInstances and of templates; what else comes is a mistake.
const KNOWN: [&str; 13] = [
    "Action",
    "DryRun",
    "Version",
    "ClientToken",
    "MinCount",
    "MaxCount",
    "ImageId",
    "InstanceType",
    "SubnetId",
    "IamInstanceProfile.Name",
    "PrivateIpAddress",
    "UserData",
    "InstanceMarketOptions.MarketType",
];
const KNOWN_LISTS: [&str; 4] = ["SecurityGroupId.", "Ipv6Address.", "MetadataOptions.", "TagSpecification."];

fn known_parameters(asked: &Asked) -> Result<(), Refusal> {
    let is_known = |key: &&String| {
        KNOWN.contains(&key.as_str()) || KNOWN_LISTS.iter().any(|prefix| key.starts_with(prefix))
    };
    match asked.keys().find(|key| !is_known(key)) {
        Some(key) => Err(refuse("UnknownParameter", format!("The parameter {key} is not recognized"))),
        None => Ok(()),
    }
}

/// "InstanceMarketOptionsRequest": without options of its own a spot instance is asked for once, at the on-demand price at most.
fn market(asked: &Asked) -> Result<(), Refusal> {
    match get(asked, "InstanceMarketOptions.MarketType") {
        "" | "spot" => Ok(()),
        other => Err(refuse("InvalidParameterValue", format!("MarketType {other}"))),
    }
}

/// The constraints of RunInstances' parameters.
pub(super) fn judged(state: &mut State, region: &str, asked: &Asked) -> Result<(u32, String), Refusal> {
    known_parameters(asked)?;
    market(asked)?;
    let here = state.region(region);
    let image = here.images.get_mut(get(asked, "ImageId"));
    let missing = || {
        refuse("InvalidAMIID.NotFound", format!("The image id '[{}]' does not exist", get(asked, "ImageId")))
    };
    if image.ok_or_else(missing)?.state_now() != "available" {
        return Err(refuse("InvalidAMIID.Unavailable", "The AMI is not available"));
    }
    let subnet = get(asked, "SubnetId");
    if !here.ground.subnets.contains(subnet) {
        return Err(refuse("InvalidSubnetID.NotFound", format!("The subnet ID '{subnet}' does not exist")));
    }
    if let Some(group) =
        list(asked, "SecurityGroupId").iter().find(|group| !here.ground.groups.contains(*group))
    {
        return Err(refuse("InvalidGroup.NotFound", format!("The security group '{group}' does not exist")));
    }
    let profile = get(asked, "IamInstanceProfile.Name");
    if !profile.is_empty() && !here.ground.profiles.contains(profile) {
        let message = format!(
            "Value ({profile}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"
        );
        return Err(refuse("InvalidParameterValue", message));
    }
    let (least, most): (u32, u32) =
        (get(asked, "MinCount").parse().unwrap(), get(asked, "MaxCount").parse().unwrap());
    if least == 0 || least > most {
        return Err(refuse("InvalidParameterValue", "MinCount and MaxCount"));
    }
    address(here, asked, most)?;
    metadata(asked)?;
    let tags = tags(asked, "instance");
    if tags.len() > 50 || tags.keys().any(|key| key.starts_with("aws:")) {
        return Err(refuse("InvalidParameterValue", "tags: 50 at most, and none begins with aws:"));
    }
    let user_data = BASE64.decode(get(asked, "UserData"));
    let user_data =
        user_data.map_err(|_| refuse("InvalidParameterValue", "Invalid BASE64 encoding of user data."))?;
    if user_data.len() > 16384 {
        return Err(refuse("InvalidParameterValue", "User data is limited to 16384 bytes"));
    }
    Ok((most, String::from_utf8(user_data).unwrap()))
}

fn address(here: &super::RegionState, asked: &Asked, count: u32) -> Result<(), Refusal> {
    let address = get(asked, "PrivateIpAddress");
    if !address.is_empty() && count > 1 {
        return Err(refuse("InvalidParameterCombination", "PrivateIpAddress is for one instance"));
    }
    let is_taken = |it: &Instance| it.state != "terminated" && get(&it.asked, "PrivateIpAddress") == address;
    if !address.is_empty() && here.instances.values().any(is_taken) {
        return Err(refuse("InvalidIPAddress.InUse", format!("Address {address} is in use.")));
    }
    Ok(())
}

/// "Instance metadata options": the words, and a hop limit of 1 to 64. Tags in the metadata have keys without spaces and '/'.
fn metadata(asked: &Asked) -> Result<(), Refusal> {
    let option = |name: &str| get(asked, &format!("MetadataOptions.{name}")).to_owned();
    let is_word =
        |name: &str, words: &[&str]| option(name).is_empty() || words.contains(&option(name).as_str());
    let hops = option("HttpPutResponseHopLimit");
    let are_right = is_word("HttpTokens", &["optional", "required"])
        && is_word("HttpEndpoint", &["enabled", "disabled"])
        && is_word("HttpProtocolIpv6", &["enabled", "disabled"])
        && is_word("InstanceMetadataTags", &["enabled", "disabled"])
        && (hops.is_empty() || hops.parse().is_ok_and(|hops: u32| (1..=64).contains(&hops)));
    if !are_right {
        return Err(refuse("InvalidParameterValue", "MetadataOptions"));
    }
    let keys = tags(asked, "instance").into_keys();
    if option("InstanceMetadataTags") == "enabled" && keys.into_iter().any(|key| key.contains([' ', '/'])) {
        return Err(refuse("InvalidParameterValue", "a tag's key is no path of the metadata"));
    }
    Ok(())
}

fn reservation(state: &mut State, region: &str, ids: &[String]) -> String {
    let instances = &state.region(region).instances;
    let items: String =
        ids.iter().map(|id| format!("<item>{}</item>", item(id, &instances[id], "pending"))).collect();
    format!(
        "<reservationId>r-1</reservationId><ownerId>123456789012</ownerId><instancesSet>{items}</instancesSet>"
    )
}

fn item(id: &str, instance: &Instance, state: &str) -> String {
    let reason = match instance.reason.as_str() {
        "" => String::new(),
        text => {
            let code = text.split(':').next().unwrap_or_default();
            format!("<stateReason><code>{code}</code><message>{text}</message></stateReason>")
        }
    };
    let volume = |id: &String| {
        format!("<item><deviceName>/dev/sdf</deviceName><ebs><volumeId>{id}</volumeId></ebs></item>")
    };
    let volumes: String = instance.volumes.iter().map(volume).collect();
    format!(
        "<instanceId>{id}</instanceId><imageId>{}</imageId><instanceState><code>0</code><name>{state}</name></instanceState>\
         <subnetId>{}</subnetId>{reason}<blockDeviceMapping>{volumes}</blockDeviceMapping>{}{}",
        get(&instance.asked, "ImageId"),
        instance.subnet,
        instance.attached.as_ref().map(vpc::Attached::described).unwrap_or_default(),
        tag_set(&instance.tags)
    )
}

fn describe(state: &mut State, region: &str, asked: &Asked) -> Result<String, Refusal> {
    let (ids, filters) = (list(asked, "InstanceId"), filters(asked));
    if !ids.is_empty() && asked.contains_key("MaxResults") {
        let message = "The parameter instancesSet cannot be used with the parameter maxResults";
        return Err(refuse("InvalidParameterCombination", message));
    }
    vpc::most(asked, 1000)?;
    let here = &mut state.region(region).instances;
    if let Some(id) = ids.iter().find(|id| here.get_mut(*id).is_none_or(|it| tick(&mut it.lag))) {
        return Err(refuse("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist")));
    }
    let mut items = Vec::new();
    for (id, instance) in here.iter_mut() {
        match instance.state {
            "pending" if !tick(&mut instance.slow) => instance.state = "running",
            "shutting-down" if !tick(&mut instance.slow) => instance.state = "terminated",
            _ => {}
        }
        let fits = filters.iter().all(|(name, values)| match name.strip_prefix("tag:") {
            Some(key) => instance.tags.get(key).is_some_and(|value| values.contains(value)),
            None if name == "instance-id" => values.contains(id),
            None if name == "instance-state-name" => values.iter().any(|value| value == instance.state),
            None => panic!("the double knows no filter {name}"),
        });
        if (ids.is_empty() || ids.contains(id)) && fits && !tick(&mut instance.lag) {
            let one = item(id, instance, instance.state);
            items.push(format!(
                "<reservationId>r-1</reservationId><instancesSet><item>{one}</item></instancesSet>"
            ));
        }
    }
    paged(state, asked, "reservationSet", items)
}

fn known<'s>(state: &'s mut State, region: &str, id: &str) -> Result<&'s mut Instance, Refusal> {
    let missing = || refuse("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist"));
    state.region(region).instances.get_mut(id).ok_or_else(missing)
}

/// AttachVolume: "the device name (for example, /dev/sdh or xvdh)" is required; a volume is attached to one instance at a time
/// (VolumeInUse), which has to run or be stopped (IncorrectState).
fn attach(state: &mut State, region: &str, asked: &Asked) -> Result<String, Refusal> {
    let (id, volume, device) = (get(asked, "InstanceId"), get(asked, "VolumeId"), get(asked, "Device"));
    if !device.starts_with("/dev/sd") {
        return Err(refuse("MissingParameter", "The request must contain the parameter device"));
    }
    let here = state.region(region);
    if !here.ground.volumes.contains(volume) {
        return Err(refuse("InvalidVolume.NotFound", format!("The volume '{volume}' does not exist.")));
    }
    let has = |it: &Instance| it.state != "terminated" && it.volumes.iter().any(|had| had == volume);
    if here.instances.values().any(has) {
        return Err(refuse("VolumeInUse", format!("{volume} is already attached to an instance")));
    }
    let instance = known(state, region, id)?;
    if !["running", "stopped"].contains(&instance.state) {
        return Err(refuse("IncorrectState", format!("Instance '{id}' is not 'running'.")));
    }
    instance.volumes.push(volume.to_owned());
    Ok(format!(
        "<volumeId>{volume}</volumeId><instanceId>{id}</instanceId><device>{device}</device><status>attaching</status>"
    ))
}

/// The latest output is for Nitro instances alone ("Instance console output").
fn console(state: &mut State, region: &str, asked: &Asked) -> Result<String, Refusal> {
    let id = get(asked, "InstanceId");
    let instance = known(state, region, id)?;
    if get(asked, "Latest") == "true" && get(&instance.asked, "InstanceType").starts_with("t2.") {
        return Err(refuse(
            "UnsupportedOperation",
            "This instance type does not support retrieving the latest console logs.",
        ));
    }
    Ok(format!("<instanceId>{id}</instanceId><output>{}</output>", BASE64.encode(&instance.console)))
}

fn terminate(state: &mut State, region: &str, asked: &Asked) -> Result<String, Refusal> {
    let ids = list(asked, "InstanceId");
    for id in &ids {
        if known(state, region, id)?.is_protected {
            let message =
                format!("The instance '{id}' may not be terminated. Modify its 'disableApiTermination'.");
            return Err(refuse("OperationNotPermitted", message));
        }
    }
    for id in &ids {
        let instance = known(state, region, id)?;
        if instance.state != "terminated" {
            instance.state = "shutting-down";
            instance.reason = "Client.UserInitiatedShutdown: User initiated shutdown".to_owned();
        }
    }
    Ok("<instancesSet/>".to_owned())
}
