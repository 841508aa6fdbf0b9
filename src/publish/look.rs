// SPDX-License-Identifier: Apache-2.0
//! Look: what each region has already. Only reads; what the journal names is asked for by its id, since a search may not
//! show yet what was made a moment ago.

use super::error::PublishError;
use super::facts::Facts;
use super::journal::{Journal, Piece, Upload};
use super::seen::{Seen, tag};
use super::target::{BaseUse, Target};
use super::wait::{all, until};
use crate::cloud::{Cloud, Image, Region, Snapshot};

/// Looks at every region of the target at once.
///
/// # Errors
/// The calls'.
pub async fn look(
    cloud: &Cloud,
    target: &Target,
    facts: &Facts,
    journal: &Journal,
) -> Result<Vec<Seen>, PublishError> {
    let look = |name: &String| {
        let looker = Looker { region: cloud.region(name), target: target.clone(), journal: journal.clone() };
        let (digest, base) = (facts.digest.to_string(), facts.base.map(|base| base.to_string()));
        async move { looker.look(&digest, base.as_deref()).await }
    };
    all(target.regions.iter().map(look)).await
}

struct Looker {
    region: Region,
    target: Target,
    journal: Journal,
}

impl Looker {
    async fn look(&self, digest: &str, base: Option<&str>) -> Result<Seen, PublishError> {
        let (region, target) = (&self.region, &self.target);
        let image = self.image().await?;
        let permissions = match &image {
            Some(image) => region.permissions(&image.id).await?,
            None => Vec::new(),
        };
        let snapshots = self.snapshots(tag::IMAGE, Some(digest), Piece::Image).await?;
        let base = base.filter(|_| target.base != BaseUse::Ignore);
        let names: Vec<String> = target.parameters.iter().chain(target.channels.values()).cloned().collect();
        Ok(Seen {
            region: region.name().to_owned(),
            encrypts_by_default: region.encrypts_by_default().await?,
            public_access: match target.is_public() {
                true => Some(region.public_access().await?),
                false => None,
            },
            image,
            permissions,
            snapshots,
            bases: self.snapshots(tag::BASE, base, Piece::Base).await?,
            parameters: region.parameters(&names).await?,
        })
    }

    /// Returns the image of the target's name: the journal's, or what a search shows.
    async fn image(&self) -> Result<Option<Image>, PublishError> {
        let key = (self.region.name().to_owned(), self.target.name.clone());
        if let Some(id) = self.journal.images.get(&key)
            && let Some(image) = self.region.image(id).await?
        {
            return Ok(Some(image));
        }
        Ok(self.region.images_where("name", &self.target.name).await?.into_iter().next())
    }

    /// Returns the snapshots with this tag, and the journal's.
    async fn snapshots(
        &self,
        key: &str,
        value: Option<&str>,
        piece: Piece,
    ) -> Result<Vec<Snapshot>, PublishError> {
        let mut found = match value {
            Some(value) => self.region.snapshots_tagged(key, value).await?,
            None => Vec::new(),
        };
        let upload = Upload { region: self.region.name().to_owned(), piece };
        let begun = self.journal.written(&upload).and_then(|written| written.snapshot.as_ref());
        if let Some(id) = begun.filter(|id| !found.iter().any(|it| it.id == **id)) {
            found.extend(self.snapshot(id).await?);
        }
        Ok(found)
    }

    /// Returns a snapshot that the journal names. One that was begun a moment ago may not be known yet; taken for lost, it
    /// would be begun twice.
    async fn snapshot(&self, id: &str) -> Result<Option<Snapshot>, PublishError> {
        let limit = self.region.limits().fresh;
        let found = until(&self.region, id, limit, || async { Ok(self.region.snapshot(id).await?) }).await;
        match found {
            Ok(snapshot) => Ok(Some(snapshot)),
            Err(PublishError::NotReady { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
