// SPDX-License-Identifier: Apache-2.0
//! Pool: a pod range that is cut into equal blocks, one for each node; and the arithmetic of ranges.
//!
//! Both halves of kiln use it: the bake to refuse ranges that can't work, first boot to turn an index into a block. It
//! knows nothing of who holds which block.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Addresses of a block that no pod gets: network, broadcast, and the node's own bridge.
const ADDRESSES_RESERVED: u128 = 3;
/// 2^(32-29) - 3 = 5 pods is the least that makes a node; /30 would leave one pod, /31 none.
const BLOCK_PREFIX_MAX_V4: u8 = 29;
/// The same for IPv6, where a block counts the same way.
const BLOCK_PREFIX_MAX_V6: u8 = 125;
/// 2^24 blocks are far beyond any cluster, and an index stays a u32 with room for sums.
const BLOCKS_MAX_BITS: u8 = 24;

/// A pod range and the prefix length of its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pool {
    range: IpNet,
    block_prefix: u8,
}

/// Why a range can't be cut into such blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The range is not a network address.
    #[error("{0} has bits set after its prefix; the range is {range}", range = .0.trunc())]
    HostBits(IpNet),
    /// Blocks would be larger than the range.
    #[error("blocks of /{block_prefix} are larger than the range {range}")]
    BlockLargerThanRange {
        /// The range.
        range: IpNet,
        /// The blocks' prefix length.
        block_prefix: u8,
    },
    /// Blocks would be too small for pods.
    #[error("a block of /{block_prefix} leaves too few addresses for pods; /{longest} is the longest prefix")]
    BlockTooSmall {
        /// The blocks' prefix length.
        block_prefix: u8,
        /// The longest that will do.
        longest: u8,
    },
    /// There would be more blocks than indices.
    #[error("{range} has more than 2^{BLOCKS_MAX_BITS} blocks of /{block_prefix}")]
    TooManyBlocks {
        /// The range.
        range: IpNet,
        /// The blocks' prefix length.
        block_prefix: u8,
    },
}

impl Pool {
    /// Returns the pool that cuts `range` into blocks of prefix length `block_prefix`.
    ///
    /// # Errors
    /// When the range has host bits set or the blocks don't fit it.
    pub fn new(range: IpNet, block_prefix: u8) -> Result<Self, PoolError> {
        let longest = if range.addr().is_ipv4() { BLOCK_PREFIX_MAX_V4 } else { BLOCK_PREFIX_MAX_V6 };
        if has_host_bits(&range) {
            return Err(PoolError::HostBits(range));
        }
        if block_prefix > longest {
            return Err(PoolError::BlockTooSmall { block_prefix, longest });
        }
        if block_prefix < range.prefix_len() {
            return Err(PoolError::BlockLargerThanRange { range, block_prefix });
        }
        if block_prefix - range.prefix_len() > BLOCKS_MAX_BITS {
            return Err(PoolError::TooManyBlocks { range, block_prefix });
        }
        Ok(Self { range, block_prefix })
    }

    /// Returns the whole range.
    pub fn range(&self) -> IpNet {
        self.range
    }

    /// Returns the prefix length of a block.
    pub fn block_prefix(&self) -> u8 {
        self.block_prefix
    }

    /// Returns how many blocks there are: 2^(block prefix - range prefix).
    pub fn blocks(&self) -> u32 {
        1 << (self.block_prefix - self.range.prefix_len())
    }

    /// Returns how many pods a block serves: 2^(bits - block prefix) - 3, at most `u32::MAX`.
    pub fn pods_per_block(&self) -> u32 {
        let addresses = 1_u128 << (self.range.max_prefix_len() - self.block_prefix).min(127);
        u32::try_from(addresses - ADDRESSES_RESERVED).unwrap_or(u32::MAX)
    }

    /// Returns the block with this index, if there is one.
    pub fn block(&self, index: u32) -> Option<IpNet> {
        if index >= self.blocks() {
            return None;
        }
        let shift = self.range.max_prefix_len() - self.block_prefix;
        Some(match self.range {
            IpNet::V4(range) => {
                let first = u32::from(range.network()) | (index << shift);
                Ipv4Net::new(first.into(), self.block_prefix).expect("checked by new").into()
            }
            IpNet::V6(range) => {
                // A shift by 128 can only be asked for when the whole address space is one block: index 0.
                let offset = u128::from(index).checked_shl(shift.into()).unwrap_or(0);
                let first = u128::from(range.network()) | offset;
                Ipv6Net::new(first.into(), self.block_prefix).expect("checked by new").into()
            }
        })
    }

