// SPDX-License-Identifier: Apache-2.0
//! Which block to ask for, whose a claim is, and what of it is recorded.
//!
//! Exclusion comes from the server alone: one name, one object, created atomically, immutable, owned by a Node's UID.
//! A node configures block i only after it has seen b-i with its own Node as the owner. What is decided here is the
//! order of asking, and that a crash leaves one claim at most:
//!
//! - A create for b-i is sent only while the disk says "b-i is intended" ([`Record`]), so after a crash the one name
//!   that may have been created is known, and it is asked for again before any other.
//! - The intent moves on to another index only after a read has shown b-i to be somebody else's. So at any time this
//!   Node can own b-i alone. A create that is still under way inside a server could land later if b-i were freed just
//!   then; the server gives a write up after 34 s, and `kiln ipam` shows owners of two claims.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::identity::Identity;
use crate::ipam::{self, Ranges};

/// Misses after which one list costs less than going on: at 98 % used, blind probing takes up to 85 creates (3.2).
pub const MISSES_MAX: usize = 3;

/// What is recorded of the claim, at /var/lib/kiln/claim.json.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// How far it is.
    pub state: State,
    /// The hash of the pool that the index counts in.
    pub pool: String,
    /// The index; none where the cluster's own allocator set the block.
    pub index: Option<u32>,
    /// The blocks, the primary family first.
    pub blocks: Vec<IpNet>,
    /// The UID of the Node that owns the claim.
    pub node_uid: String,
    /// Tells this machine's creates from those of a twin with the same name and instance id.
    pub nonce: String,
}

/// How far a claim is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its create may have been sent.
    Intended,
    /// It was read with the Node's live UID, and `spec.podCIDRs` was set.
    Held,
}

/// A claim as a read or a create found it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Claim {
    /// It exists; whose it is must be read.
    Exists,
    /// Read, or created just now: owner's UID, instance and nonce are those recorded.
    Mine,
    /// The owner is this machine's Node, but another machine or installation made it.
    Twin,
    /// Somebody else's: the holder's name.
    Other(String),
    /// There is none.
    Absent,
}

/// All claims, as one consistent list of names and owners showed them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Listing {
    /// Indices that exist. Other objects of the namespace, and names that kiln would not write, are not among them.
    pub used: BTreeSet<u32>,
    /// Indices whose owner is this machine's Node, by UID.
    pub ours: BTreeSet<u32>,
}

impl Listing {
    /// Returns the list that `objects` make: names, and the UIDs of each one's owners.
    pub fn of<'a>(objects: impl IntoIterator<Item = (&'a str, Vec<&'a str>)>, node_uid: &str) -> Self {
        let mut listing = Self::default();
        for (name, owners) in objects {
            let Some(index) = ipam::claimed_index(name) else { continue };
            listing.used.insert(index);
            if owners.contains(&node_uid) {
                listing.ours.insert(index);
            }
        }
        listing
    }
}

/// What to ask for next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Candidate {
    /// The block with this index.
    Index(u32),
    /// A list first.
    List,
    /// Nothing: a consistent list showed every block in use.
    Exhausted {
        /// Blocks in use.
        used: u32,
        /// Blocks that nodes can have.
        total: u32,
    },
}

