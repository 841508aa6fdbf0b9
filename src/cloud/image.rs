// SPDX-License-Identifier: Apache-2.0
//! Images (AMIs): registered from a snapshot, shared, given an end, deregistered.

use std::fmt;

use aws_sdk_ec2::primitives::DateTime;
use aws_sdk_ec2::types::{
    ArchitectureValues, BlockDeviceMapping, BootModeValues, EbsBlockDevice, Filter, ImageAttributeName,
    ImdsSupportValues, LaunchPermission, LaunchPermissionModifications, PermissionGroup, ResourceType, Tag,
    TagSpecification, TpmSupportValues, VolumeType,
};

use super::Tags;
use super::access::Region;
use super::error::CloudError;
use super::retry::About;

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// `ami-...`
    pub id: String,
    /// Its name, which the account has once in a region.
    pub name: String,
    /// How far it is.
    pub state: ImageState,
    /// `x86_64`, `arm64`.
    pub architecture: String,
    /// The snapshots that its block devices come from.
    pub snapshots: Vec<String>,
    /// The one of them that its root device comes from.
    pub root_snapshot: Option<String>,
    /// Whether everybody may launch it.
    pub is_public: bool,
    /// When it is no longer offered, as the service writes it (rounded to minutes).
    pub deprecated_at: Option<String>,
    /// Its tags.
    pub tags: Tags,
}

/// How far an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageState {
    /// Not yet.
    Pending,
    /// It can be launched.
    Available,
    /// It never will be; with the service's reason.
    Failed(String),
}

/// What RegisterImage is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewImage {
    /// 3 to 128 characters.
    pub name: String,
    /// At most 255 characters.
    pub description: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// The device of the root volume.
    pub root_device: String,
    /// The snapshot of the root volume.
    pub snapshot: String,
    /// Size of the root volume in GiB.
    pub volume_gib: u64,
    /// `gp3`, ...
    pub volume_type: String,
    /// Further devices that are instance stores: device and virtual name.
    pub ephemeral: Vec<(String, String)>,
    /// `legacy-bios`, `uefi` or `uefi-preferred`.
    pub boot_mode: String,
    /// Enhanced networking by ENA.
    pub has_ena: bool,
    /// Enhanced networking by the Intel 82599's virtual functions.
    pub has_sriov: bool,
    /// NitroTPM 2.0; needs `uefi`.
    pub has_tpm: bool,
    /// Instances take IMDSv2 alone unless they are told otherwise.
    pub requires_imds_v2: bool,
    /// Tags of the image.
    pub tags: Tags,
}

/// Who may launch an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Everybody.
    Public,
    /// An account, by its 12 digits.
    Account(String),
    /// An organization, by its ARN.
    Organization(String),
    /// A unit of an organization, by its ARN.
    Unit(String),
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("everybody"),
            Self::Account(id) => write!(f, "account {id}"),
            Self::Organization(arn) | Self::Unit(arn) => f.write_str(arn),
        }
    }
}

impl Region {
    /// Registers an image; returns its id. The call has no token: after a failure that leaves it open, the name is taken.
    ///
    /// # Errors
    /// The call's; `InvalidAMIName.Duplicate`, if the account has an image of this name there.
    pub async fn register(&self, new: &NewImage) -> Result<String, CloudError> {
        let request = || {
            self.ec2
                .register_image()
                .name(&new.name)
                .description(&new.description)
                .architecture(ArchitectureValues::from(new.architecture.as_str()))
                .root_device_name(&new.root_device)
                .set_block_device_mappings(Some(mappings(new)))
                .virtualization_type("hvm")
                .boot_mode(BootModeValues::from(new.boot_mode.as_str()))
                .ena_support(new.has_ena)
                .set_sriov_net_support(new.has_sriov.then(|| "simple".to_owned()))
                .set_tpm_support(new.has_tpm.then_some(TpmSupportValues::V20))
                .set_imds_support(new.requires_imds_v2.then_some(ImdsSupportValues::V20))
                .tag_specifications(tagged(ResourceType::Image, &new.tags))
                .send()
        };
        let call = "ec2:RegisterImage";
        let answer = self.call(call, About::Fresh, request).await?;
        answer.image_id.ok_or_else(|| self.malformed(call, "it names no image"))
    }

