// SPDX-License-Identifier: Apache-2.0
//! Make: images from snapshots, who may launch them, and last of all the parameters that point to them. Each stage ends in
//! every region before the next begins in any.

use super::diary::Diary;
use super::error::PublishError;
use super::facts::Facts;
use super::journal::Record;
use super::plan::RegionPlan;
use super::seen::tag;
use super::send::completed;
use super::target::Target;
use super::wait::until;
use crate::cloud::{Image, ImageState, NewImage, Permission, Region, Tags};
use crate::manifest::Arch;

/// The root device and the instance store of Flatcar's own images (mantle, `platform/api/aws/images.go`).
const ROOT_DEVICE: &str = "/dev/xvda";
const EPHEMERAL: (&str, &str) = ("/dev/xvdb", "ephemeral0");

/// Returns the request that registers the image.
pub(super) fn new_image(target: &Target, facts: &Facts, snapshot: &str, tags: Tags) -> NewImage {
    let architecture = match facts.arch {
        Arch::Amd64 => "x86_64",
        Arch::Arm64 => "arm64",
    };
    NewImage {
        name: target.name.clone(),
        description: target.description.clone(),
        architecture: architecture.to_owned(),
        root_device: ROOT_DEVICE.to_owned(),
        snapshot: snapshot.to_owned(),
        volume_gib: target.volume_gib,
        volume_type: target.volume_type.clone(),
        ephemeral: vec![(EPHEMERAL.0.to_owned(), EPHEMERAL.1.to_owned())],
        boot_mode: target.boot_mode.clone(),
        has_ena: target.has_ena,
        // The virtual functions of the Intel 82599, which the older x86 types have instead of ENA.
        has_sriov: facts.arch == Arch::Amd64 && target.has_ena,
        has_tpm: target.has_tpm,
        requires_imds_v2: target.requires_imds_v2,
        tags,
    }
}

/// Registers an image and waits until it can be launched; returns its id. The name is the token: whose image has it
/// already, and holds the same, has been faster.
pub(super) async fn register(region: Region, new: NewImage, diary: Diary) -> Result<String, PublishError> {
    completed(&region, &new.snapshot).await?;
    let id = match region.register(&new).await {
        Ok(id) => id,
        Err(error) if error.is_refused_as("InvalidAMIName.Duplicate") => namesake(&region, &new).await?,
        Err(error) => return Err(error.into()),
    };
    let (of, name) = (region.name().to_owned(), new.name);
    diary.note(Record::Registered { region: of, name, image: id.clone() })?;
    available(&region, &id).await?;
    Ok(id)
}

/// Returns the image that has the name, if it holds the same.
async fn namesake(region: &Region, new: &NewImage) -> Result<String, PublishError> {
    let limit = region.limits().fresh;
    let found: Image = until(region, &format!("'{}'", new.name), limit, || async {
        Ok(region.images_where("name", &new.name).await?.into_iter().next())
    })
    .await?;
    if found.tags.get(tag::IMAGE) == new.tags.get(tag::IMAGE) {
        return Ok(found.id);
    }
    let (region, name) = (region.name().to_owned(), new.name.clone());
    Err(PublishError::NameTaken { region, name, image: found.id })
}

/// Waits until an image can be launched.
pub(super) async fn available(region: &Region, id: &str) -> Result<(), PublishError> {
    until(region, id, region.limits().ready, || async {
        match region.image(id).await?.map(|image| image.state) {
            Some(ImageState::Available) => Ok(Some(())),
            Some(ImageState::Failed(reason)) => {
                Err(PublishError::Failed { region: region.name().to_owned(), id: id.to_owned(), reason })
            }
            Some(ImageState::Pending) | None => Ok(None),
        }
    })
    .await
}

/// Shares and deprecates an image as planned, and waits until everybody who is named may launch it.
pub(super) async fn share(
    region: Region,
    plan: RegionPlan,
    image: String,
    share: Vec<Permission>,
) -> Result<(), PublishError> {
    if !plan.permit.is_empty() {
        region.permit(&image, &plan.permit).await?;
        let limit = region.limits().fresh;
        until(&region, &format!("the sharing of {image}"), limit, || async {
            let now = region.permissions(&image).await?;
            Ok(share.iter().all(|who| now.contains(who)).then_some(()))
        })
        .await?;
    }
    if let Some(at_s) = plan.deprecate_at_s {
        region.deprecate(&image, at_s).await?;
    }
    Ok(())
}

/// Lets parameters point to an image that is available, and waits until they do: Systems Manager checks the image after it
/// has answered, and drops a value that won't do.
pub(super) async fn point(region: Region, plan: RegionPlan, image: String) -> Result<(), PublishError> {
    if plan.point.is_empty() {
        return Ok(());
    }
    available(&region, &image).await?;
    let names: Vec<String> = plan.point.into_iter().map(|(name, _)| name).collect();
    for name in &names {
        region.point(name, &image).await?;
    }
    let limit = region.limits().fresh;
    until(&region, &format!("{} as {image}", names.join(", ")), limit, || async {
        let now = region.parameters(&names).await?;
        Ok(names.iter().all(|name| now.get(name) == Some(&image)).then_some(()))
    })
    .await
}
