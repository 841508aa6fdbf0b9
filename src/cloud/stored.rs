// SPDX-License-Identifier: Apache-2.0
//! Snapshots, read block by block by the EBS direct APIs: which blocks one has, and their bytes, judged by their checksums.

use aws_sdk_ebs::operation::get_snapshot_block::GetSnapshotBlockError;
use aws_sdk_ebs::primitives::SdkBody;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::access::Region;
use super::error::CloudError;
use super::retry::About;
use crate::blocks::BLOCK;
use crate::digest::Digest;

const LIST: &str = "ebs:ListSnapshotBlocks";
/// Blocks on a page; the most that is allowed.
const PAGE: i32 = 10_000;
/// Every block of the largest volume, 64 TiB, on the smallest pages (100): a service that leads in a circle is left.
const PAGES_MAX: usize = 1_342_178;

/// A block that a snapshot has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlock {
    /// Its index: offset / 512 KiB.
    pub index: u64,
    /// What GetSnapshotBlock wants to see; good for a week.
    token: String,
}

/// Which blocks a snapshot has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Size of its volume in GiB.
    pub volume_gib: u64,
    /// The blocks, its parents' included, by ascending index; what is not here is zero.
    pub blocks: Vec<StoredBlock>,
}

impl Region {
    /// Returns which blocks a complete snapshot has.
    ///
    /// # Errors
    /// The calls', one for every 10,000 blocks; refused, if the snapshot is not complete.
    pub async fn stored(&self, snapshot: &str) -> Result<Stored, CloudError> {
        let mut stored = Stored { volume_gib: 0, blocks: Vec::new() };
        let mut page: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let request = || {
                let list = self.ebs.list_snapshot_blocks().snapshot_id(snapshot).max_results(PAGE);
                list.set_next_token(page.clone()).send()
            };
            let answer = self.call(LIST, About::Known, request).await?;
            stored.volume_gib = u64::try_from(answer.volume_size().unwrap_or(0)).unwrap_or(0);
            for block in answer.blocks() {
                let block = stored_block(block).filter(|it| is_inside(it, &stored));
                stored.blocks.push(block.ok_or_else(|| self.malformed(LIST, "a block is none"))?);
            }
            page = answer.next_token.filter(|token| !token.is_empty());
            if page.is_none() {
                return self.sorted(stored);
            }
        }
        Err(self.malformed(LIST, "its pages have no end"))
    }

    /// No order is promised.
    fn sorted(&self, mut stored: Stored) -> Result<Stored, CloudError> {
        stored.blocks.sort_unstable_by_key(|block| block.index);
        match stored.blocks.windows(2).any(|pair| pair[0].index == pair[1].index) {
            true => Err(self.malformed(LIST, "it names a block twice")),
            false => Ok(stored),
        }
    }

    /// Reads a block of a snapshot, at the pace that the service allows.
    ///
    /// # Errors
    /// The call's. Bytes that do not fit their checksum are asked for again.
    pub async fn stored_block(&self, snapshot: &str, block: &StoredBlock) -> Result<Vec<u8>, CloudError> {
        self.paced("ebs:GetSnapshotBlock", About::Known, || self.get(snapshot, block), |_| ()).await
    }

    async fn get(
        &self,
        snapshot: &str,
        block: &StoredBlock,
    ) -> Result<Vec<u8>, SdkError<GetSnapshotBlockError, HttpResponse>> {
        let request = self.ebs.get_snapshot_block().snapshot_id(snapshot);
        let answer = request.block_index(block.index as i32).block_token(&block.token).send().await?;
        // The SDK's limit for an attempt ends with the answer's head.
        let body = tokio::time::timeout(self.limits.attempt, answer.block_data.collect());
        let bytes = body.await.map_err(SdkError::timeout_error)?;
        let bytes = bytes.map_err(|error| broken(error.to_string()))?.to_vec();
        if bytes.len() as u64 != BLOCK {
            return Err(broken(format!("block {} has {} bytes", block.index, bytes.len())));
        }
        let checksum = STANDARD.encode(Digest::of(&bytes).as_bytes());
        match answer.checksum {
            Some(said) if said == checksum => Ok(bytes),
            _ => Err(broken(format!("block {} does not fit its checksum", block.index))),
        }
    }
}

fn stored_block(found: &aws_sdk_ebs::types::Block) -> Option<StoredBlock> {
    let index = u64::try_from(found.block_index()?).ok()?;
    Some(StoredBlock { index, token: found.block_token()?.to_owned() })
}

fn is_inside(block: &StoredBlock, stored: &Stored) -> bool {
    (block.index + 1) * BLOCK <= stored.volume_gib << 30
}

/// An answer that came and is no good.
fn broken<E>(what: String) -> SdkError<E, HttpResponse> {
    let status = StatusCode::try_from(200).expect("a status");
    SdkError::response_error(what, HttpResponse::new(status, SdkBody::empty()))
}
