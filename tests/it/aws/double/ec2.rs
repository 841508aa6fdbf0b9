// SPDX-License-Identifier: Apache-2.0
//! Images and snapshots of EC2 ("Amazon EC2 API Reference": query protocol, XML answers).

use std::collections::BTreeMap;

use super::{Refusal, State, autoscaling, instances, refuse, tick, vpc};
use crate::aws::http::{Reply, Request};

#[derive(Debug, Clone)]
pub struct Image {
    /// All parameters of RegisterImage as they came.
    pub asked: BTreeMap<String, String>,
    pub name: String,
    pub tags: BTreeMap<String, String>,
    pub snapshots: Vec<String>,
    /// `all`, an account or an ARN.
    pub permissions: Vec<String>,
    pub deprecated_at: Option<String>,
    pub lag: u32,
    pub slow: u32,
}

impl Image {
    /// One that is there, and was not registered here.
    pub fn of(name: &str) -> Self {
        Self {
            asked: Asked::new(),
            name: name.to_owned(),
            tags: BTreeMap::new(),
            snapshots: Vec::new(),
            permissions: Vec::new(),
            deprecated_at: None,
            lag: 0,
            slow: 0,
        }
    }

    pub fn state_now(&self) -> &'static str {
        if self.slow > 0 { "pending" } else { "available" }
    }
}

pub type Asked = BTreeMap<String, String>;

fn asked(request: &Request) -> Asked {
    url::form_urlencoded::parse(&request.body).into_owned().collect()
}

pub fn action(request: &Request) -> (String, String) {
    let asked = asked(request);
    let about =
        ["InstanceId", "InstanceId.1", "LaunchTemplateName", "SubnetId", "ImageId", "SnapshotId", "Name"]
            .iter()
            .find_map(|key| asked.get(*key))
            .cloned();
    (format!("ec2:{}", asked.get("Action").cloned().unwrap_or_default()), about.unwrap_or_default())
}

/// "Error codes for the Amazon EC2 API".
pub fn refused(refusal: &Refusal) -> Reply {
    let Refusal { status, code, message, .. } = refusal;
    let body = format!(
        "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>\
         <RequestID>double</RequestID></Response>"
    );
    Reply::new(*status, "text/xml", body)
}

pub fn serve(state: &mut State, region: &str, request: &Request) -> Reply {
    let asked = asked(request);
    let action = asked["Action"].clone();
    let served = match action.as_str() {
        "DescribeImages" => describe_images(state, region, &asked),
        "DescribeSnapshots" => describe_snapshots(state, region, &asked),
        "RegisterImage" => register(state, region, asked),
        "DescribeImageAttribute" => permissions(state, region, &asked),
        "ModifyImageAttribute" => permit(state, region, &asked),
        "EnableImageDeprecation" => deprecate(state, region, &asked),
        "DeregisterImage" => deregister(state, region, &asked),
        "DeleteSnapshot" => delete_snapshot(state, region, &asked),
        "GetEbsEncryptionByDefault" => {
            let is_on = state.region(region).encrypts_by_default;
            Ok(format!("<ebsEncryptionByDefault>{is_on}</ebsEncryptionByDefault>"))
        }
        "GetImageBlockPublicAccessState" => {
            let now = if state.region(region).blocks_public { "block-new-sharing" } else { "unblocked" };
            Ok(format!("<imageBlockPublicAccessState>{now}</imageBlockPublicAccessState>"))
        }
        other => instances::serve(state, region, other, &asked)
            .or_else(|| autoscaling::templates(state, region, other, &asked))
            .or_else(|| vpc::serve(state, region, other, &asked))
            .unwrap_or_else(|| Err(refuse("InvalidAction", other))),
    };
    match served {
        Ok(inner) => {
            let body = format!(
                "<{action}Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>double</requestId>\
                 {inner}</{action}Response>"
            );
            Reply::new(200, "text/xml", body)
        }
        Err(refusal) => refused(&refusal),
    }
}

/// Returns the values of `KEY.1`, `KEY.2`, ...
pub(super) fn list(asked: &Asked, key: &str) -> Vec<String> {
    (1..).map_while(|n| asked.get(&format!("{key}.{n}")).cloned()).collect()
}

pub(super) fn filters(asked: &Asked) -> Vec<(String, Vec<String>)> {
    (1..)
        .map_while(|n| {
            let name = asked.get(&format!("Filter.{n}.Name"))?.clone();
            Some((name, list(asked, &format!("Filter.{n}.Value"))))
        })
        .collect()
}

