// SPDX-License-Identifier: Apache-2.0
//! Snapshots, written block by block by the EBS direct APIs: no bucket, no import role, no helper instance.

use aws_sdk_ebs::primitives::{ByteStream, SdkBody};
use aws_sdk_ebs::types::{ChecksumAggregationMethod, ChecksumAlgorithm, Tag};
use aws_sdk_ec2::types::Filter;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Tags;
use super::access::Region;
use super::error::CloudError;
use super::kind::CloudErrorKind;
use super::retry::About;
use crate::blocks::BLOCK;
use crate::digest::Digest;

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// `snap-...`
    pub id: String,
    /// How far it is.
    pub state: SnapshotState,
    /// Whether it is encrypted.
    pub is_encrypted: bool,
    /// Size of its volume in GiB.
    pub volume_gib: u64,
    /// Its tags.
    pub tags: Tags,
}

/// How far a snapshot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotState {
    /// It is being written, or has been completed a moment ago.
    Pending,
    /// Whole, and never changed again.
    Completed,
    /// It failed or its timeout ran out.
    Failed,
}

/// What StartSnapshot is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSnapshot {
    /// Size of the volume in GiB.
    pub volume_gib: u64,
    /// The snapshot that it differs from; not together with encryption.
    pub parent: Option<String>,
    /// ARN of the key to encrypt with; none with encryption: the account's default key.
    pub kms_key: Option<String>,
    /// Whether to ask for encryption.
    pub is_encrypted: bool,
    /// What people see.
    pub description: String,
    /// Its tags.
    pub tags: Tags,
    /// Makes the call one call, however often it is made: at most 255 characters.
    pub token: String,
    /// Minutes without a block after which the service gives it up: 10 to 4,320.
    pub timeout_min: u16,
}

/// A block of 512 KiB with its digest; clones share the bytes.
#[derive(Debug)]
pub struct Block {
    body: SdkBody,
    digest: Digest,
}

impl Block {
    /// Takes the bytes of a whole block and their digest.
    ///
    /// # Panics
    /// If it is no whole block: the service takes nothing else.
    pub fn new(bytes: Vec<u8>, digest: Digest) -> Self {
        assert_eq!(bytes.len() as u64, BLOCK, "a block is a whole one");
        Self { body: SdkBody::from(bytes), digest }
    }

    fn stream(&self) -> ByteStream {
        ByteStream::new(self.body.try_clone().expect("a body in memory can be sent again"))
    }
}

impl Region {
    /// Starts a snapshot, or finds the one that was started with the same token; returns its id.
    ///
    /// # Errors
    /// The call's.
    pub async fn start_snapshot(&self, new: &NewSnapshot) -> Result<String, CloudError> {
        let NewSnapshot { volume_gib, parent, kms_key, is_encrypted, description, tags, token, timeout_min } =
            new;
        let tag = |(key, value): (&String, &String)| Tag::builder().key(key).value(value).build();
        let request = || {
            self.ebs
                .start_snapshot()
                .volume_size(*volume_gib as i64)
                .set_parent_snapshot_id(parent.clone())
                .set_encrypted(is_encrypted.then_some(true))
                .set_kms_key_arn(kms_key.clone())
                .description(description)
                .set_tags(Some(tags.iter().map(tag).collect()))
                .client_token(token)
                .timeout(i32::from(*timeout_min))
                .send()
        };
        let call = "ebs:StartSnapshot";
        let answer = self.call(call, About::Known, request).await?;
        answer.snapshot_id.ok_or_else(|| self.malformed(call, "it names no snapshot"))
    }

    /// Writes one block, at the pace that the service allows; `hear` is told of every failure that is not the last.
    ///
    /// # Errors
    /// The call's; not found, if the snapshot has gone.
    pub async fn put_block(
        &self,
        snapshot: &str,
        index: u64,
        block: &Block,
        hear: &(dyn Fn(&CloudErrorKind) + Sync),
    ) -> Result<(), CloudError> {
        let checksum = STANDARD.encode(block.digest.as_bytes());
        let request = || {
            self.ebs
                .put_snapshot_block()
                .snapshot_id(snapshot)
                .block_index(index as i32)
                .data_length(BLOCK as i32)
                .checksum(&checksum)
                .checksum_algorithm(ChecksumAlgorithm::ChecksumAlgorithmSha256)
                .block_data(block.stream())
                .send()
        };
        self.paced("ebs:PutSnapshotBlock", About::Fresh, request, hear).await.map(drop)
    }

    /// Ends the writing of a snapshot of which `changed` blocks were written; `checksum` is over their digests, by index.
    ///
    /// # Errors
    /// The call's; refused, if a block is missing.
    pub async fn complete_snapshot(
        &self,
        snapshot: &str,
        changed: u64,
        checksum: &Digest,
    ) -> Result<(), CloudError> {
        let checksum = STANDARD.encode(checksum.as_bytes());
        let request = || {
            self.ebs
                .complete_snapshot()
                .snapshot_id(snapshot)
                .changed_blocks_count(changed as i32)
                .checksum(&checksum)
                .checksum_algorithm(ChecksumAlgorithm::ChecksumAlgorithmSha256)
                .checksum_aggregation_method(ChecksumAggregationMethod::ChecksumAggregationLinear)
                .send()
        };
        self.call("ebs:CompleteSnapshot", About::Fresh, request).await.map(drop)
    }

    /// Returns a snapshot, if it is there.
    ///
    /// # Errors
    /// The call's.
    pub async fn snapshot(&self, id: &str) -> Result<Option<Snapshot>, CloudError> {
        let request = || self.ec2.describe_snapshots().snapshot_ids(id).send();
        match self.call("ec2:DescribeSnapshots", About::Known, request).await {
            Ok(answer) => Ok(answer.snapshots().iter().find_map(snapshot)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the account's snapshots whose tag `key` has this value.
    ///
    /// # Errors
    /// The calls'; one for every page.
    pub async fn snapshots_tagged(&self, key: &str, value: &str) -> Result<Vec<Snapshot>, CloudError> {
        let filter = Filter::builder().name(format!("tag:{key}")).values(value).build();
        let (mut found, mut page) = (Vec::new(), None);
        loop {
            let request = || {
                let request = self.ec2.describe_snapshots().owner_ids("self").filters(filter.clone());
                request.set_next_token(page.clone()).send()
            };
            let answer = self.call("ec2:DescribeSnapshots", About::Known, request).await?;
            found.extend(answer.snapshots().iter().filter_map(snapshot));
            page = answer.next_token.filter(|token| !token.is_empty());
            if page.is_none() {
                return Ok(found);
            }
        }
    }

    /// Deletes a snapshot; one that is not there is deleted already.
    ///
    /// # Errors
    /// The call's.
    pub async fn delete_snapshot(&self, id: &str) -> Result<(), CloudError> {
        let request = || self.ec2.delete_snapshot().snapshot_id(id).send();
        match self.call("ec2:DeleteSnapshot", About::Known, request).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}

fn snapshot(found: &aws_sdk_ec2::types::Snapshot) -> Option<Snapshot> {
    use aws_sdk_ec2::types::SnapshotState as State;
    let state = match found.state() {
        Some(State::Completed) => SnapshotState::Completed,
        Some(State::Error) => SnapshotState::Failed,
        _ => SnapshotState::Pending,
    };
    Some(Snapshot {
        id: found.snapshot_id()?.to_owned(),
        state,
        is_encrypted: found.encrypted() == Some(true),
        volume_gib: u64::try_from(found.volume_size().unwrap_or(0)).unwrap_or(0),
        tags: super::image::tags(found.tags()),
    })
}