/// Returns what a node asks for after the indices in `missed` turned out to be others', `listing` being older than they.
///
/// The order is a keyed hash of the instance id, so nodes that boot together ask for different names, and a freed
/// index is not the next one to be used again.
pub fn candidate(
    ranges: &Ranges,
    instance_id: &str,
    missed: &BTreeSet<u32>,
    listing: Option<&Listing>,
) -> Candidate {
    let Some(listing) = listing else {
        let next = probes(ranges, instance_id).find(|index| !missed.contains(index));
        return next.map_or(Candidate::List, Candidate::Index);
    };
    let is_usable = |index: &u32| *index < ranges.count() && !ranges.is_reserved(*index);
    let used: BTreeSet<u32> = listing.used.iter().copied().filter(is_usable).collect();
    let (used_count, total) = (count(&used), ranges.usable());
    if used_count == total {
        return Candidate::Exhausted { used: used_count, total };
    }
    let missed = missed.iter().copied().filter(|index| is_usable(index) && !used.contains(index));
    let missed: BTreeSet<u32> = missed.collect();
    let Some(free) = (total - used_count).checked_sub(count(&missed)).filter(|free| *free > 0) else {
        return Candidate::List;
    };
    let wide = keyed(instance_id, &ranges.hash(), "free", count(&missed));
    let nth = u32::try_from(wide % u64::from(free)).expect("below a u32");
    let mut others: Vec<u32> =
        used.into_iter().chain(missed).chain(ranges.reserved().iter().copied()).collect();
    others.sort_unstable();
    Candidate::Index(nth_beside(&others, nth))
}

fn count(indices: &BTreeSet<u32>) -> u32 {
    u32::try_from(indices.len()).expect("no more than indices")
}

/// Returns the n-th index, from 0 on, that is not among `others`, which are in ascending order and distinct. A pool may
/// have millions of indices; those that somebody has are no more than the cluster's nodes.
fn nth_beside(others: &[u32], nth: u32) -> u32 {
    let mut index = nth;
    for other in others {
        if *other > index {
            break;
        }
        index += 1;
    }
    index
}

/// The indices that are tried without a list: distinct, not reserved, [`MISSES_MAX`] at most.
fn probes(ranges: &Ranges, instance_id: &str) -> impl Iterator<Item = u32> {
    let (hash, count) = (ranges.hash(), ranges.count());
    let mut probes = Vec::new();
    // Reserved and repeated ones are passed over; where next to all are reserved, a list does better.
    for turn in 0..64 {
        let wide = keyed(instance_id, &hash, "probe", turn);
        let index = u32::try_from(wide % u64::from(count)).expect("below a u32");
        if !ranges.is_reserved(index) && !probes.contains(&index) && probes.len() < MISSES_MAX {
            probes.push(index);
        }
    }
    probes.into_iter()
}

fn keyed(instance_id: &str, pool: &str, purpose: &str, number: u32) -> u64 {
    let text = format!("kiln {purpose}\n{instance_id}\n{pool}\n{number}\n");
    let digest = Sha256::digest(text);
    u64::from_be_bytes(digest[..8].try_into().expect("a digest has 32 bytes"))
}

/// Returns the data of a claim's ConfigMap. The blocks stand there for people: nobody reads them.
pub fn data(record: &Record, identity: &Identity) -> BTreeMap<String, String> {
    let mut data: BTreeMap<String, String> = [
        ("pool", &record.pool),
        ("node", &identity.name),
        ("instance", &identity.instance_id),
        ("nonce", &record.nonce),
    ]
    .map(|(key, value)| (key.to_owned(), value.clone()))
    .into();
    for block in &record.blocks {
        let family = if block.addr().is_ipv4() { "v4" } else { "v6" };
        data.insert(family.to_owned(), block.to_string());
    }
    data
}

/// Returns whose claim it is that was read, for the machine that recorded `record`.
///
/// The owner's UID decides: a name, an instance id or data may be anybody's, as the policies let a node write what it
/// likes there, but only a Node's own machine can name its UID and be believed by the garbage collector.
pub fn judge(
    record: &Record,
    identity: &Identity,
    owners: &[&str],
    data: &BTreeMap<String, String>,
) -> Claim {
    let get = |key: &str| data.get(key).map_or("", String::as_str);
    if owners != [record.node_uid.as_str()] {
        return Claim::Other(get("node").to_owned());
    }
    let is_own = get("instance") == identity.instance_id && get("nonce") == record.nonce;
    if is_own { Claim::Mine } else { Claim::Twin }
}

#[cfg(test)]
mod tests;