/// Filters of a name or a tag, as both describe calls have them.
fn fits(filters: &[(String, Vec<String>)], name: &str, tags: &BTreeMap<String, String>) -> bool {
    filters.iter().all(|(filter, values)| match filter.strip_prefix("tag:") {
        Some(key) => tags.get(key).is_some_and(|value| values.contains(value)),
        None if filter == "name" => values.iter().any(|value| value == name),
        None => panic!("the double knows no filter {filter}"),
    })
}

pub(super) fn tag_set(tags: &BTreeMap<String, String>) -> String {
    let item =
        |(key, value): (&String, &String)| format!("<item><key>{key}</key><value>{value}</value></item>");
    format!("<tagSet>{}</tagSet>", tags.iter().map(item).collect::<String>())
}

/// Cuts what was found into pages ("Pagination"): the token says where the next begins.
pub(super) fn paged(state: &State, asked: &Asked, set: &str, items: Vec<String>) -> Result<String, Refusal> {
    let most = asked.get("MaxResults").map_or(1000, |most| most.parse().unwrap());
    let page = state.weather.page.unwrap_or(most);
    let from: usize = match asked.get("NextToken") {
        Some(token) => token.parse().map_err(|_| refuse("InvalidNextToken", token.clone()))?,
        None => 0,
    };
    let some: String =
        items.iter().skip(from).take(page).map(|item| format!("<item>{item}</item>")).collect();
    let next = from + page;
    let token = if next < items.len() { format!("<nextToken>{next}</nextToken>") } else { String::new() };
    Ok(format!("<{set}>{some}</{set}>{token}"))
}

fn describe_images(state: &mut State, region: &str, asked: &Asked) -> Result<String, Refusal> {
    let (ids, filters) = (list(asked, "ImageId"), filters(asked));
    let images = &mut state.region(region).images;
    if let Some(id) = ids.iter().find(|id| images.get_mut(*id).is_none_or(|image| tick(&mut image.lag))) {
        return Err(refuse("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist")));
    }
    let mut items = Vec::new();
    for (id, image) in images.iter_mut() {
        let is_wanted = ids.is_empty() || ids.contains(id);
        // "Eventual consistency in the Amazon EC2 API": a search may not show yet what was made.
        if !is_wanted || !fits(&filters, &image.name, &image.tags) || tick(&mut image.lag) {
            continue;
        }
        let state = if tick(&mut image.slow) { "pending" } else { "available" };
        let devices: String = image
            .snapshots
            .iter()
            .map(|id| {
                format!(
                    "<item><deviceName>/dev/xvda</deviceName><ebs><snapshotId>{id}</snapshotId></ebs></item>"
                )
            })
            .collect();
        let is_public = image.permissions.iter().any(|who| who == "all");
        let deprecated = image
            .deprecated_at
            .as_ref()
            .map_or(String::new(), |at| format!("<deprecationTime>{at}</deprecationTime>"));
        items.push(format!(
            "<imageId>{id}</imageId><architecture>x86_64</architecture><name>{}</name><imageState>{state}</imageState><isPublic>{is_public}</isPublic>\
             <rootDeviceName>{}</rootDeviceName><blockDeviceMapping>{devices}</blockDeviceMapping>{deprecated}{}",
            image.name,
            image.asked.get("RootDeviceName").map_or("/dev/xvda", String::as_str),
            tag_set(&image.tags)
        ));
    }
    paged(state, asked, "imagesSet", items)
}

fn describe_snapshots(state: &mut State, region: &str, asked: &Asked) -> Result<String, Refusal> {
    let (ids, filters) = (list(asked, "SnapshotId"), filters(asked));
    let snapshots = &mut state.region(region).snapshots;
    if let Some(id) = ids.iter().find(|id| snapshots.get_mut(*id).is_none_or(|it| tick(&mut it.lag))) {
        return Err(refuse("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist.")));
    }
    let mut items = Vec::new();
    for (id, snapshot) in snapshots.iter_mut() {
        let is_wanted = ids.is_empty() || ids.contains(id);
        if !is_wanted || !fits(&filters, "", &snapshot.tags) || tick(&mut snapshot.lag) {
            continue;
        }
        let is_slow = snapshot.state == "completed" && tick(&mut snapshot.slow);
        let state = if is_slow { "pending" } else { snapshot.state };
        items.push(format!(
            "<snapshotId>{id}</snapshotId><status>{state}</status><encrypted>{}</encrypted>\
             <volumeSize>{}</volumeSize>{}",
            snapshot.encrypted,
            snapshot.volume_gib,
            tag_set(&snapshot.tags)
        ));
    }
    paged(state, asked, "snapshotSet", items)
}

