// SPDX-License-Identifier: Apache-2.0
//! What the metadata service says of the instance, once a boot. No credential is among it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::Metadata;
use super::error::{AwsError, AwsErrorKind as Kind};
use crate::cluster::Backoff;

/// Pauses between tries: the network may come up while they go on.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));
/// Tags that are kiln's begin with this.
const TAG_PREFIX: &str = "kiln.";
/// The domain of the public regions, where the service does not say another (China has its own).
const DOMAIN: &str = "amazonaws.com";

/// What the metadata service says of the instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// `i-0a1b2c3d4e5f60718`.
    pub instance: String,
    /// `eu-central-1`.
    pub region: String,
    /// `eu-central-1a`.
    pub zone: String,
    /// `m7g.large`.
    pub instance_type: String,
    /// `ami-...`.
    pub image: String,
    /// The domain of EC2's endpoints: `amazonaws.com`.
    pub domain: String,
    /// The primary network interface, `eni-...`.
    pub interface: String,
    /// The VPC that it is in.
    pub vpc: String,
    /// The subnet that it is in.
    pub subnet: String,
    /// Those tags of the instance that begin with `kiln.`; none where tags are not in the metadata.
    pub tags: BTreeMap<String, String>,
    /// The user-data.
    pub user_data: UserData,
}

/// User-data, as far as it concerns kiln.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserData {
    /// None, or somebody else's (Ignition's, cloud-init's): it has its effect by way of files.
    Others,
    /// Somebody else's, and it holds a private key, which anything on the machine can read.
    Exposed,
    /// Settings: the first line is `#kiln`.
    Settings(String),
}

impl UserData {
    /// Returns whose it is. Compressed user-data is not looked into.
    pub fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        if text.lines().next().is_some_and(|line| line.trim_end() == "#kiln") {
            return Self::Settings(text.into_owned());
        }
        if text.contains("PRIVATE KEY-----") { Self::Exposed } else { Self::Others }
    }
}

/// The identity document ("Instance identity documents", EC2 User Guide); it has more than this.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    instance_id: String,
    region: String,
    availability_zone: String,
    instance_type: String,
    image_id: String,
}

impl Metadata {
    /// Reads all of it; tries again for `limit` while the service can't be reached.
    ///
    /// # Errors
    /// The last attempt's.
    pub async fn facts(&self, limit: Duration, seed: u64) -> Result<Facts, AwsError> {
        let deadline = Instant::now() + limit;
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1, seed);
        loop {
            let error = match self.facts_once().await {
                Ok(facts) => return Ok(facts),
                Err(error) => error,
            };
            let pause = backoff.pause(None);
            if !error.kind.may_pass() || Instant::now() + pause > deadline {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn facts_once(&self) -> Result<Facts, AwsError> {
        let Document { instance_id, region, availability_zone, instance_type, image_id } =
            self.document().await?;
        let mac = self.word("meta-data/mac").await?;
        let interface = format!("meta-data/network/interfaces/macs/{mac}");
        Ok(Facts {
            instance: instance_id,
            region,
            zone: availability_zone,
            instance_type,
            image: image_id,
            domain: self.domain().await?,
            interface: self.word(&format!("{interface}/interface-id")).await?,
            vpc: self.word(&format!("{interface}/vpc-id")).await?,
            subnet: self.word(&format!("{interface}/subnet-id")).await?,
            tags: self.tags().await?,
            user_data: UserData::of(&self.read("user-data").await?.unwrap_or_default()),
        })
    }

    async fn document(&self) -> Result<Document, AwsError> {
        let path = "dynamic/instance-identity/document";
        let text = self.read(path).await?.unwrap_or_default();
        let document: Result<Document, _> = serde_json::from_slice(&text);
        let failed = |why: String| AwsError { call: path.to_owned(), kind: Kind::Malformed(why) };
        let document = document.map_err(|error| failed(error.to_string()))?;
        let Document { instance_id, region, availability_zone, instance_type, image_id } = &document;
        // They go into names, labels and an address.
        let is_plain = |text: &&String| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
        };
        let all = [instance_id, region, availability_zone, instance_type, image_id];
        match all.iter().find(|text| !is_plain(text)) {
            None => Ok(document),
            Some(text) => Err(failed(format!("it names '{}'", super::http::clean(text)))),
        }
    }

    async fn domain(&self) -> Result<String, AwsError> {
        let found = self.read("meta-data/services/domain").await?;
        let text = found.and_then(|found| String::from_utf8(found).ok()).unwrap_or_default();
        let text = text.trim();
        let is_domain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
        Ok(if text.is_empty() || !is_domain(text) { DOMAIN.to_owned() } else { text.to_owned() })
    }

    /// Without `InstanceMetadataTags` there is nothing at this path.
    async fn tags(&self) -> Result<BTreeMap<String, String>, AwsError> {
        let names = self.read("meta-data/tags/instance").await?.unwrap_or_default();
        let names = String::from_utf8_lossy(&names).into_owned();
        let mut tags = BTreeMap::new();
        for name in names.lines().filter(|name| name.starts_with(TAG_PREFIX)) {
            let value = self.read(&format!("meta-data/tags/instance/{name}")).await?.unwrap_or_default();
            tags.insert(name.to_owned(), String::from_utf8_lossy(&value).trim().to_owned());
        }
        Ok(tags)
    }
}

#[cfg(test)]
mod tests {
    use super::UserData;

    #[test]
    fn only_user_data_that_says_so_is_kilns() {
        let settings = "#kiln\nversion: 1\n";
        assert_eq!(UserData::of(settings.as_bytes()), UserData::Settings(settings.to_owned()));
        for others in ["", "{\"ignition\":{\"version\":\"3.4.0\"}}", "#cloud-config\n", "version: 1\n#kiln\n"]
        {
            assert_eq!(UserData::of(others.as_bytes()), UserData::Others, "{others}");
        }
        assert_eq!(UserData::of(b"#!/bin/sh\n-----BEGIN EC PRIVATE KEY-----\n"), UserData::Exposed);
        assert_eq!(UserData::of(&[0x1f, 0x8b, 8]), UserData::Others);
    }
}
