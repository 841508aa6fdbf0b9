// SPDX-License-Identifier: Apache-2.0
//! The objects of kiln's address management: the cluster's pool, and claims on its blocks (firstboot-anchors 3.3).
//!
//! Both halves read them: first boot claims, `kiln ipam` audits. Names and encodings stand here; the arithmetic is
//! [`crate::pool`]'s, and which block a node asks for is first boot's own business.

use std::collections::BTreeMap;

use ipnet::IpNet;
use sha2::{Digest as _, Sha256};

use crate::pool::{Pool, PoolError};
use crate::settings::{Addressing, Cluster};

/// Where pool and claims lie.
pub const NAMESPACE: &str = "kiln-ipam";
/// The name of the pool's ConfigMap.
pub const POOL: &str = "pool";
/// The format of pool and claims that is written and understood.
pub const FORMAT: &str = "1";

/// The cluster's pool: its ranges, cut into blocks; one index names one block of each family.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ranges {
    /// At most one of each family; the first is the primary one. All are cut into the same number of blocks or more.
    pools: Vec<Pool>,
    reserved: Vec<u32>,
    /// How nodes come by their blocks.
    pub addressing: Addressing,
}

/// Why a pool can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RangesError {
    /// One of the ranges can't be cut so.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// A range has no prefix length for its blocks.
    #[error("{0} has no prefix length for its blocks")]
    NoPrefix(IpNet),
    /// No range, or two of one family.
    #[error("a pool has one range of each family at most, and at least one")]
    Families,
    /// A key of the ConfigMap is missing or not what this kiln writes.
    #[error("{key}: {found:?} is not {wanted}")]
    Data {
        /// The key of the ConfigMap's data.
        key: String,
        /// What stands there, or nothing.
        found: String,
        /// What would be right.
        wanted: &'static str,
    },
}

/// What keys a family has.
const FAMILIES: [(&str, &str, &str); 2] = [("v4", "v4", "v4-prefix"), ("v6", "v6", "v6-prefix")];

const ADDRESSING: [Addressing; 4] =
    [Addressing::Claim, Addressing::Static, Addressing::Derived, Addressing::Kcm];

/// Returns the family of a range as it is spelt in the keys of pool and claims: `v4` or `v6`.
pub fn family(range: &IpNet) -> &'static str {
    FAMILIES[usize::from(range.addr().is_ipv6())].0
}

impl Ranges {
    /// Returns the pool that the settings describe.
    ///
    /// # Errors
    /// When a range can't be cut, or the families are not one each.
    pub fn of(cluster: &Cluster) -> Result<Self, RangesError> {
        let cut = |range: &IpNet| {
            let prefix = if range.addr().is_ipv4() { cluster.block_prefix } else { cluster.block_prefix_v6 };
            Ok(Pool::new(*range, prefix.ok_or(RangesError::NoPrefix(*range))?)?)
        };
        let pools = cluster.pods.iter().map(cut).collect::<Result<_, RangesError>>()?;
        Self::new(pools, cluster.reserved.clone(), cluster.addressing)
    }

    fn new(pools: Vec<Pool>, mut reserved: Vec<u32>, addressing: Addressing) -> Result<Self, RangesError> {
        let is_twice = pools.len() == 2 && family(&pools[0].range()) == family(&pools[1].range());
        if pools.is_empty() || pools.len() > 2 || is_twice {
            return Err(RangesError::Families);
        }
        reserved.sort_unstable();
        reserved.dedup();
        Ok(Self { pools, reserved, addressing })
    }

    /// Returns how many indices there are, reserved ones counted: as many as the range with the fewest blocks has.
    pub fn count(&self) -> u32 {
        self.pools.iter().map(Pool::blocks).min().expect("new demands one")
    }

    /// Returns whether no node gets this index.
    pub fn is_reserved(&self, index: u32) -> bool {
        self.reserved.binary_search(&index).is_ok()
    }

    /// Returns the indices that no node gets, in ascending order; some may be beyond the last block.
    pub fn reserved(&self) -> &[u32] {
        &self.reserved
    }

    /// Returns how many blocks nodes can have.
    pub fn usable(&self) -> u32 {
        let reserved = self.reserved.iter().filter(|index| **index < self.count()).count();
        self.count() - u32::try_from(reserved).expect("fewer than indices")
    }

    /// Returns the ranges, the primary one first.
    pub fn pools(&self) -> &[Pool] {
        &self.pools
    }

    /// Returns the blocks of an index, the primary one first: what `spec.podCIDRs` holds.
    pub fn blocks(&self, index: u32) -> Option<Vec<IpNet>> {
        if index >= self.count() {
            return None;
        }
        self.pools.iter().map(|pool| pool.block(index)).collect()
    }

    /// Returns the data of the pool's ConfigMap, its hash included.
    pub fn data(&self) -> BTreeMap<String, String> {
        let mut data = self.described();
        data.insert("hash".to_owned(), self.hash());
        data
    }