/// RegisterImage, with the constraints of its parameters' descriptions.
fn register(state: &mut State, region: &str, asked: Asked) -> Result<String, Refusal> {
    let (weather, id) = (state.weather, state.new_id("ami"));
    let region = state.region(region);
    let get = |key: &str| asked.get(key).map_or("", String::as_str);
    let name = get("Name").to_owned();
    let is_known = |c: char| c.is_ascii_alphanumeric() || "()[] ./-'@_".contains(c);
    if !(3..=128).contains(&name.len()) || !name.chars().all(is_known) {
        return Err(refuse(
            "InvalidAMIName.Malformed",
            "AMI names must be between 3 and 128 characters long",
        ));
    }
    if let Some((other, _)) = region.images.iter().find(|(_, image)| image.name == name) {
        let message = format!("AMI name {name} is already in use by AMI {other}");
        return Err(refuse("InvalidAMIName.Duplicate", message));
    }
    if !["x86_64", "arm64"].contains(&get("Architecture")) || get("VirtualizationType") != "hvm" {
        return Err(refuse("InvalidParameterValue", "architecture or virtualization type"));
    }
    let mode = get("BootMode");
    if !["legacy-bios", "uefi", "uefi-preferred"].contains(&mode) {
        return Err(refuse("InvalidParameterValue", "boot mode"));
    }
    // "NitroTPM": the AMI needs UEFI.
    if get("TpmSupport") == "v2.0" && mode != "uefi" {
        return Err(refuse("InvalidParameterCombination", "TPM support needs the boot mode uefi"));
    }
    if !["", "v2.0"].contains(&get("ImdsSupport")) || !["", "simple"].contains(&get("SriovNetSupport")) {
        return Err(refuse("InvalidParameterValue", "IMDS or SR-IOV support"));
    }
    let snapshots = mapped(region, &asked)?;
    let tags = tags(&asked, "image");
    let permissions = Vec::new();
    let (lag, slow, deprecated_at) = (weather.lag, weather.slow, None);
    let image = Image { name, tags, snapshots, permissions, deprecated_at, lag, slow, asked };
    region.images.insert(id.clone(), image);
    Ok(format!("<imageId>{id}</imageId>"))
}

/// The root device must be among the devices; its snapshot complete, and no larger than the volume.
fn mapped(region: &super::RegionState, asked: &Asked) -> Result<Vec<String>, Refusal> {
    let at = |n: usize, key: &str| asked.get(&format!("BlockDeviceMapping.{n}.{key}"));
    let devices: Vec<usize> = (1..).take_while(|n| at(*n, "DeviceName").is_some()).collect();
    if !devices.iter().any(|n| at(*n, "DeviceName") == asked.get("RootDeviceName")) {
        return Err(refuse("InvalidBlockDeviceMapping", "the root device is not mapped"));
    }
    let mut snapshots = Vec::new();
    for n in devices {
        if let Some(virtual_name) = at(n, "VirtualName") {
            assert!(virtual_name.starts_with("ephemeral"), "{virtual_name}");
            continue;
        }
        let id = at(n, "Ebs.SnapshotId").ok_or_else(|| refuse("MissingParameter", "snapshot"))?;
        let found = region.snapshots.get(id);
        let found = found.ok_or_else(|| refuse("InvalidSnapshot.NotFound", id.clone()))?;
        if found.state != "completed" || found.slow > 0 {
            return Err(refuse("IncorrectState", "the snapshot is not complete"));
        }
        let size: u64 = at(n, "Ebs.VolumeSize").map_or(found.volume_gib, |size| size.parse().unwrap());
        if size < found.volume_gib {
            return Err(refuse("InvalidParameterValue", "the volume is smaller than the snapshot"));
        }
        // "You cannot set encryption of a snapshot-backed volume here".
        assert!(at(n, "Ebs.Encrypted").is_none() && at(n, "Ebs.DeleteOnTermination").is_some());
        snapshots.push(id.clone());
    }
    Ok(snapshots)
}