    /// Returns an image, if it is there.
    ///
    /// # Errors
    /// The call's.
    pub async fn image(&self, id: &str) -> Result<Option<Image>, CloudError> {
        let request = || self.ec2.describe_images().image_ids(id).send();
        match self.call("ec2:DescribeImages", About::Known, request).await {
            Ok(answer) => Ok(answer.images().iter().find_map(image)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the account's images of which `filter` (`name`, `tag:KEY`) has this value.
    ///
    /// # Errors
    /// The calls'; one for every page.
    pub async fn images_where(&self, filter: &str, value: &str) -> Result<Vec<Image>, CloudError> {
        let filter = Filter::builder().name(filter).values(value).build();
        let (mut found, mut page) = (Vec::new(), None);
        loop {
            let request = || {
                let request = self.ec2.describe_images().owners("self").include_deprecated(true);
                request.filters(filter.clone()).set_next_token(page.clone()).send()
            };
            let answer = self.call("ec2:DescribeImages", About::Known, request).await?;
            found.extend(answer.images().iter().filter_map(image));
            page = answer.next_token.filter(|token| !token.is_empty());
            if page.is_none() {
                return Ok(found);
            }
        }
    }

    /// Returns who may launch an image.
    ///
    /// # Errors
    /// The call's.
    pub async fn permissions(&self, image: &str) -> Result<Vec<Permission>, CloudError> {
        let attribute = ImageAttributeName::LaunchPermission;
        let request =
            || self.ec2.describe_image_attribute().image_id(image).attribute(attribute.clone()).send();
        let answer = self.call("ec2:DescribeImageAttribute", About::Fresh, request).await?;
        let mut found: Vec<Permission> = answer.launch_permissions().iter().filter_map(permission).collect();
        found.sort();
        Ok(found)
    }

    /// Lets more people launch an image.
    ///
    /// # Errors
    /// The call's; `OperationNotPermitted`, where the account blocks public images.
    pub async fn permit(&self, image: &str, more: &[Permission]) -> Result<(), CloudError> {
        let request = || {
            let add = Some(more.iter().map(launch_permission).collect());
            let change = LaunchPermissionModifications::builder().set_add(add).build();
            self.ec2.modify_image_attribute().image_id(image).launch_permission(change).send()
        };
        self.call("ec2:ModifyImageAttribute", About::Fresh, request).await.map(drop)
    }

    /// Says when an image is no longer offered; `at_s` counts from 1970.
    ///
    /// # Errors
    /// The call's.
    pub async fn deprecate(&self, image: &str, at_s: u64) -> Result<(), CloudError> {
        let at = DateTime::from_secs(at_s as i64);
        let request = || self.ec2.enable_image_deprecation().image_id(image).deprecate_at(at).send();
        self.call("ec2:EnableImageDeprecation", About::Fresh, request).await.map(drop)
    }

    /// Deregisters an image; its snapshots stay. One that is not there is deregistered already.
    ///
    /// # Errors
    /// The call's.
    pub async fn deregister(&self, image: &str) -> Result<(), CloudError> {
        let request = || self.ec2.deregister_image().image_id(image).send();
        match self.call("ec2:DeregisterImage", About::Known, request).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}

fn mappings(new: &NewImage) -> Vec<BlockDeviceMapping> {
    let root = EbsBlockDevice::builder()
        .snapshot_id(&new.snapshot)
        .volume_size(i32::try_from(new.volume_gib).unwrap_or(i32::MAX))
        .volume_type(VolumeType::from(new.volume_type.as_str()))
        .delete_on_termination(true)
        .build();
    let root = BlockDeviceMapping::builder().device_name(&new.root_device).ebs(root).build();
    let ephemeral = |(device, name): &(String, String)| {
        BlockDeviceMapping::builder().device_name(device).virtual_name(name).build()
    };
    std::iter::once(root).chain(new.ephemeral.iter().map(ephemeral)).collect()
}

/// Returns the tags as a request carries them.
pub(super) fn tagged(kind: ResourceType, tags: &Tags) -> TagSpecification {
    let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
    TagSpecification::builder().resource_type(kind).set_tags(Some(tags.iter().map(tag).collect())).build()
}

/// Returns the tags that a resource has.
pub(super) fn tags(found: &[Tag]) -> Tags {
    let pair = |tag: &Tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()));
    found.iter().filter_map(pair).collect()
}

fn image(found: &aws_sdk_ec2::types::Image) -> Option<Image> {
    use aws_sdk_ec2::types::ImageState as State;
    let reason =
        || found.state_reason().and_then(|why| why.message()).unwrap_or("no reason given").to_owned();
    let state = match found.state() {
        Some(State::Available) => ImageState::Available,
        Some(State::Pending | State::Transient) | None => ImageState::Pending,
        Some(_) => ImageState::Failed(reason()),
    };
    let disks = || found.block_device_mappings().iter();
    let snapshot = |disk: &BlockDeviceMapping| Some(disk.ebs()?.snapshot_id()?.to_owned());
    let root = disks().find(|disk| disk.device_name() == found.root_device_name());
    Some(Image {
        id: found.image_id()?.to_owned(),
        name: found.name().unwrap_or_default().to_owned(),
        state,
        architecture: found.architecture().map(|it| it.as_str().to_owned()).unwrap_or_default(),
        snapshots: disks().filter_map(snapshot).collect(),
        root_snapshot: root.and_then(snapshot),
        is_public: found.public() == Some(true),
        deprecated_at: found.deprecation_time().map(str::to_owned),
        tags: tags(found.tags()),
    })
}

fn permission(found: &LaunchPermission) -> Option<Permission> {
    let account = found.user_id().map(|it| Permission::Account(it.to_owned()));
    let organization = found.organization_arn().map(|it| Permission::Organization(it.to_owned()));
    let unit = found.organizational_unit_arn().map(|it| Permission::Unit(it.to_owned()));
    let public = (found.group() == Some(&PermissionGroup::All)).then_some(Permission::Public);
    account.or(organization).or(unit).or(public)
}

fn launch_permission(permission: &Permission) -> LaunchPermission {
    let new = LaunchPermission::builder();
    match permission {
        Permission::Public => new.group(PermissionGroup::All),
        Permission::Account(id) => new.user_id(id),
        Permission::Organization(arn) => new.organization_arn(arn),
        Permission::Unit(arn) => new.organizational_unit_arn(arn),
    }
    .build()
}