    fn described(&self) -> BTreeMap<String, String> {
        let families: Vec<&str> = self.pools.iter().map(|pool| family(&pool.range())).collect();
        let reserved: Vec<String> = self.reserved.iter().map(u32::to_string).collect();
        let mut data: BTreeMap<String, String> = [
            ("format", FORMAT.to_owned()),
            ("addressing", self.addressing.word().to_owned()),
            ("families", families.join(",")),
            ("blocks", self.count().to_string()),
            ("reserved", reserved.join(",")),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        for pool in &self.pools {
            let name = family(&pool.range());
            data.insert(name.to_owned(), pool.range().to_string());
            data.insert(format!("{name}-prefix"), pool.block_prefix().to_string());
        }
        data
    }

    /// Returns what names this pool in claims: 32 hex digits over all of its data but the hash itself.
    pub fn hash(&self) -> String {
        let text: String = self.described().iter().map(|(key, value)| format!("{key}={value}\n")).collect();
        Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads the data of a pool's ConfigMap.
    ///
    /// # Errors
    /// When a key is missing, is not what kiln would write, or belongs to a format that this kiln does not know.
    pub fn parse(data: &BTreeMap<String, String>) -> Result<Self, RangesError> {
        let get = |key: &str| data.get(key).map_or("", String::as_str);
        let wrong =
            |key: &str, wanted| RangesError::Data { key: key.to_owned(), found: get(key).to_owned(), wanted };
        if get("format") != FORMAT {
            return Err(wrong("format", "a format that this kiln knows (1)"));
        }
        let addressing = ADDRESSING.iter().find(|addressing| addressing.word() == get("addressing"));
        let addressing = *addressing.ok_or_else(|| wrong("addressing", "claim, static, derived or kcm"))?;
        let mut pools = Vec::new();
        for name in get("families").split(',') {
            let found = FAMILIES.iter().find(|(family, _, _)| *family == name);
            let (_, range, prefix) = found.ok_or_else(|| wrong("families", "v4, v6 or both"))?;
            let cut = get(range).parse().map_err(|_| wrong(range, "a range"))?;
            pools.push(Pool::new(cut, get(prefix).parse().map_err(|_| wrong(prefix, "a prefix length"))?)?);
        }
        let indices = get("reserved").split(',').filter(|index| !index.is_empty()).map(str::parse);
        let reserved =
            indices.collect::<Result<_, _>>().map_err(|_| wrong("reserved", "a list of indices"))?;
        let ranges = Self::new(pools, reserved, addressing)?;
        let written = ranges.data();
        match written.iter().find(|(key, value)| data.get(*key) != Some(value)) {
            Some((key, _)) => Err(wrong(key, "what the other keys say")),
            None => Ok(ranges),
        }
    }
}

/// Returns the name of the claim on a block: `b-7`.
pub fn claim_name(index: u32) -> String {
    format!("b-{index}")
}

/// Returns the index that a claim's name says; none for a name that kiln would not write, such as `b-07`.
pub fn claimed_index(name: &str) -> Option<u32> {
    let index = name.strip_prefix("b-")?.parse().ok()?;
    (claim_name(index) == name).then_some(index)
}

/// Returns the label that mirrors a Node's blocks: the IPv4 one, since a label's value has no ':' (API validation).
pub fn mirror(blocks: &[IpNet]) -> Option<String> {
    let block = blocks.iter().find(|block| block.addr().is_ipv4())?;
    Some(block.to_string().replace('/', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(pods: &[(&str, u8)]) -> Ranges {
        let pools = pods.iter().map(|(range, prefix)| Pool::new(range.parse().unwrap(), *prefix).unwrap());
        Ranges::new(pools.collect(), vec![3, 1, 3], Addressing::Claim).unwrap()
    }

    #[test]
    fn a_pool_reads_what_it_wrote_and_nothing_else() {
        let both = ranges(&[("10.234.0.0/20", 26), ("fd00:1::/48", 64)]);
        let data = both.data();
        assert_eq!(Ranges::parse(&data).unwrap(), both);
        assert_eq!((data["blocks"].as_str(), data["reserved"].as_str()), ("64", "1,3"));
        assert_eq!((both.count(), both.usable()), (64, 62));
        for key in data.keys() {
            let mut changed = data.clone();
            changed.insert(key.clone(), "77".to_owned());
            assert!(Ranges::parse(&changed).is_err(), "{key} may not be changed alone");
            changed.remove(key);
            assert!(Ranges::parse(&changed).is_err(), "{key} may not be missing");
        }
    }

    #[test]
    fn one_index_names_a_block_of_each_family_in_the_order_of_the_ranges() {
        let six_first = ranges(&[("fd00:1::/56", 64), ("10.234.0.0/20", 26)]);
        let blocks: Vec<String> = six_first.blocks(5).unwrap().iter().map(IpNet::to_string).collect();
        assert_eq!(blocks, ["fd00:1:0:5::/64", "10.234.1.64/26"]);
        assert_eq!(six_first.blocks(64), None, "the smaller range counts");
    }

    #[test]
    fn a_claim_has_one_spelling() {
        assert_eq!(claimed_index("b-7"), Some(7));
        for name in ["b-07", "b-", "b-+7", "b--1", "b-4294967296", "pool", "kube-root-ca.crt", "B-7"] {
            assert_eq!(claimed_index(name), None, "{name}");
        }
    }
}