pub(super) fn tags(asked: &Asked, kind: &str) -> BTreeMap<String, String> {
    let at = |n: usize, key: &str| asked.get(&format!("TagSpecification.{n}.{key}")).cloned();
    let of = (1..).take_while(|n| at(*n, "ResourceType").is_some());
    of.filter(|n| at(*n, "ResourceType").as_deref() == Some(kind))
        .flat_map(|n| {
            (1..).map_while(move |m| {
                Some((at(n, &format!("Tag.{m}.Key"))?, at(n, &format!("Tag.{m}.Value"))?))
            })
        })
        .collect()
}

fn image<'s>(state: &'s mut State, region: &str, asked: &Asked) -> Result<&'s mut Image, Refusal> {
    let id = asked["ImageId"].clone();
    let found = state.region(region).images.get_mut(&id);
    let found = found.ok_or_else(|| refuse("InvalidAMIID.NotFound", id.clone()))?;
    if tick(&mut found.lag) { Err(refuse("InvalidAMIID.NotFound", id)) } else { Ok(found) }
}

fn permissions(state: &mut State, region: &str, asked: &Asked) -> Result<String, Refusal> {
    let image = image(state, region, asked)?;
    let item = |who: &String| match who.as_str() {
        "all" => "<item><group>all</group></item>".to_owned(),
        arn if arn.contains(":ou/") => {
            format!("<item><organizationalUnitArn>{arn}</organizationalUnitArn></item>")
        }
        arn if arn.starts_with("arn:") => format!("<item><organizationArn>{arn}</organizationArn></item>"),
        account => format!("<item><userId>{account}</userId></item>"),
    };
    let items: String = image.permissions.iter().map(item).collect();
    Ok(format!("<imageId>{}</imageId><launchPermission>{items}</launchPermission>", asked["ImageId"]))
}

/// ModifyImageAttribute: public only where the account does not block it and nothing is encrypted; shared only with a key of
/// one's own ("Share an AMI", considerations).
fn permit(state: &mut State, region: &str, asked: &Asked) -> Result<String, Refusal> {
    let more: Vec<String> = (1..)
        .map_while(|n| {
            let at = |key: &str| asked.get(&format!("LaunchPermission.Add.{n}.{key}")).cloned();
            ["UserId", "Group", "OrganizationArn", "OrganizationalUnitArn"].iter().find_map(|key| at(key))
        })
        .collect();
    assert!(!more.is_empty(), "nobody is named: {asked:?}");
    let blocks_public = state.region(region).blocks_public;
    let snapshots = image(state, region, asked)?.snapshots.clone();
    let of: Vec<_> = snapshots.iter().map(|id| state.region(region).snapshots[id].clone()).collect();
    if more.contains(&"all".to_owned()) && blocks_public {
        return Err(refuse("OperationNotPermitted", "You can't publicly share this image").status(403));
    }
    if more.contains(&"all".to_owned()) && of.iter().any(|it| it.encrypted) {
        return Err(refuse("InvalidParameter", "an encrypted image can't be public"));
    }
    if of.iter().any(|it| it.encrypted && it.kms_key.is_none()) {
        return Err(refuse("InvalidParameter", "the default key can't be shared"));
    }
    image(state, region, asked)?.permissions.extend(more);
    Ok("<return>true</return>".to_owned())
}

/// EnableImageDeprecation: in the future, ten years at most; seconds are rounded to the minute.
fn deprecate(state: &mut State, region: &str, asked: &Asked) -> Result<String, Refusal> {
    let at = asked.get("DeprecateAt").filter(|at| at.ends_with(":00Z") || at.ends_with(":00.000Z")).cloned();
    let at = at.ok_or_else(|| refuse("InvalidParameterValue", "no time, or not one of a whole minute"))?;
    image(state, region, asked)?.deprecated_at = Some(at);
    Ok("<return>true</return>".to_owned())
}

fn deregister(state: &mut State, region: &str, asked: &Asked) -> Result<String, Refusal> {
    image(state, region, asked)?;
    state.region(region).images.remove(&asked["ImageId"]);
    Ok("<return>true</return>".to_owned())
}

fn delete_snapshot(state: &mut State, region: &str, asked: &Asked) -> Result<String, Refusal> {
    let id = &asked["SnapshotId"];
    let region = state.region(region);
    if region.images.values().any(|image| image.snapshots.contains(id)) {
        return Err(refuse("InvalidSnapshot.InUse", format!("The snapshot {id} is currently in use")));
    }
    let gone = region.snapshots.remove(id);
    gone.map(|_| "<return>true</return>".to_owned())
        .ok_or_else(|| refuse("InvalidSnapshot.NotFound", id.clone()))
}
