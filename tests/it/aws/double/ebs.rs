// SPDX-License-Identifier: Apache-2.0
//! The EBS direct APIs ("Amazon EBS direct APIs", API reference and user guide).

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kiln::blocks::BLOCK;
use kiln::digest::{Digest, Hasher};
use serde_json::{Value, json};

use super::{Refusal, State, refuse, tick};
use crate::aws::http::{Reply, Request};

#[derive(Debug, Clone)]
pub struct Snapshot {
    pub token: String,
    asked: Value,
    pub volume_gib: u64,
    pub parent: Option<String>,
    pub encrypted: bool,
    pub kms_key: Option<String>,
    pub tags: BTreeMap<String, String>,
    /// `pending`, `completed`, `error`.
    pub state: &'static str,
    pub blocks: BTreeMap<u64, Block>,
    pub lag: u32,
    pub slow: u32,
}

#[derive(Debug, Clone)]
pub struct Block {
    pub digest: Digest,
    pub bytes: Option<Arc<[u8]>>,
}

pub fn action(request: &Request) -> (String, String) {
    let parts: Vec<&str> = request.path.trim_matches('/').split('/').collect();
    let (action, about) = match (request.method.as_str(), parts.as_slice()) {
        ("POST", ["snapshots"]) => ("StartSnapshot", String::new()),
        ("POST", ["snapshots", "completion", id]) => ("CompleteSnapshot", (*id).to_owned()),
        ("PUT", ["snapshots", id, "blocks", index]) => ("PutSnapshotBlock", format!("{id} {index}")),
        ("GET", ["snapshots", id, "blocks", index]) => ("GetSnapshotBlock", format!("{id} {index}")),
        ("GET", ["snapshots", id, "blocks"]) => ("ListSnapshotBlocks", (*id).to_owned()),
        ("GET", ["snapshots", id, "changedblocks"]) => ("ListChangedBlocks", (*id).to_owned()),
        _ => ("Unknown", request.path.clone()),
    };
    (format!("ebs:{action}"), about)
}

/// "Common errors": the type in a header, message and reason in the body.
pub fn refused(refusal: &Refusal) -> Reply {
    let body = json!({ "Message": refusal.message, "Reason": refusal.reason });
    Reply::new(refusal.status, "application/json", body.to_string()).with("x-amzn-ErrorType", &refusal.code)
}

pub fn serve(state: &mut State, region: &str, request: &Request) -> Reply {
    let (action, about) = action(request);
    let served = match action.as_str() {
        "ebs:StartSnapshot" => start(state, region, request),
        "ebs:PutSnapshotBlock" => put(state, region, &about, request),
        "ebs:CompleteSnapshot" => complete(state, region, &about, request),
        "ebs:ListSnapshotBlocks" => list(state, region, &about, request),
        "ebs:GetSnapshotBlock" => get(state, region, &about, request),
        _ => Err(refuse("UnknownOperationException", action)),
    };
    served.unwrap_or_else(|refusal| refused(&refusal))
}

fn invalid(message: &str, reason: &str) -> Refusal {
    refuse("ValidationException", message).because(reason)
}

fn unknown(id: &str) -> Refusal {
    refuse("ResourceNotFoundException", format!("The snapshot '{id}' does not exist."))
        .because("SNAPSHOT_NOT_FOUND")
        .status(404)
}