    /// Returns the index of `block`, if it is exactly one of the pool's.
    pub fn index_of(&self, block: IpNet) -> Option<u32> {
        if block.prefix_len() != self.block_prefix || has_host_bits(&block) || !self.range.contains(&block) {
            return None;
        }
        let shift = u32::from(self.range.max_prefix_len() - self.block_prefix);
        let offset = match (block, self.range) {
            (IpNet::V4(block), IpNet::V4(range)) => {
                u128::from(u32::from(block.network()) - u32::from(range.network()))
            }
            (IpNet::V6(block), IpNet::V6(range)) => u128::from(block.network()) - u128::from(range.network()),
            _ => return None,
        };
        u32::try_from(offset.checked_shr(shift).unwrap_or(0)).ok()
    }
}

/// Returns whether the address has bits set after the prefix, so that it names a host and not a range.
pub fn has_host_bits(range: &IpNet) -> bool {
    range.addr() != range.network()
}

/// Returns whether the two ranges have an address in common.
pub fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn pool(range: &str, block_prefix: u8) -> Pool {
        Pool::new(net(range), block_prefix).unwrap()
    }

    /// T1 and T2 of the seeds: the count follows the mask, whatever the text beside it says.
    #[test]
    fn a_slash_20_has_64_blocks_of_26_and_32_of_25() {
        let by_26 = pool("10.234.0.0/20", 26);
        assert_eq!(by_26.blocks(), 64);
        assert_eq!(by_26.block(0), Some(net("10.234.0.0/26")));
        assert_eq!(by_26.block(2), Some(net("10.234.0.128/26")));
        assert_eq!(by_26.block(63), Some(net("10.234.15.192/26")));
        assert_eq!(by_26.block(64), None);
        let by_25 = pool("10.234.0.0/20", 25);
        assert_eq!(by_25.blocks(), 32);
        assert_eq!(by_25.block(1), Some(net("10.234.0.128/25")));
        assert_eq!(by_25.block(31), Some(net("10.234.15.128/25")));
    }

    /// T3: the bridge takes an address too.
    #[test]
    fn a_block_of_26_serves_61_pods() {
        assert_eq!(pool("10.234.0.0/20", 26).pods_per_block(), 61);
        assert_eq!(pool("10.234.0.0/20", 29).pods_per_block(), 5);
        assert_eq!(pool("fd00::/48", 64).pods_per_block(), u32::MAX);
        assert!(matches!(
            Pool::new(net("10.0.0.0/20"), 30),
            Err(PoolError::BlockTooSmall { longest: 29, .. })
        ));
        assert!(matches!(
            Pool::new(net("fd00::/120"), 126),
            Err(PoolError::BlockTooSmall { longest: 125, .. })
        ));
    }

    /// T5: the seed's defaults hold four nodes and allow six.
    #[test]
    fn a_slash_24_has_four_blocks_of_26() {
        assert_eq!(pool("10.2.1.0/24", 26).blocks(), 4);
    }

    /// T12: blocks never leave the range, and a range is a range.
    #[test]
    fn shapes_that_cannot_be_cut_are_refused() {
        assert!(matches!(Pool::new(net("10.0.0.0/24"), 20), Err(PoolError::BlockLargerThanRange { .. })));
        assert!(matches!(Pool::new(net("10.0.0.1/24"), 26), Err(PoolError::HostBits(_))));
        assert!(matches!(Pool::new(net("fd00::/32"), 64), Err(PoolError::TooManyBlocks { .. })));
        assert_eq!(pool("10.0.0.0/24", 24).block(0), Some(net("10.0.0.0/24")));
        assert_eq!(pool("10.0.0.0/24", 24).block(1), None);
    }

    /// T14 and T34: inside counts as overlap, families never do.
    #[test]
    fn ranges_overlap_when_one_holds_the_other() {
        assert!(overlap(&net("10.1.1.0/24"), &net("10.1.0.0/16")));
        assert!(overlap(&net("10.220.0.0/16"), &net("10.220.0.0/16")));
        assert!(!overlap(&net("10.1.0.0/16"), &net("10.2.0.0/16")));
        assert!(!overlap(&net("0.0.0.0/0"), &net("::/0")));
    }

    proptest! {
        #[test]
        fn every_block_knows_its_index(address: u32, prefix in 0_u8..=29, more in 0_u8..=24, index: u32) {
            let range = Ipv4Net::new(address.into(), prefix).unwrap().trunc();
            let Ok(pool) = Pool::new(range.into(), prefix + more) else { return Ok(()) };
            let index = index % pool.blocks();
            let block = pool.block(index).unwrap();
            prop_assert!(pool.range().contains(&block));
            prop_assert_eq!(pool.index_of(block), Some(index));
        }

        #[test]
        fn every_block_knows_its_index_in_ipv6_too(address: u128, prefix in 0_u8..=125, more in 0_u8..=24, index: u32) {
            let range = Ipv6Net::new(address.into(), prefix).unwrap().trunc();
            let Ok(pool) = Pool::new(range.into(), prefix + more) else { return Ok(()) };
            let index = index % pool.blocks();
            prop_assert_eq!(pool.index_of(pool.block(index).unwrap()), Some(index));
        }
    }
}