fn start(state: &mut State, region: &str, request: &Request) -> Result<Reply, Refusal> {
    let asked: Value = serde_json::from_slice(&request.body).unwrap();
    let token = asked["ClientToken"].as_str().unwrap_or_default().to_owned();
    let weather = state.weather;
    let id = state.new_id("snap");
    let region = state.region(region);
    // "Idempotency for StartSnapshot API": the same token and parameters give the first answer; other parameters, an error.
    if let Some((id, known)) = region.snapshots.iter().find(|(_, it)| it.token == token) {
        if known.asked != asked {
            return Err(refuse("ConflictException", "the token was used with other parameters").status(503));
        }
        return Ok(started(id, known));
    }
    // StartSnapshot: `VolumeSize` 1 to 65,536; `Timeout` 10 to 4,320; `ClientToken` up to 255.
    let volume_gib = asked["VolumeSize"].as_u64().filter(|gib| (1..=65536).contains(gib));
    let volume_gib =
        volume_gib.ok_or_else(|| invalid("the volume size is out of range", "INVALID_VOLUME_SIZE"))?;
    if asked["Timeout"].as_u64().is_some_and(|minutes| !(10..=4320).contains(&minutes)) || token.len() > 255 {
        return Err(invalid("timeout or token is out of range", "INVALID_PARAMETER_VALUE"));
    }
    let parent = asked["ParentSnapshotId"].as_str().map(str::to_owned);
    let asks = asked["Encrypted"].as_bool().unwrap_or(false);
    let key = asked["KmsKeyArn"].as_str().map(str::to_owned);
    if let Some(parent) = &parent {
        // StartSnapshot, `ParentSnapshotId`: not together with `Encrypted`, nor with encryption by default and a parent that
        // is not encrypted ("Using encryption", outcomes).
        if asks || key.is_some() || region.encrypts_by_default {
            return Err(invalid("a parent and encryption exclude each other", "INVALID_PARAMETER_VALUE"));
        }
        let found = region.snapshots.get(parent).ok_or_else(|| unknown(parent))?;
        if found.state != "completed" {
            return Err(invalid("the parent is not complete", "INVALID_SNAPSHOT_ID"));
        }
        if found.volume_gib > volume_gib {
            return Err(invalid("the volume is smaller than the parent's", "INVALID_VOLUME_SIZE"));
        }
    }
    // "Using encryption": a key without `Encrypted` needs encryption by default.
    if key.is_some() && !asks && !region.encrypts_by_default {
        return Err(invalid("a key without encryption", "INVALID_PARAMETER_VALUE"));
    }
    let pairs = asked["Tags"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let tags = pairs.iter().map(|tag| (text(&tag["Key"]), text(&tag["Value"]))).collect();
    let snapshot = Snapshot {
        token,
        volume_gib,
        parent,
        encrypted: asks || region.encrypts_by_default,
        kms_key: key,
        tags,
        state: "pending",
        blocks: BTreeMap::new(),
        lag: weather.lag,
        slow: weather.slow,
        asked,
    };
    let reply = started(&id, &snapshot);
    region.snapshots.insert(id, snapshot);
    Ok(reply)
}

fn started(id: &str, snapshot: &Snapshot) -> Reply {
    let body = json!({
        "SnapshotId": id, "OwnerId": "123456789012", "Status": snapshot.state, "StartTime": 1_800_000_000.0,
        "VolumeSize": snapshot.volume_gib, "BlockSize": BLOCK, "ParentSnapshotId": snapshot.parent,
    });
    Reply::new(201, "application/json", body.to_string())
}

/// PutSnapshotBlock.
fn put(state: &mut State, region: &str, about: &str, request: &Request) -> Result<Reply, Refusal> {
    let (id, index) = about.split_once(' ').unwrap();
    let index: u64 = index.parse().map_err(|_| invalid("no block index", "INVALID_BLOCK"))?;
    let (forgets, believes) = (state.weather.forgets_bytes, state.weather.believes);
    *state.puts.entry((region.to_owned(), id.to_owned(), index)).or_default() += 1;
    let snapshot = state.region(region).snapshots.get_mut(id).ok_or_else(|| unknown(id))?;
    // A fresh snapshot may be unknown for two minutes (coldsnap issue 43).
    if tick(&mut snapshot.lag) {
        return Err(unknown(id));
    }
    if snapshot.state != "pending" {
        return Err(invalid("the snapshot is not pending", "INVALID_SNAPSHOT_ID"));
    }
    // `x-amz-Data-Length`: 524,288, the only size of a block; the body has it.
    if request.header("x-amz-data-length") != "524288" || request.body.len() as u64 != BLOCK {
        return Err(invalid("a block has 524288 bytes", "INVALID_BLOCK"));
    }
    if (index + 1) * BLOCK > snapshot.volume_gib << 30 {
        return Err(invalid("the block lies behind the end of the volume", "INVALID_BLOCK"));
    }
    let digest = match believes {
        true => claimed(request).ok_or_else(|| invalid("no checksum", "INVALID_CONTENT_ENCODING"))?,
        false => Digest::of(&request.body),
    };
    let is_sha256 = request.header("x-amz-checksum-algorithm") == "SHA256";
    if !is_sha256 || request.header("x-amz-checksum") != STANDARD.encode(digest.as_bytes()) {
        return Err(invalid("the checksum does not match", "INVALID_CONTENT_ENCODING"));
    }
    let bytes = (!forgets).then(|| request.body.clone().into());
    snapshot.blocks.insert(index, Block { digest, bytes });
    let reply = Reply::new(201, "application/json", "{}");
    Ok(reply
        .with("x-amz-Checksum", STANDARD.encode(digest.as_bytes()))
        .with("x-amz-Checksum-Algorithm", "SHA256"))
}

fn claimed(request: &Request) -> Option<Digest> {
    let bytes: [u8; 32] = STANDARD.decode(request.header("x-amz-checksum")).ok()?.try_into().ok()?;
    Some(Digest::from(bytes))
}

/// CompleteSnapshot: the number of blocks written, and the linear checksum over their digests.
fn complete(state: &mut State, region: &str, id: &str, request: &Request) -> Result<Reply, Refusal> {
    let snapshot = state.region(region).snapshots.get_mut(id).ok_or_else(|| unknown(id))?;
    if tick(&mut snapshot.lag) {
        return Err(unknown(id));
    }
    if snapshot.state != "pending" {
        return Err(invalid("the snapshot is not pending", "INVALID_SNAPSHOT_ID"));
    }
    if request.header("x-amz-changedblockscount") != snapshot.blocks.len().to_string() {
        let message = format!("{} blocks were written", snapshot.blocks.len());
        return Err(invalid(&message, "INVALID_PARAMETER_VALUE"));
    }
    let mut hasher = Hasher::new();
    snapshot.blocks.values().for_each(|block| hasher.update(block.digest.as_bytes()));
    let is_right = request.header("x-amz-checksum-aggregation-method") == "LINEAR"
        && request.header("x-amz-checksum-algorithm") == "SHA256"
        && request.header("x-amz-checksum") == STANDARD.encode(hasher.finish().as_bytes());
    if !is_right {
        return Err(invalid("the checksum over all blocks does not match", "INVALID_PARAMETER_VALUE"));
    }
    snapshot.state = "completed";
    Ok(Reply::new(202, "application/json", json!({ "Status": "pending" }).to_string()))
}

/// ListSnapshotBlocks: complete snapshots alone; `MaxResults` 100 to 10,000; pages by token.
fn list(state: &mut State, region: &str, id: &str, request: &Request) -> Result<Reply, Refusal> {
    let most: usize = request.query.get("maxResults").map_or(10_000, |most| most.parse().unwrap());
    if !(100..=10_000).contains(&most) {
        return Err(invalid("MaxResults is out of range", "INVALID_PARAMETER_VALUE"));
    }
    let page = state.weather.page.unwrap_or(most);
    let region = state.region(region);
    let snapshot = region.snapshots.get(id).ok_or_else(|| unknown(id))?;
    if snapshot.state != "completed" {
        return Err(invalid("the snapshot is not complete", "INVALID_SNAPSHOT_ID"));
    }
    let indexes: Vec<u64> = all_blocks(region, id).into_keys().collect();
    let from: usize = match request.query.get("pageToken") {
        Some(token) => {
            let from = token.strip_prefix(&format!("{id}@")).and_then(|from| from.parse().ok());
            from.ok_or_else(|| invalid("no such page", "INVALID_PAGE_TOKEN"))?
        }
        None => 0,
    };
    let some: Vec<Value> = indexes[from..]
        .iter()
        .take(page)
        .map(|index| json!({ "BlockIndex": index, "BlockToken": format!("{id}#{index}") }))
        .collect();
    let next = (from + some.len() < indexes.len()).then(|| format!("{id}@{}", from + some.len()));
    let body = json!({
        "Blocks": some, "NextToken": next, "VolumeSize": snapshot.volume_gib, "BlockSize": BLOCK,
        "ExpiryTime": 1_900_000_000.0,
    });
    Ok(Reply::new(200, "application/json", body.to_string()))
}

/// GetSnapshotBlock, with the token that the list gave.
fn get(state: &mut State, region: &str, about: &str, request: &Request) -> Result<Reply, Refusal> {
    let (id, index) = about.split_once(' ').unwrap();
    if request.query.get("blockToken") != Some(&format!("{id}#{index}")) {
        return Err(invalid("the token is of another block", "INVALID_BLOCK_TOKEN"));
    }
    let region = state.region(region);
    let blocks = all_blocks(region, id);
    let block = index.parse().ok().and_then(|index: u64| blocks.get(&index).cloned());
    let block = block.ok_or_else(|| invalid("no such block", "INVALID_BLOCK"))?;
    let reply = Reply::new(200, "application/octet-stream", block.bytes.unwrap().to_vec());
    let reply = reply.with("x-amz-Data-Length", BLOCK).with("x-amz-Checksum-Algorithm", "SHA256");
    Ok(reply.with("x-amz-Checksum", STANDARD.encode(block.digest.as_bytes())))
}

/// A snapshot's own blocks over its parent's.
fn all_blocks(region: &super::RegionState, id: &str) -> BTreeMap<u64, Block> {
    let Some(snapshot) = region.snapshots.get(id) else { return BTreeMap::new() };
    let mut blocks = snapshot.parent.as_ref().map(|parent| all_blocks(region, parent)).unwrap_or_default();
    blocks.extend(snapshot.blocks.clone());
    blocks
}
